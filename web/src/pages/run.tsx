// One run: its tasks as they go, why it is where it is, what it was started with.
import { useMemo, useState } from 'preact/hooks';
import { Link, useLocation } from 'wouter-preact';

import { asProblem, send } from '../api/client';
import type {
  DagDetails, DagRun, DagRunCollection, GraphAnswer, RunExplanation, TaskInstance, TaskInstanceCollection,
} from '../api/types';
import { brief, count, plural, runLabel } from '../base/format';
import { type Json, same } from '../base/params';
import { isFinished, runReason, stateLabel, worstState } from '../base/states';
import { path, to, withQuery } from '../base/url';
import { patchRun, patchTasks } from '../store/patches';
import { never, ofDag, ofRun, useResource, useTopics } from '../store/resource';
import { may } from '../store/session';
import { GanttBar, type Range, rangeOf } from '../ui/gantt';
import { useKeys } from '../ui/keys';
import { toast, toastProblem } from '../ui/live';
import { Facts, PageHead, ProblemNote, Section, Waiting } from '../ui/parts';
import { useIds, useQuery } from '../ui/query';
import { Glyph, State, StateCounts } from '../ui/state';
import { Interval, Time, Took } from '../ui/time';
import { Reasons } from './why';

interface TaskGroup {
  task: string;
  rows: TaskInstance[];
}

// In the order of the graph; what the graph does not know comes last.
export function groupTasks(rows: TaskInstance[], order: string[]): TaskGroup[] {
  const known = new Set(rows.map((row) => row.task_id));
  const groups = new Map<string, TaskInstance[]>(
    order.filter((task) => known.has(task)).map((task) => [task, []]));
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
  const name = row.map_index < 0 ? row.task_display_name :
    `[${row.map_index}] ${row.rendered_map_index ?? brief(row.map_item ?? '', 40)}`;
  return (
    <tr>
      <td class={indent ? 'indent' : ''}>
        <Link href={to.task(row.dag_id, row.dag_run_id, row.task_id, row.map_index)} class="state">
          <Glyph state={row.state} />
          <span class={indent ? 'ellipsis' : 'ellipsis strong'}>{name}</span>
        </Link>
      </td>
      <td class="wide-only">{stateLabel(row.state)}</td>
      <td class="num"><Took from={row.start_date} till={row.end_date} seconds={row.duration} /></td>
      <td class="num wide-only">{row.try_number > 1 ? `try ${row.try_number}` : ''}</td>
      <td class="wide-only muted small">{row.operator_name}</td>
      <td class="gantt-cell"><GanttBar rows={[row]} range={range} /></td>
    </tr>
  );
}

function MappedRow({ group, range, open, onToggle }:
  { group: TaskGroup; range: Range; open: boolean; onToggle: () => void }) {
  const state = worstState(group.rows.map((row) => row.state));
  return (
    <tr>
      <td>
        <button class="plain state mapped-toggle" aria-expanded={open} onClick={onToggle}>
          <Glyph state={state} />
          <span class="strong">{group.task}</span>
          <span class="muted">[{count(group.rows.length)}] {open ? '▾' : '▸'}</span>
        </button>
      </td>
      <td class="wide-only"><StateCounts counts={countStates(group.rows)} /></td>
      <td class="num" />
      <td class="wide-only" />
      <td class="wide-only muted small">{group.rows[0]?.operator_name}</td>
      <td class="gantt-cell"><GanttBar rows={group.rows} range={range} /></td>
    </tr>
  );
}

function Tasks({ run, list, order }: { run: DagRun; list: TaskInstanceCollection; order: string[] }) {
  const query = useQuery();
  const opened = query.all('open');
  const filter = query.get('q').toLowerCase();
  const range = rangeOf(list.task_instances, run.start_date, run.end_date);
  const groups = useMemo(() => groupTasks(list.task_instances, order), [list, order]);
  const toggle = (task: string) => query.set({
    open: opened.includes(task) ? opened.filter((one) => one !== task) : [...opened, task] });
  return (
    <Section title="Tasks" note={<StateCounts counts={countStates(list.task_instances)} />}>
      {groups.length > 12 && <input type="text" data-filter placeholder="Filter tasks ( / )"
        aria-label="Filter tasks" value={query.get('q')}
        onInput={(event) => query.set({ q: event.currentTarget.value })} />}
      <table class="tasks">
        <thead>
          <tr>
            <th>Task</th><th class="col-state wide-only">State</th><th class="num col-took">Took</th>
            <th class="num col-try wide-only">Try</th><th class="col-type wide-only">Type</th><th class="gantt-cell">When</th>
          </tr>
        </thead>
        <tbody>
          {groups.filter((group) => group.task.toLowerCase().includes(filter)).flatMap((group) => {
            const first = group.rows[0];
            if (group.rows.length === 1 && first && first.map_index < 0) {
              return [<TaskRow key={group.task} row={first} range={range} indent={false} />];
            }
            const open = opened.includes(group.task);
            return [
              <MappedRow key={group.task} group={group} range={range} open={open}
                onToggle={() => toggle(group.task)} />,
              ...(open ? group.rows : []).map((row) =>
                <TaskRow key={`${group.task} ${row.map_index}`} row={row} range={range} indent />),
            ];
          })}
        </tbody>
      </table>
      {list.total_entries > list.task_instances.length && (
        <p class="muted small">The first {count(list.task_instances.length)} of{' '}
          {count(list.total_entries)} task instances.</p>
      )}
    </Section>
  );
}

