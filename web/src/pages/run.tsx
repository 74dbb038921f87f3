// One run: its tasks as they go, why it is where it is, what can be done about it.
import { useEffect, useMemo, useState } from 'preact/hooks';
import { Link, useLocation } from 'wouter-preact';

import { asProblem, send } from '../api/client';
import type {
  DagDetails,
  DagRun,
  DagRunCollection,
  GraphAnswer,
  RunExplanation,
  TaskInstanceCollection,
} from '../api/types';
import { plural, runLabel } from '../base/format';
import { isFinished, runReason, stateLabel } from '../base/states';
import { path, to, withQuery } from '../base/url';
import { patchRun, patchTasks } from '../store/patches';
import { never, ofDag, ofRun, useResource, useTopics } from '../store/resource';
import { may } from '../store/session';
import { Confirm } from '../ui/confirm';
import { useKeys } from '../ui/keys';
import { announce, toast, toastProblem } from '../ui/live';
import { PageHead, ProblemNote, Waiting } from '../ui/parts';
import { useIds } from '../ui/query';
import { Glyph, State } from '../ui/state';
import { Took } from '../ui/time';
import { RunFacts } from './run_facts';
import { Tasks } from './run_tasks';
import { Reasons } from './why';

function Note({ run, refresh }: { run: DagRun; refresh: () => Promise<void> }) {
  const [text, setText] = useState<string | null>(null);
  const save = async (event: Event) => {
    event.preventDefault();
    try {
      await send('PATCH', path`/api/v2/dags/${run.dag_id}/dagRuns/${run.dag_run_id}`, {
        note: text || null,
      });
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
        {may('operator') && (
          <button class="plain small" onClick={() => setText(run.note ?? '')}>
            {run.note ? 'Edit note' : 'Add a note'}
          </button>
        )}
      </div>
    );
  }
  return (
    <form class="stack tight" onSubmit={save}>
      <textarea
        rows={3}
        aria-label="Note"
        value={text}
        autoFocus
        onInput={(event) => setText(event.currentTarget.value)}
      />
      <div class="row">
        <button class="primary">Save</button>
        <button type="button" onClick={() => setText(null)}>
          Keep as it was
        </button>
      </div>
    </form>
  );
}

interface ActionsProps {
  run: DagRun;
  running: number;
  refresh: () => Promise<void>;
}

function Actions({ run, running, refresh }: ActionsProps) {
  const ended = isFinished(run.state);
  const other = run.state === 'success' ? 'failed' : 'success';
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
      <Link class="button" href={to.clear(run.dag_id, run.dag_run_id)} aria-keyshortcuts="c">
        Clear…
      </Link>
      <Link class="button" href={withQuery(to.trigger(run.dag_id), { from: run.dag_run_id })}>
        Re-run with edits…
      </Link>
      {ended ? (
        <Confirm
          label={`Mark ${other}`}
          says={`Only the run's own state changes, from ${run.state} to ${other}; no task runs.`}
          yes={`Mark ${other}`}
          onYes={() => void act('Run marked', () => send('PATCH', address, { state: other }))}
        />
      ) : (
        <Confirm
          label="Cancel run"
          danger
          says={`Ends ${plural(running, 'running task')}; what has not started is skipped.`}
          yes="Cancel it"
          onYes={() =>
            void act('Run is being cancelled', () => send('POST', `${address}/cancel`, {}))
          }
        />
      )}
    </>
  );
}

// The runs beside this one, for `[` and `]`.
function useNeighbours(dag: string, run: string) {
  const list = useResource<DagRunCollection>(
    withQuery(path`/api/v2/dags/${dag}/dagRuns`, { limit: 100, order_by: '-run_after' }),
    ofDag(dag),
  );
  const runs = list.data?.dag_runs ?? [];
  const at = runs.findIndex((one) => one.dag_run_id === run);
  return { newer: at > 0 ? runs[at - 1] : undefined, older: at >= 0 ? runs[at + 1] : undefined };
}

