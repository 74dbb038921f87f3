// The grid's rows and columns, apart from how they are drawn: runs x tasks, groups that fold, one
// letter a cell.
import { type StateWord, worstState } from '../base/states';

export interface GridTask {
  id: string;
  label: string;
  group: string | null;
  mapped: boolean;
}
export interface GridRun {
  id: string;
  state: string;
  type: string;
  date: string | null; // logical date, else when it was to run
  duration: number | null; // seconds
  started: string | null;
  ended: string | null;
}
export interface GridData {
  tasks: GridTask[];
  groups: { id: string; parent: string | null }[];
  runs: GridRun[]; // oldest first
  states: StateWord[][]; // [run][task]
}

export interface GridRow {
  key: string; // task id, or "group:x"
  label: string;
  depth: number;
  group: boolean;
  open: boolean;
  tasks: number[]; // indexes into GridData.tasks
  mapped: boolean;
}

// Rows in the order of the tasks; a group stands where its first task does, its members right below
// it.
export function rowsOf(data: GridData, folded: ReadonlySet<string>, filter: string): GridRow[] {
  const parents = new Map(data.groups.map((group) => [group.id, group.parent]));
  const top: Entry[] = [];
  const groups = new Map<string, { row: GridRow; inside: Entry[] }>();
  const listOf = (group: string | null, depth: number): Entry[] => {
    if (group === null || depth > 64) return top;
    let found = groups.get(group);
    if (!found) {
      const around = listOf(parents.get(group) ?? null, depth + 1);
      const row: GridRow = {
        key: `group:${group}`,
        label: group,
        depth: 0,
        group: true,
        open: !folded.has(group),
        tasks: [],
        mapped: false,
      };
      found = { row, inside: [] };
      groups.set(group, found);
      around.push(found);
    }
    return found.inside;
  };
  const wanted = filter.toLowerCase();
  data.tasks.forEach((task, index) => {
    if (wanted && !task.id.toLowerCase().includes(wanted)) return;
    const row: GridRow = {
      key: task.id,
      label: task.label,
      depth: 0,
      group: false,
      open: true,
      tasks: [index],
      mapped: task.mapped,
    };
    listOf(task.group, 0).push({ row, inside: [] });
  });
  const rows: GridRow[] = [];
  const walk = (list: Entry[], depth: number, shown: boolean): number[] =>
    list.flatMap((entry) => {
      entry.row.depth = depth;
      if (shown) rows.push(entry.row);
      const inside = walk(entry.inside, depth + 1, shown && entry.row.open);
      entry.row.tasks.push(...inside);
      return entry.row.tasks;
    });
  walk(top, 0, true);
  return rows;
}

interface Entry {
  row: GridRow;
  inside: Entry[];
}

export function stateAt(data: GridData, run: number, row: GridRow): StateWord {
  const column = data.states[run] ?? [];
  if (row.tasks.length === 1) return column[row.tasks[0] as number] ?? 'none';
  return worstState(row.tasks.map((task) => column[task]));
}

export interface Spot {
  run: number;
  row: number;
}

export function moved(spot: Spot, key: string, runs: number, rows: number): Spot | null {
  const step: Record<string, [number, number]> = {
    ArrowLeft: [-1, 0],
    h: [-1, 0],
    ArrowRight: [1, 0],
    l: [1, 0],
    ArrowUp: [0, -1],
    k: [0, -1],
    ArrowDown: [0, 1],
    j: [0, 1],
    PageUp: [0, -20],
    PageDown: [0, 20],
    Home: [-1e9, 0],
    End: [1e9, 0],
    '[': [-1, 0],
    ']': [1, 0],
  };
  const by = step[key];
  if (!by) return null;
  const clamp = (value: number, most: number) => Math.max(0, Math.min(most - 1, value));
  return { run: clamp(spot.run + by[0], runs), row: clamp(spot.row + by[1], rows) };
}