export function Params({ run, dag }: { run: DagRun; dag: DagDetails | undefined }) {
  const conf = run.conf ?? {};
  const params = (dag?.params ?? {}) as Record<string, { value?: unknown }>;
  const names = [...new Set([...Object.keys(params), ...Object.keys(conf)])];
  if (names.length === 0) return <span class="muted">none</span>;
  return (
    <ul class="params">
      {names.map((name) => {
        const given = name in conf;
        const value = given ? conf[name] : params[name]?.value;
        const differs = given && !same(value as Json, params[name]?.value as Json);
        return (
          <li key={name}>
            <code>{name}</code> <span class="mono value">{brief(value, 200)}</span>
            {differs && <span class="tag warn-text" title={`default: ${brief(params[name]?.value)}`}>
              differs from default
            </span>}
          </li>
        );
      })}
    </ul>
  );
}

function RunFacts({ run, dag }: { run: DagRun; dag: DagDetails | undefined }) {
  return (
    <Facts rows={[
      ['Type', `${run.run_type}, by ${run.triggering_user_name ?? run.triggered_by}`],
      ['Data interval', <Interval from={run.data_interval_start} till={run.data_interval_end}
        dagZone={dag?.timezone} />],
      ['Planned start', <Time at={run.run_after} dagZone={dag?.timezone} />],
      ['Queued', <Time at={run.queued_at} dagZone={dag?.timezone} />],
      ['Started', <Time at={run.start_date} dagZone={dag?.timezone} />],
      ['Ended', <Time at={run.end_date} dagZone={dag?.timezone} />],
      ['Version', run.version_number === null ? 'pinned at start' : String(run.version_number)],
      ['Cleared', run.clear_number === 0 ? 'never' : plural(run.clear_number, 'time')],
      ...(run.backfill_id === null ? [] : [['Backfill',
        <Link href={to.backfill(run.backfill_id)}>#{run.backfill_id}</Link>] as [string, preact.JSX.Element]]),
      ['Params', <Params run={run} dag={dag} />],
      ['Run id', <code>{run.dag_run_id}</code>],
    ]} />
  );
}

function Note({ run, refresh }: { run: DagRun; refresh: () => Promise<void> }) {
  const [text, setText] = useState<string | null>(null);
  const save = async (event: Event) => {
    event.preventDefault();
    try {
      await send('PATCH', path`/api/v2/dags/${run.dag_id}/dagRuns/${run.dag_run_id}`, { note: text || null });
      setText(null);
      await refresh();
    } catch (error) {
      toastProblem(asProblem(error));
    }
  };
  if (text === null) {
    return (
      <div class="row wrap">
        {run.note && <p class="note grow note-text">{run.note}</p>}
        {may('operator') && <button class="plain small" onClick={() => setText(run.note ?? '')}>
          {run.note ? 'Edit note' : 'Add a note'}
        </button>}
      </div>
    );
  }
  return (
    <form class="stack tight" onSubmit={save}>
      <textarea rows={3} aria-label="Note" value={text} autoFocus
        onInput={(event) => setText(event.currentTarget.value)} />
      <div class="row"><button class="primary">Save</button>
        <button type="button" onClick={() => setText(null)}>Keep as it was</button></div>
    </form>
  );
}

function Actions({ run, refresh }: { run: DagRun; refresh: () => Promise<void> }) {
  const ended = isFinished(run.state);
  const address = path`/api/v2/dags/${run.dag_id}/dagRuns/${run.dag_run_id}`;
  const act = async (said: string, work: () => Promise<unknown>) => {
    try {
      await work();
      toast(said);
    } catch (error) {
      toastProblem(asProblem(error));
    }
    await refresh();
  };
  if (!may('operator')) return null;
  return (
    <>
      <Link class="button" href={to.clear(run.dag_id, run.dag_run_id)} aria-keyshortcuts="c">Clear…</Link>
      <Link class="button" href={withQuery(to.trigger(run.dag_id), { from: run.dag_run_id })}>
        Re-run with edits…
      </Link>
      {ended ? (
        <button onClick={() => void act('Run marked', () => send('PATCH', address,
          { state: run.state === 'success' ? 'failed' : 'success' }))}>
          Mark {run.state === 'success' ? 'failed' : 'success'}
        </button>
      ) : (
        <button class="danger" onClick={() => void act('Run is being cancelled',
          () => send('POST', `${address}/cancel`, {}))}>Cancel run</button>
      )}
    </>
  );
}

// The runs beside this one, for `[` and `]`.
function useNeighbours(dag: string, run: string) {
  const list = useResource<DagRunCollection>(
    withQuery(path`/api/v2/dags/${dag}/dagRuns`, { limit: 100, order_by: '-run_after' }), ofDag(dag));
  const runs = list.data?.dag_runs ?? [];
  const at = runs.findIndex((one) => one.dag_run_id === run);
  return { newer: at > 0 ? runs[at - 1] : undefined, older: at >= 0 ? runs[at + 1] : undefined };
}

export function RunPage() {
  const { dag = '', run: id = '' } = useIds<{ dag: string; run: string }>();
  const [, go] = useLocation();
  const address = path`/api/v2/dags/${dag}/dagRuns/${id}`;
  const view = useResource<DagRun>(address, ofRun(dag, id), patchRun);
  const tasks = useResource<TaskInstanceCollection>(`${address}/taskInstances?limit=1000`, ofRun(dag, id),
    patchTasks);
  const graph = useResource<GraphAnswer>(withQuery(path`/ui/graph/${dag}`, { dag_run_id: id }), never);
  const order = useMemo(() => graph.data?.nodes.map((node) => node.task_id) ?? [], [graph.data]);
  const details = useResource<DagDetails>(path`/api/v2/dags/${dag}/details`, never);
  const run = view.data;
  const open = run !== undefined && !isFinished(run.state);
  const why = useResource<RunExplanation>(open ? `${address}/explain` : null, ofRun(dag, id));
  const { newer, older } = useNeighbours(dag, id);
  useTopics(`run:${dag}/${id}`);
  useKeys([
    { keys: 'c', does: 'clear', group: 'Run', run: () => go(to.clear(dag, id)) },
    { keys: 'r', does: 'trigger', group: 'Run', run: () => go(to.trigger(dag)) },
    { keys: '[', does: 'older run', group: 'Run', run: () => older && go(to.run(dag, older.dag_run_id)) },
    { keys: ']', does: 'newer run', group: 'Run', run: () => newer && go(to.run(dag, newer.dag_run_id)) },
  ]);
  return (
    <>
      <PageHead crumbs={[{ text: 'DAGs', href: '/dags' }, { text: dag, href: to.dag(dag) }]}
        title={<><Glyph state={run?.state} big /> {runLabel(id)}</>}
        below={run && (
          <span class="row wrap">
            <State state={run.state} word={`${stateLabel(run.state)}${run.state_reason ?
              `: ${runReason(run.state_reason)}` : ''}`} />
            <span class="muted">{open ? 'for' : 'in'}</span> <Took from={run.start_date} till={run.end_date} seconds={run.duration} />
            {run.hidden_failures > 0 && <span class="warn-text">
              {plural(run.hidden_failures, 'hidden failure')}
            </span>}
            {older && <Link class="small" href={to.run(dag, older.dag_run_id)}>older <kbd>[</kbd></Link>}
            {newer && <Link class="small" href={to.run(dag, newer.dag_run_id)}>newer <kbd>]</kbd></Link>}
          </span>
        )}>
        {run && <Actions run={run} refresh={view.refresh} />}
      </PageHead>
      <ProblemNote problem={view.error} />
      {run ? (
        <div class="columns">
          <div class="stack">
            {open && why.data && why.data.reasons[0]?.code !== 'running' && <Reasons title="Why it is where it is" reasons={why.data.reasons} />}
            <ProblemNote problem={tasks.error} />
            {tasks.data && <Tasks run={run} list={tasks.data} order={order} />}
          </div>
          <aside class="stack" aria-label="About the run">
            <RunFacts run={run} dag={details.data} />
            <Note run={run} refresh={view.refresh} />
          </aside>
        </div>
      ) : !view.error && <Waiting />}
    </>
  );
}
