// All DAGs: the last 14 runs, what runs now, what comes next. Filters are in the address; rows are
// drawn only where they are in sight.
import { useMemo, useState } from 'preact/hooks';
import { Link, useLocation } from 'wouter-preact';

import { asProblem, send } from '../api/client';
import type { DagCard, DagCardCollection } from '../api/types';
import { count, plural } from '../base/format';
import { path, to, withQuery } from '../base/url';
import { useEvery, useResource } from '../store/resource';
import { may } from '../store/session';
import { RunBars } from '../ui/bars';
import { announce, toastProblem } from '../ui/live';
import { Empty, PageHead, ProblemNote } from '../ui/parts';
import { useQuery } from '../ui/query';
import { VirtualRows } from '../ui/rows';
import { Glyph } from '../ui/state';
import { Ago } from '../ui/time';
import { ImportErrors } from './import_errors';

const ROW = 44;
const SHOWS: [string, string][] = [
  ['', 'All'],
  ['active', 'Active'],
  ['failed', 'Failed'],
  ['paused', 'Paused'],
];

function lastState(dag: DagCard): string | undefined {
  return dag.bars.at(-1)?.state;
}

export function filterDags(dags: DagCard[], text: string, show: string, tags: string[]): DagCard[] {
  const wanted = text.toLowerCase();
  return dags.filter((dag) => {
    if (show === 'active' && dag.active_runs === 0) return false;
    if (show === 'failed' && lastState(dag) !== 'failed' && !dag.has_import_errors) return false;
    if (show === 'paused' && !dag.is_paused) return false;
    if (!tags.every((tag) => dag.tags.includes(tag))) return false;
    return (
      wanted === '' ||
      [dag.dag_id, dag.dag_display_name, ...dag.owners].some((word) =>
        word.toLowerCase().includes(wanted),
      )
    );
  });
}

function NowAt({ dag }: { dag: DagCard }) {
  const now = dag.now ?? [];
  if (now.length === 0) {
    return <span class="muted">{dag.active_runs > 0 ? plural(dag.active_runs, 'run') : ''}</span>;
  }
  const first = now[0];
  // The server names three at most.
  const more = now.length < 3 ? now.length - 1 : 2;
  const plus = now.length < 3 ? '' : ' or more';
  return (
    <span class="state">
      <Glyph state="running" />
      <span class="ellipsis">
        {first?.task_id}
        {(first?.map_index ?? -1) >= 0 && `[${first?.map_index}]`}
        {more > 0 && (
          <span class="muted">
            {' '}
            +{more}
            {plus}
          </span>
        )}
      </span>
    </span>
  );
}

function SlaMark({ dag }: { dag: DagCard }) {
  if (dag.worst_sla !== 'at_risk' && dag.worst_sla !== 'missed') return null;
  return (
    <Link href="/sla" class={`tag ${dag.worst_sla === 'missed' ? 'danger-text' : 'warn-text'}`}>
      {dag.worst_sla === 'missed' ? 'SLA missed' : 'SLA at risk'}
    </Link>
  );
}

interface RowProps {
  dag: DagCard;
  picked: boolean;
  onPick: () => void;
}

function DagRow({ dag, picked, onPick }: RowProps) {
  const [, go] = useLocation();
  return (
    <div class={`dag-row${dag.is_paused ? ' paused' : ''}`}>
      <input type="checkbox" checked={picked} onChange={onPick} aria-label={`Pick ${dag.dag_id}`} />
      <span class="dag-name">
        <span class="row">
          <Glyph state={lastState(dag)} />
          <Link href={to.dag(dag.dag_id)} class="ellipsis strong">
            {dag.dag_display_name}
          </Link>
          {dag.is_paused && <span class="tag">paused</span>}
          {dag.has_import_errors && <span class="tag danger-text">file broken</span>}
          <SlaMark dag={dag} />
        </span>
        <span class="small muted ellipsis sub">
          {dag.schedule ?? 'on trigger'}
          {dag.schedule && dag.timezone && dag.timezone !== 'UTC' && ` ${dag.timezone}`}
          {dag.tags.length > 0 && ` · ${dag.tags.join(', ')}`}
          {dag.owners.length > 0 && ` · ${dag.owners.join(', ')}`}
        </span>
      </span>
      <span class="dag-bars">
        <RunBars bars={dag.bars} onOpen={(run) => go(to.run(dag.dag_id, run))} />
      </span>
      <span class="dag-now">
        <NowAt dag={dag} />
      </span>
      <span class="dag-next small">
        {dag.next_run_after && !dag.is_paused ? (
          <Ago at={dag.next_run_after} dagZone={dag.timezone} />
        ) : (
          <span class="muted">-</span>
        )}
      </span>
      <Link
        href={to.trigger(dag.dag_id)}
        class="dag-trigger small"
        aria-label={`Trigger ${dag.dag_id}`}
      >
        Trigger
      </Link>
    </div>
  );
}

