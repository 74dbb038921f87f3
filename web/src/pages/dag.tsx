// A DAG: grid, graph, runs, file. What is chosen (view, run, task, folded groups, filter) is in the
// address.
import { useMemo } from 'preact/hooks';
import { Link, useLocation } from 'wouter-preact';

import { asProblem, send } from '../api/client';
import type { DagDetails, DagSource } from '../api/types';
import { plural } from '../base/format';
import { path, to } from '../base/url';
import { never, useResource, useTopics } from '../store/resource';
import { may } from '../store/session';
import { lazy } from '../ui/lazy';
import { useKeys } from '../ui/keys';
import { toast, toastProblem } from '../ui/live';
import { PageHead, ProblemNote } from '../ui/parts';
import { useIds } from '../ui/query';
import { Ago, Time } from '../ui/time';
import { DagGrid } from './dag_grid';
import { DagRuns } from './dag_runs';

const DagGraph = lazy(() => import('./dag_graph'));

const VIEWS: [string, string][] = [
  ['', 'Grid'],
  ['graph', 'Graph'],
  ['runs', 'Runs'],
  ['code', 'Code'],
];

function Code({ dag }: { dag: string }) {
  const view = useResource<DagSource>(path`/api/v2/dagSources/${dag}`, never);
  const lines = useMemo(() => (view.data?.content ?? '').split('\n'), [view.data]);
  return (
    <>
      <ProblemNote problem={view.error} />
      {view.data && (
        <div class="code" tabIndex={0} role="region" aria-label="DAG file">
          {lines.map((line, i) => (
            <div key={i} class="code-line">
              <span class="line-number">{i + 1}</span>
              <span>{line}</span>
            </div>
          ))}
        </div>
      )}
    </>
  );
}

function Head({
  id,
  dag,
  refresh,
}: {
  id: string;
  dag: DagDetails | undefined;
  refresh: () => Promise<void>;
}) {
  const pause = async () => {
    if (!dag) return;
    try {
      await send('PATCH', path`/api/v2/dags/${id}`, { is_paused: !dag.is_paused });
      toast(`${id} ${dag.is_paused ? 'resumed' : 'paused'}`);
    } catch (error) {
      toastProblem(asProblem(error));
    }
    await refresh();
  };
  return (
    <PageHead
      title={
        <>
          {dag?.dag_display_name ?? id} {dag?.is_paused && <span class="tag">paused</span>}
        </>
      }
      crumbs={[{ text: 'DAGs', href: '/dags' }]}
      below={
        dag && (
          <span class="row wrap small muted">
            {dag.description && <span class="text">{dag.description}</span>}
            <span>
              {dag.timetable_summary ?? 'runs on trigger'}
              {dag.timezone && dag.timezone !== 'UTC' && ` ${dag.timezone}`}
            </span>
            {dag.next_dagrun_run_after && !dag.is_paused && (
              <span>
                next <Time at={dag.next_dagrun_run_after} dagZone={dag.timezone} /> (
                <Ago at={dag.next_dagrun_run_after} />)
              </span>
            )}
            {dag.owners.length > 0 && <span>{dag.owners.join(', ')}</span>}
            {dag.tags.map((tag) => (
              <Link key={tag.name} href={`/dags?tag=${encodeURIComponent(tag.name)}`}>
                #{tag.name}
              </Link>
            ))}
            <span>version {dag.version_number}</span>
            {(dag.active_runs_count ?? 0) > 0 && (
              <span>{plural(dag.active_runs_count ?? 0, 'active run')}</span>
            )}
            {dag.has_import_errors && (
              <span class="danger-text">its file is broken, the last good version runs</span>
            )}
          </span>
        )
      }
    >
      {may('operator') && (
        <>
          <Link class="button primary" href={to.trigger(id)} aria-keyshortcuts="r">
            Trigger…
          </Link>
          <Link class="button" href={to.newBackfill(id)}>
            Backfill…
          </Link>
          <button onClick={() => void pause()} disabled={!dag}>
            {dag?.is_paused ? 'Resume' : 'Pause'}
          </button>
        </>
      )}
    </PageHead>
  );
}

export function DagPage() {
  const { dag = '', view = '' } = useIds<{ dag: string; view?: string }>();
  const [, go] = useLocation();
  const details = useResource<DagDetails>(
    path`/api/v2/dags/${dag}/details`,
    (event) =>
      event.dag_id === dag && (event.kind.startsWith('dag.') || event.kind === 'run.state'),
  );
  useTopics(`dag:${dag}`);
  useKeys([
    { keys: 'r', does: 'trigger', group: 'DAG', run: () => go(to.trigger(dag)) },
    { keys: 'g g', does: 'grid', group: 'DAG', run: () => go(to.dag(dag)) },
    { keys: 'g t', does: 'graph', group: 'DAG', run: () => go(to.graph(dag)) },
  ]);
  if (details.error?.status === 404) {
    return (
      <>
        <PageHead title={dag} crumbs={[{ text: 'DAGs', href: '/dags' }]} />
        <ProblemNote problem={details.error} />
      </>
    );
  }
  return (
    <>
      <Head id={dag} dag={details.data} refresh={details.refresh} />
      <ProblemNote problem={details.error} />
      <nav class="tabs" aria-label="Views">
        {VIEWS.map(([word, label]) => (
          <Link
            key={word}
            href={word ? `${to.dag(dag)}/${word}` : to.dag(dag)}
            aria-current={view === word ? 'page' : undefined}
          >
            {label}
          </Link>
        ))}
      </nav>
      {view === '' && <DagGrid dag={dag} zone={details.data?.timezone ?? null} />}
      {view === 'graph' && <DagGraph />}
      {view === 'runs' && <DagRuns dag={dag} zone={details.data?.timezone ?? null} />}
      {view === 'code' && <Code dag={dag} />}
    </>
  );
}
