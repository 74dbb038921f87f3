// A task instance: its log as it is written, why it is where it is, its tries, what it was given
// and gave.
import { useEffect, useState } from 'preact/hooks';
import { Link, useLocation } from 'wouter-preact';

import type {
  TaskExplanation,
  TaskInstance,
  TaskInstanceCollection,
  TaskTry,
  TaskTryCollection,
} from '../api/types';
import { brief, bytes, pretty, runLabel } from '../base/format';
import { isFinished, stateLabel, worstState } from '../base/states';
import { duration } from '../base/time';
import { path, to, withQuery } from '../base/url';
import { ofRun, type Touches, useEvery, useResource, useTopics } from '../store/resource';
import { useKeys } from '../ui/keys';
import { announce } from '../ui/live';
import { useLog } from '../ui/log';
import { LogView } from '../ui/log_view';
import { Facts, PageHead, ProblemNote, Section, Waiting } from '../ui/parts';
import { useIds, useQuery } from '../ui/query';
import { Glyph, State } from '../ui/state';
import { Time, Took } from '../ui/time';
import { Reasons } from './why';

function Tries({
  tries,
  chosen,
  onChoose,
}: {
  tries: TaskTry[];
  chosen: number;
  onChoose: (n: number) => void;
}) {
  if (tries.length < 2) return null;
  return (
    <div class="row wrap tight" role="group" aria-label="Tries">
      {tries.map((one) => (
        <button
          key={one.attempt_id}
          aria-pressed={one.try_number === chosen}
          onClick={() => onChoose(one.try_number)}
        >
          <Glyph state={one.state} /> try {one.try_number}
          <span class="muted small">{duration(one.duration)}</span>
        </button>
      ))}
    </div>
  );
}

function Value({ title, value }: { title: string; value: unknown }) {
  if (value === null || value === undefined) return null;
  if (typeof value === 'object' && Object.keys(value).length === 0) return null;
  return (
    <details class="value-box">
      <summary>
        {title} <span class="muted mono">{brief(value, 60)}</span>
      </summary>
      <pre>{pretty(value)}</pre>
    </details>
  );
}

function Failure({ task }: { task: TaskInstance | TaskTry }) {
  const failure = task.failure;
  if (!failure) return null;
  return (
    <div class="note problem" role="note">
      {!failure.message.startsWith(failure.kind) && <strong>{failure.kind} </strong>}
      <span class="message">{failure.message}</span>
    </div>
  );
}

function AboutTry({ task, one }: { task: TaskInstance; one: TaskTry | undefined }) {
  const shown = one ?? task;
  return (
    <>
      <Facts
        rows={[
          ['State', <State state={shown.state} />],
          ['Type', task.operator_name ?? ''],
          ['Tries', `${task.try_number} of ${task.max_tries + 1}`],
          ['Scheduled', <Time at={shown.scheduled_when} />],
          ['Started', <Time at={shown.start_date} />],
          ['Ended', <Time at={shown.end_date} />],
          ['Took', <Took from={shown.start_date} till={shown.end_date} seconds={shown.duration} />],
          ['Pool', `${task.pool}, ${task.pool_slots} ${task.pool_slots === 1 ? 'slot' : 'slots'}`],
          ...(one
            ? ([
                ['Worker', one.worker],
                ['Processor', duration(one.cpu_seconds)],
                ['Memory', bytes(one.max_rss_bytes)],
                ['Read, written', `${bytes(one.bytes_read)}, ${bytes(one.bytes_written)}`],
              ] as [string, string][])
            : []),
          ...(task.skip_reason ? [['Skipped by', task.skip_reason] as [string, string]] : []),
          ...(task.next_due
            ? [['Next', <Time at={task.next_due} />] as [string, preact.JSX.Element]]
            : []),
        ]}
      />
      <div class="stack tight">
        <Value title="Map item" value={task.map_item} />
        <Value title="Rendered fields" value={one?.rendered_fields} />
        <Value title="Output" value={task.output} />
        <Value title="Report" value={one?.report} />
        <Value title="Files" value={task.artifact} />
      </div>
    </>
  );
}

// The instances of a mapped task, to go from one to the next.
function Siblings({ list, map }: { list: TaskInstance[]; map: number }) {
  if (list.length < 2) return null;
  return (
    <Section title="Instances" note={`${list.length}`}>
      <ul class="siblings">
        {list.map((one) => (
          <li key={one.map_index}>
            <Link
              href={to.task(one.dag_id, one.dag_run_id, one.task_id, one.map_index)}
              aria-current={one.map_index === map ? 'true' : undefined}
              title={brief(one.map_item ?? '', 80)}
            >
              <Glyph state={one.state} /> {one.map_index}
              <span class="visually-hidden">{stateLabel(one.state)}</span>
            </Link>
          </li>
        ))}
      </ul>
    </Section>
  );
}

interface Place {
  dag: string;
  run: string;
  task: string;
  map: number;
}

function useTask({ dag, run, task, map }: Place, ask: boolean) {
  const address = path`/api/v2/dags/${dag}/dagRuns/${run}/taskInstances/${task}`;
  const index = map >= 0 ? map : null;
  const touches: Touches = (event) =>
    ofRun(dag, run)(event) && (event.task_id === null || event.task_id === task);
  const view = useResource<TaskInstance>(
    ask ? withQuery(address, { map_index: index }) : null,
    touches,
    (data, event) =>
      event.kind === 'task.state' && event.map_index === map && event.task_id === task
        ? { ...data, state: event.state as TaskInstance['state'] }
        : undefined,
  );
  const tries = useResource<TaskTryCollection>(
    ask ? withQuery(`${address}/tries`, { map_index: index }) : null,
    touches,
  );
  return { address, view, tries: tries.data?.task_instances };
}