async function setPaused(ids: string[], paused: boolean): Promise<void> {
  for (const id of ids) await send('PATCH', path`/api/v2/dags/${id}`, { is_paused: paused });
}

export function DagsPage() {
  const query = useQuery();
  const view = useResource<DagCardCollection>(withQuery('/ui/dags', { limit: 1000 }));
  useEvery(10, view);
  const [picked, setPicked] = useState<ReadonlySet<string>>(new Set());
  const text = query.get('q');
  const show = query.get('show');
  const tags = query.all('tag');
  const all = view.data?.dags ?? [];
  const shown = useMemo(() => filterDags(all, text, show, tags), [all, text, show, tags.join()]);
  const allTags = useMemo(() => [...new Set(all.flatMap((dag) => dag.tags))].sort(), [all]);
  const pick = (id: string) => {
    const next = new Set(picked);
    if (!next.delete(id)) next.add(id);
    setPicked(next);
  };
  const change = async (paused: boolean) => {
    try {
      await setPaused([...picked], paused);
      announce(`${plural(picked.size, 'DAG')} ${paused ? 'paused' : 'resumed'}`);
      setPicked(new Set());
    } catch (error) {
      toastProblem(asProblem(error));
    }
    await view.refresh();
  };
  return (
    <>
      <PageHead
        title="DAGs"
        below={
          view.data && (
            <span class="muted small">
              {shown.length === all.length
                ? plural(view.data.total_entries, 'DAG')
                : `${count(shown.length)} of ${plural(view.data.total_entries, 'DAG')}`}
            </span>
          )
        }
      />
      <div class="row wrap filters" role="search">
        <input
          type="text"
          data-filter
          placeholder="Filter by name or owner ( / )"
          aria-label="Filter DAGs"
          value={text}
          onInput={(event) => query.set({ q: event.currentTarget.value })}
        />
        <div class="row tight" role="group" aria-label="Show">
          {SHOWS.map(([word, label]) => (
            <button
              key={word}
              aria-pressed={show === word}
              onClick={() => query.set({ show: word })}
            >
              {label}
            </button>
          ))}
        </div>
        {allTags.slice(0, 12).map((tag) => (
          <button
            key={tag}
            class="plain small"
            aria-pressed={tags.includes(tag)}
            onClick={() =>
              query.set({
                tag: tags.includes(tag) ? tags.filter((one) => one !== tag) : [...tags, tag],
              })
            }
          >
            #{tag}
          </button>
        ))}
        {picked.size > 0 && may('operator') && (
          <span class="row tight">
            <span class="small">{picked.size} picked</span>
            <button onClick={() => void change(true)}>Pause</button>
            <button onClick={() => void change(false)}>Resume</button>
            <button class="plain" onClick={() => setPicked(new Set())}>
              Clear
            </button>
          </span>
        )}
      </div>
      <ImportErrors />
      <ProblemNote problem={view.error} />
      {view.data && (
        <div class="dag-list">
          <div class="dag-row head small muted" aria-hidden="true">
            <span />
            <span>DAG</span>
            <span class="dag-bars">Last runs</span>
            <span class="dag-now">Now at</span>
            <span class="dag-next">Next run</span>
            <span class="dag-trigger" />
          </div>
          <VirtualRows items={shown} height={ROW} keyOf={(dag) => dag.dag_id} label="DAGs">
            {(dag) => (
              <DagRow dag={dag} picked={picked.has(dag.dag_id)} onPick={() => pick(dag.dag_id)} />
            )}
          </VirtualRows>
          {(view.data?.total_entries ?? 0) > all.length && (
            <p class="muted">The first {count(all.length)} of {count(view.data.total_entries)}.</p>
          )}
          {all.length === 0 && (
            <Empty
              text="No DAG yet. Write one and apply it:"
              command="nightmill init my_dags && nightmill dag apply my_dags/hello.json"
            />
          )}
          {all.length > 0 && shown.length === 0 && (
            <div class="empty">
              No DAG fits the filter.
              <button onClick={() => query.set({ q: null, show: null, tag: null })}>
                Show all
              </button>
            </div>
          )}
        </div>
      )}
    </>
  );
}
