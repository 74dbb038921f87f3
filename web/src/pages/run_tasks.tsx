// The tasks of a run as a table: state, time taken, and when each waited and ran.
import { useMemo } from 'preact/hooks';
import { Link } from 'wouter-preact';

import type { DagRun, TaskInstance, TaskInstanceCollection } from '../api/types';
import { brief, count } from '../base/format';
import { stateLabel, worstState } from '../base/states';
import { to } from '../base/url';
import { GanttBar, type Range, rangeOf } from '../ui/gantt';
import { Section } from '../ui/parts';
import { useQuery } from '../ui/query';
import { Glyph, StateCounts } from '../ui/state';
import { Took } from '../ui/time';

interface TaskGroup {
  task: string;
  rows: TaskInstance[];
}

// In the order of the graph; what the graph does not know comes last.
export function groupTasks(rows: TaskInstance[], order: string[]): TaskGroup[] {
  const known = new Set(rows.map((row) => row.task_id));
  const groups = new Map<string, TaskInstance[]>(
    order.filter((task) => known.has(task)).map((task) => [task, []]),
  );
  for (const row of rows) {
    const list = groups.get(row.task_id);
    if (list) list.push(row);
    else groups.set(row.task_id, [row]);
  }
  return [...groups].map(([task, list]) => ({ task, rows: list }));
}

export function countStates(rows: TaskInstance[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const row of rows) counts[row.state ?? 'none'] = (counts[row.state ?? 'none'] ?? 0) + 1;
  return counts;
}

function TaskRow({ row, range, indent }: { row: TaskInstance; range: Range; indent: boolean }) {
  const name =
    row.map_index < 0
      ? row.task_display_name
      : `[${row.map_index}] ${row.rendered_map_index ?? brief(row.map_item ?? '', 40)}`;
  return (
    <tr>
      <td class={indent ? 'indent' : ''}>
        <Link href={to.task(row.dag_id, row.dag_run_id, row.task_id, row.map_index)} class="state">
          <Glyph state={row.state} />
          <span class={indent ? 'ellipsis' : 'ellipsis strong'}>{name}</span>
        </Link>
      </td>
      <td class="wide-only">{stateLabel(row.state)}</td>
      <td class="num">
        <Took from={row.start_date} till={row.end_date} seconds={row.duration} />
      </td>
      <td class="num wide-only">{row.try_number > 1 ? `try ${row.try_number}` : ''}</td>
      <td class="wide-only muted small">{row.operator_name}</td>
      <td class="gantt-cell">
        <GanttBar rows={[row]} range={range} />
      </td>
    </tr>
  );
}

function MappedRow({
  group,
  range,
  open,
  onToggle,
}: {
  group: TaskGroup;
  range: Range;
  open: boolean;
  onToggle: () => void;
}) {
  const state = worstState(group.rows.map((row) => row.state));
  return (
    <tr>
      <td>
        <button class="plain state mapped-toggle" aria-expanded={open} onClick={onToggle}>
          <Glyph state={state} />
          <span class="strong">{group.task}</span>
          <span class="muted">
            [{count(group.rows.length)}] {open ? '▾' : '▸'}
          </span>
        </button>
      </td>
      <td class="wide-only">
        <StateCounts counts={countStates(group.rows)} />
      </td>
      <td class="num" />
      <td class="wide-only" />
      <td class="wide-only muted small">{group.rows[0]?.operator_name}</td>
      <td class="gantt-cell">
        <GanttBar rows={group.rows} range={range} />
      </td>
    </tr>
  );
}

export function Tasks({
  run,
  list,
  order,
}: {
  run: DagRun;
  list: TaskInstanceCollection;
  order: string[];
}) {
  const query = useQuery();
  const opened = query.all('open');
  const filter = query.get('q').toLowerCase();
  const range = rangeOf(list.task_instances, run.start_date, run.end_date);
  const groups = useMemo(() => groupTasks(list.task_instances, order), [list, order]);
  const toggle = (task: string) =>
    query.set({
      open: opened.includes(task) ? opened.filter((one) => one !== task) : [...opened, task],
    });
  return (
    <Section title="Tasks" note={<StateCounts counts={countStates(list.task_instances)} />}>
      {groups.length > 12 && (
        <input
          type="text"
          data-filter
          placeholder="Filter tasks ( / )"
          aria-label="Filter tasks"
          value={query.get('q')}
          onInput={(event) => query.set({ q: event.currentTarget.value })}
        />
      )}
      <table class="tasks">
        <thead>
          <tr>
            <th>Task</th>
            <th class="col-state wide-only">State</th>
            <th class="num col-took">Took</th>
            <th class="num col-try wide-only">Try</th>
            <th class="col-type wide-only">Type</th>
            <th class="gantt-cell">When</th>
          </tr>
        </thead>
        <tbody>
          {groups
            .filter((group) => group.task.toLowerCase().includes(filter))
            .flatMap((group) => {
              const first = group.rows[0];
              if (group.rows.length === 1 && first && first.map_index < 0) {
                return [<TaskRow key={group.task} row={first} range={range} indent={false} />];
              }
              const open = opened.includes(group.task);
              return [
                <MappedRow
                  key={group.task}
                  group={group}
                  range={range}
                  open={open}
                  onToggle={() => toggle(group.task)}
                />,
                ...(open ? group.rows : []).map((row) => (
                  <TaskRow key={`${group.task} ${row.map_index}`} row={row} range={range} indent />
                )),
              ];
            })}
        </tbody>
      </table>
      {list.total_entries > list.task_instances.length && (
        <p class="muted small">
          The first {count(list.task_instances.length)} of {count(list.total_entries)} task
          instances.
        </p>
      )}
    </Section>
  );
}
