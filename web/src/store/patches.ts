// What an event changes in data that is on screen already: the state is shown at once, the rest
// (times, counts) follows with the refreshed answer.
import type { LiveEvent } from '../api/events';
import type {
  DagRun,
  GraphAnswer,
  GridAnswer,
  TaskInstance,
  TaskInstanceCollection,
} from '../api/types';

const LETTERS: Record<string, string> = {
  success: 'S',
  running: 'R',
  failed: 'F',
  upstream_failed: 'U',
  up_for_retry: 'Y',
  queued: 'Q',
  scheduled: 'C',
  skipped: 'K',
  deferred: 'D',
  restarting: 'T',
  removed: 'X',
};

export function patchRun(run: DagRun, event: LiveEvent): DagRun | undefined {
  if (event.kind !== 'run.state' || event.run_id !== run.dag_run_id || !event.state)
    return undefined;
  return { ...run, state: event.state as DagRun['state'] };
}

export function patchTasks(
  list: TaskInstanceCollection,
  event: LiveEvent,
): TaskInstanceCollection | undefined {
  if (event.kind !== 'task.state') return undefined;
  let hit = false;
  const rows = list.task_instances.map((row) => {
    if (row.task_id !== event.task_id || row.map_index !== event.map_index) return row;
    hit = true;
    return { ...row, state: event.state as TaskInstance['state'] };
  });
  return hit ? { ...list, task_instances: rows } : undefined;
}

export function patchGrid(grid: GridAnswer, event: LiveEvent): GridAnswer | undefined {
  const column = grid.runs.findIndex((run) => run.dag_run_id === event.run_id);
  if (column < 0) return undefined;
  if (event.kind === 'run.state' && event.state) {
    const runs = [...grid.runs];
    runs[column] = { ...runs[column], state: event.state } as GridAnswer['runs'][number];
    return { ...grid, runs };
  }
  const row = grid.tasks.findIndex((task) => task.task_id === event.task_id);
  const letter = LETTERS[event.state ?? ''];
  // A mapped task's letter is the worst of many: only the server knows it.
  if (event.kind !== 'task.state' || row < 0 || !letter || grid.tasks[row]?.is_mapped)
    return undefined;
  const cells = [...grid.cells];
  const old = cells[column] ?? '';
  cells[column] = old.slice(0, row) + letter + old.slice(row + 1);
  return { ...grid, cells };
}

export function patchGraph(graph: GraphAnswer, event: LiveEvent): GraphAnswer | undefined {
  if (event.kind !== 'task.state' || event.run_id !== graph.dag_run_id) return undefined;
  const at = graph.nodes.findIndex((node) => node.task_id === event.task_id && !node.is_mapped);
  if (at < 0) return undefined;
  const nodes = [...graph.nodes];
  nodes[at] = { ...nodes[at], state: event.state } as GraphAnswer['nodes'][number];
  return { ...graph, nodes };
}