export function RunPage() {
  const { dag = '', run: id = '' } = useIds<{ dag: string; run: string }>();
  const [, go] = useLocation();
  const address = path`/api/v2/dags/${dag}/dagRuns/${id}`;
  const view = useResource<DagRun>(address, ofRun(dag, id), patchRun);
  const tasks = useResource<TaskInstanceCollection>(
    `${address}/taskInstances?limit=1000`,
    ofRun(dag, id),
    patchTasks,
  );
  const graph = useResource<GraphAnswer>(
    withQuery(path`/ui/graph/${dag}`, { dag_run_id: id }),
    never,
  );
  const order = useMemo(() => graph.data?.nodes.map((node) => node.task_id) ?? [], [graph.data]);
  const details = useResource<DagDetails>(path`/api/v2/dags/${dag}/details`, never);
  const run = view.data;
  const open = run !== undefined && !isFinished(run.state);
  const why = useResource<RunExplanation>(open ? `${address}/explain` : null, ofRun(dag, id));
  const { newer, older } = useNeighbours(dag, id);
  useTopics(`run:${dag}/${id}`);
  useEffect(() => announce(run ? `Run ${stateLabel(run.state)}` : ''), [run?.state]);
  const rows = tasks.data?.task_instances ?? [];
  const running = rows.filter((row) => row.state === 'running').length;
  useKeys([
    { keys: 'c', does: 'clear', group: 'Run', run: () => go(to.clear(dag, id)) },
    {
      keys: 'm',
      does: 'mark or cancel',
      group: 'Run',
      run: () => document.querySelector<HTMLElement>('.actions button')?.click(),
    },
    { keys: 'r', does: 'trigger', group: 'Run', run: () => go(to.trigger(dag)) },
    {
      keys: '[',
      does: 'older run',
      group: 'Run',
      run: () => older && go(to.run(dag, older.dag_run_id)),
    },
    {
      keys: ']',
      does: 'newer run',
      group: 'Run',
      run: () => newer && go(to.run(dag, newer.dag_run_id)),
    },
  ]);
  return (
    <>
      <PageHead
        crumbs={[
          { text: 'DAGs', href: '/dags' },
          { text: dag, href: to.dag(dag) },
        ]}
        title={
          <>
            <Glyph state={run?.state} big /> {runLabel(id)}
          </>
        }
        below={
          run && (
            <span class="row wrap">
              <State
                state={run.state}
                word={`${stateLabel(run.state)}${
                  run.state_reason ? `: ${runReason(run.state_reason)}` : ''
                }`}
              />
              <span class="muted">{open ? 'for' : 'in'}</span>{' '}
              <Took from={run.start_date} till={run.end_date} seconds={run.duration} />
              {run.hidden_failures > 0 && (
                <span class="warn-text">{plural(run.hidden_failures, 'hidden failure')}</span>
              )}
              {older && (
                <Link class="small" href={to.run(dag, older.dag_run_id)}>
                  older <kbd>[</kbd>
                </Link>
              )}
              {newer && (
                <Link class="small" href={to.run(dag, newer.dag_run_id)}>
                  newer <kbd>]</kbd>
                </Link>
              )}
            </span>
          )
        }
      >
        {run && <Actions run={run} running={running} refresh={view.refresh} />}
      </PageHead>
      <ProblemNote problem={view.error} />
      {run ? (
        <div class="columns">
          <div class="stack">
            {open && why.data && why.data.reasons[0]?.code !== 'running' && (
              <Reasons title="Why it is where it is" reasons={why.data.reasons} />
            )}
            <ProblemNote problem={tasks.error} />
            {tasks.data && <Tasks run={run} list={tasks.data} order={order} />}
          </div>
          <aside class="stack" aria-label="About the run">
            <RunFacts run={run} dag={details.data} />
            <Note run={run} refresh={view.refresh} />
          </aside>
        </div>
      ) : (
        !view.error && <Waiting />
      )}
    </>
  );
}
