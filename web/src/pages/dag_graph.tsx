// The graph of a DAG, with the states of one run if the address names it.
import { useMemo } from 'preact/hooks';
import { Link, useLocation } from 'wouter-preact';

import type { DagRunCollection, GraphAnswer } from '../api/types';
import { runLabel } from '../base/format';
import { stateLabel, worstState } from '../base/states';
import { path, to, withQuery } from '../base/url';
import { GraphView } from '../graph/graph_view';
import type { Graph } from '../graph/model';
import { patchGraph } from '../store/patches';
import { ofDag, useResource } from '../store/resource';
import { Facts, ProblemNote } from '../ui/parts';
import { useIds, useQuery } from '../ui/query';
import { State, StateCounts } from '../ui/state';
import { Took } from '../ui/time';

// A group in an edge stands for its tasks: those without an upstream inside it, or without a
// downstream.
export function graphOf(answer: GraphAnswer): Graph {
  const parents = new Map(answer.groups.map((group) => [group.group_id, group.parent_group_id]));
  const inside = (group: string | null, wanted: string): boolean => {
    for (let at = group, hops = 0; at !== null && hops < 64; at = parents.get(at) ?? null, hops++) {
      if (at === wanted) return true;
    }
    return false;
  };
  const tasksOf = (id: string) =>
    parents.has(id)
      ? answer.nodes.filter((node) => inside(node.group_id, id)).map((node) => node.task_id)
      : [id];
  const direct = answer.edges.filter((edge) => !parents.has(edge.from) && !parents.has(edge.to));
  const ends = (id: string, leaves: boolean) => {
    const tasks = tasksOf(id);
    if (tasks.length < 2) return tasks;
    const members = new Set(tasks);
    const inner = direct.filter((edge) => members.has(edge.from) && members.has(edge.to));
    const taken = new Set(inner.map((edge) => (leaves ? edge.from : edge.to)));
    return tasks.filter((task) => !taken.has(task));
  };
  return {
    tasks: answer.nodes.map((node) => ({
      id: node.task_id,
      label: node.task_display_name,
      type: node.type,
      group: node.group_id,
      mapped: node.is_mapped,
    })),
    groups: answer.groups.map((group) => ({ id: group.group_id, parent: group.parent_group_id })),
    edges: answer.edges.flatMap((edge) =>
      ends(edge.from, true).flatMap((from) =>
        ends(edge.to, false).map((target) => ({
          from,
          to: target,
          dotted: edge.kind === 'output',
        })),
      ),
    ),
  };
}

// More groups than these fold by a double click on them, or all at once.
const MOST_FOLDS = 8;

export default function DagGraph() {
  const { dag = '' } = useIds<{ dag: string }>();
  const query = useQuery();
  const [, go] = useLocation();
  const runs = useResource<DagRunCollection>(
    withQuery(path`/api/v2/dags/${dag}/dagRuns`, { limit: 25, order_by: '-run_after' }),
    ofDag(dag),
  );
  const list = runs.data?.dag_runs ?? [];
  // Without a choice the newest run is followed: what a person opens the graph for is what goes on
  // now.
  const run = query.get('run') || list.find((one) => one.start_date)?.dag_run_id || '';
  const view = useResource<GraphAnswer>(
    runs.data || runs.error ? withQuery(path`/ui/graph/${dag}`, { dag_run_id: run }) : null,
    ofDag(dag),
    patchGraph,
  );
  const version = view.data?.version_number;
  const shape = view.data && `${version} ${view.data.nodes.length} ${view.data.edges.length}`;
  const graph = useMemo(() => view.data && graphOf(view.data), [shape]);
  const nodes = useMemo(
    () => new Map(view.data?.nodes.map((node) => [node.task_id, node])),
    [view.data],
  );
  const foldText = query.all('fold').join('\n');
  const folded = useMemo(() => new Set(foldText.split('\n').filter(Boolean)), [foldText]);
  const chosen = query.get('task');
  const node = nodes.get(chosen);
  const fold = (group: string) =>
    query.set({
      fold: folded.has(group) ? [...folded].filter((one) => one !== group) : [...folded, group],
    });
  const stateOf = (members: string[]) =>
    view.data?.dag_run_id ? worstState(members.map((id) => nodes.get(id)?.state)) : null;
  return (
    <>
      <div class="row wrap filters">
        <label class="row small">
          Run
          <select value={run} onChange={(event) => query.set({ run: event.currentTarget.value })}>
            {list.map((one) => (
              <option key={one.dag_run_id} value={one.dag_run_id}>
                {runLabel(one.dag_run_id)}, {stateLabel(one.state)}
              </option>
            ))}
            {run && !list.some((one) => one.dag_run_id === run) && (
              <option value={run}>{runLabel(run)}</option>
            )}
            {list.length === 0 && <option value="">none yet</option>}
          </select>
        </label>
        <input
          type="text"
          data-filter
          placeholder="Find a task ( / )"
          aria-label="Find a task"
          value={query.get('q')}
          onInput={(event) => query.set({ q: event.currentTarget.value })}
        />
        <button
          aria-pressed={query.get('only') === 'failed'}
          onClick={() => query.set({ only: query.get('only') === 'failed' ? null : 'failed' })}
        >
          Failed and their upstream
        </button>
        {graph && graph.groups.length > 1 && (
          <button
            onClick={() =>
              query.set({ fold: folded.size > 0 ? null : graph.groups.map((group) => group.id) })
            }
          >
            {folded.size > 0 ? 'Unfold all' : 'Fold all'}
          </button>
        )}
        {graph?.groups.slice(0, MOST_FOLDS).map((group) => (
          <button
            key={group.id}
            class="plain small"
            aria-pressed={!folded.has(group.id)}
            onClick={() => fold(group.id)}
          >
            {folded.has(group.id) ? '▸' : '▾'} {group.id}
          </button>
        ))}
      </div>
      <ProblemNote problem={view.error} />
      {graph && (
        <div class={chosen ? 'grid-columns with-panel' : 'grid-columns'}>
          <GraphView
            graph={graph}
            folded={folded}
            chosen={chosen}
            filter={query.get('q')}
            failedPaths={query.get('only') === 'failed'}
            stateOf={stateOf}
            onFold={fold}
            onChoose={(id) => query.set({ task: id })}
            onOpen={(id) => run && go(to.task(dag, run, id))}
          />
          {chosen && node && (
            <aside class="panel card stack" aria-label="Chosen task">
              <div class="row spread">
                <h2 class="ellipsis">{chosen}</h2>
                <button class="plain" aria-label="Close" onClick={() => query.set({ task: null })}>
                  ×
                </button>
              </div>
              <Facts
                rows={[
                  ['State', <State state={node.state} />],
                  ['Type', node.type],
                  ['Trigger rule', node.trigger_rule],
                  ['Took', <Took from={node.start_date} till={node.end_date} />],
                  ...(node.counts
                    ? [
                        [
                          'Instances',
                          <StateCounts counts={node.counts as Record<string, number>} />,
                        ] as [string, preact.JSX.Element],
                      ]
                    : []),
                ]}
              />
              {run && (
                <div class="row wrap">
                  <Link class="button primary" href={to.task(dag, run, chosen)}>
                    Open log
                  </Link>
                  <Link class="button" href={to.clear(dag, run, [chosen])}>
                    Clear…
                  </Link>
                </div>
              )}
            </aside>
          )}
        </div>
      )}
    </>
  );
}