function whyNoLog(task: TaskInstance): string {
  if (!isFinished(task.state) && task.try_number === 0)
    return 'No log yet: it begins with the first try.';
  if (task.try_number === 0) return 'No log: the task was never started.';
  return 'No log: the server does this task itself. What it found is its output.';
}

export default function TaskPage() {
  const params = useIds<{ dag: string; run: string; task: string; map?: string }>();
  const query = useQuery();
  const [, go] = useLocation();
  const [full, setFull] = useState(false);
  const place: Place = {
    dag: params.dag ?? '',
    run: params.run ?? '',
    task: params.task ?? '',
    map: params.map === undefined ? -1 : Number(params.map),
  };
  const { dag, run, task, map } = place;
  const siblings = useResource<TaskInstanceCollection>(
    withQuery(path`/api/v2/dags/${dag}/dagRuns/${run}/taskInstances`, {
      task_id: task,
      limit: 1000,
    }),
    ofRun(dag, run),
  );
  const all = siblings.data?.task_instances ?? [];
  // A mapped task without an index in the address: its instances are the page.
  const mapped = map < 0 && all.length > 0 && all.every((row) => row.map_index >= 0);
  const known = map >= 0 || siblings.data !== undefined || siblings.error !== null;
  const { address, view, tries: knownTries } = useTask(place, known && !mapped);
  const tries = knownTries ?? [];
  const ti = view.data;
  const shown = mapped ? worstState(all.map((row) => row.state)) : ti?.state;
  const open = ti !== undefined && !isFinished(ti.state);
  const why = useResource<TaskExplanation>(
    open ? withQuery(`${address}/explain`, { map_index: map >= 0 ? map : null }) : null,
    ofRun(dag, run),
  );
  useEvery(5, why);
  useTopics(`run:${dag}/${run}`);
  useEffect(() => announce(ti ? `${task} ${stateLabel(ti.state)}` : ''), [ti?.state]);
  const chosen = Number(query.get('try')) || ti?.try_number || 0;
  const one = tries.find((row) => row.try_number === chosen);
  const log = useLog(chosen > 0 && one ? `${address}/logs/${chosen}` : null, map);
  const step = (by: number) => {
    const next = all.find((row) => row.map_index === map + by);
    if (next) go(to.task(dag, run, task, next.map_index));
  };
  useKeys([
    { keys: 'c', does: 'clear', group: 'Task', run: () => go(to.clear(dag, run, [task])) },
    { keys: 'u', does: 'up to the run', group: 'Task', run: () => go(to.run(dag, run)) },
    { keys: '[', does: 'instance before', group: 'Task', run: () => step(-1) },
    { keys: ']', does: 'instance after', group: 'Task', run: () => step(1) },
  ]);
  return (
    <>
      <PageHead
        crumbs={[
          { text: 'DAGs', href: '/dags' },
          { text: dag, href: to.dag(dag) },
          { text: runLabel(run), href: to.run(dag, run) },
        ]}
        title={
          <>
            <Glyph state={shown} big /> {task}
            {map >= 0 && `[${map}]`}
          </>
        }
        below={
          ti && (
            <span class="row wrap">
              <State state={ti.state} />
              <span class="muted">{open ? 'for' : 'in'}</span>{' '}
              <Took
                from={ti.start_date ?? (open ? ti.scheduled_when : null)}
                till={ti.end_date}
                seconds={ti.duration}
              />
            </span>
          )
        }
      >
        <Link class="button" href={to.clear(dag, run, [task])} aria-keyshortcuts="c">
          Clear…
        </Link>
        <Link class="button" href={to.graph(dag, run)}>
          Graph
        </Link>
      </PageHead>
      {mapped ? <Siblings list={all} map={map} /> : <ProblemNote problem={view.error} />}
      {!mapped && !ti && !view.error && <Waiting />}
      {ti && !mapped && (
        <div class={full ? 'stack' : 'columns'}>
          <div class="stack">
            {open && why.data && ti.state !== 'running' && (
              <Reasons
                title="Why it is not running"
                reasons={why.data.reasons}
                startsAt={why.data.would_start_at}
              />
            )}
            <Failure task={one ?? ti} />
            <Tries tries={tries} chosen={chosen} onChoose={(n) => query.set({ try: String(n) })} />
            {log.problem?.status === 404 ? (
              <p class="muted">This try has no log. {log.problem.detail}</p>
            ) : (
              <ProblemNote problem={log.problem} />
            )}
            {one ? (
              <LogView
                log={log}
                onFull={() => setFull(!full)}
                silent={one.report ? 'Nothing was written to the log: see the report.' : undefined}
                name={`${dag}.${task}${map >= 0 ? `.${map}` : ''}.try${chosen}.log`}
              />
            ) : (
              knownTries && <p class="muted">{whyNoLog(ti)}</p>
            )}
          </div>
          <aside class="stack" aria-label="About the task">
            <AboutTry task={ti} one={one} />
            <Siblings list={all} map={map} />
          </aside>
        </div>
      )}
    </>
  );
}
