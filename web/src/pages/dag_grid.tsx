// The grid of a DAG with the panel of what is chosen in it. On a narrow page it becomes the list of
// runs.
import { useEffect, useMemo, useState } from 'preact/hooks';
import { Link, useLocation } from 'wouter-preact';

import type { GridAnswer } from '../api/types';
import { plural, runLabel } from '../base/format';
import { stateLabel } from '../base/states';
import { path, to, withQuery } from '../base/url';
import { decodeGrid } from '../grid/decode';
import { type GridPick, GridView } from '../grid/grid_view';
import { type GridData, rowsOf } from '../grid/model';
import { patchGrid } from '../store/patches';
import { ofDag, useResource } from '../store/resource';
import { useKeys } from '../ui/keys';
import { Empty, Facts, ProblemNote } from '../ui/parts';
import { useQuery } from '../ui/query';
import { Glyph, State } from '../ui/state';
import { Time, Took } from '../ui/time';
import { DagRuns } from './dag_runs';

const SIZES = ['50', '100', '365', '1000'];

function useNarrow(): boolean {
  const [narrow, setNarrow] = useState(() => innerWidth <= 640);
  useEffect(() => {
    const measure = () => setNarrow(innerWidth <= 640);
    addEventListener('resize', measure);
    return () => removeEventListener('resize', measure);
  }, []);
  return narrow;
}

// Chosen cells by run; a folded group stands for its tasks.
export function selectionByRun(
  data: GridData,
  selected: ReadonlySet<string>,
): Map<string, string[]> {
  const out = new Map<string, string[]>();
  for (const key of selected) {
    const [run = '', row = ''] = key.split(' ');
    const list = out.get(run) ?? [];
    if (row.startsWith('group:')) {
      const inside = new Set([row.slice(6)]);
      for (const group of data.groups)
        if (group.parent && inside.has(group.parent)) inside.add(group.id);
      list.push(
        ...data.tasks.filter((task) => task.group && inside.has(task.group)).map((task) => task.id),
      );
    } else {
      list.push(row);
    }
    out.set(run, [...new Set(list)]);
  }
  return out;
}

function clearPlace(dag: string, chosen: Map<string, string[]>): string {
  const [only] = chosen;
  if (chosen.size === 1 && only) return to.clear(dag, only[0], only[1]);
  return withQuery(path`/dags/${dag}/clear`, {
    ti: [...chosen].flatMap(([run, tasks]) => tasks.map((task) => `${run}|${task}`)),
  });
}

interface PanelProps {
  dag: string;
  zone: string | null;
  data: GridData;
  pick: GridPick;
  onClose: () => void;
}

function Panel({ dag, zone, data, pick, onClose }: PanelProps) {
  const column = data.runs.findIndex((run) => run.id === pick.run);
  const run = data.runs[column];
  if (!run) return null;
  const row = data.tasks.findIndex((task) => task.id === pick.task);
  const state = row < 0 ? run.state : data.states[column]?.[row];
  return (
    <aside class="panel card stack" aria-label="Chosen">
      <div class="row spread">
        <h2 class="row ellipsis">
          <Glyph state={state} big /> {pick.task || runLabel(run.id)}
        </h2>
        <button class="plain" aria-label="Close" onClick={onClose}>
          ×
        </button>
      </div>
      <Facts
        rows={[
          ['State', <State state={state} word={stateLabel(state)} />],
          ['Logical date', <Time at={run.date} dagZone={zone} />],
          ...(row < 0
            ? []
            : [
                ['Run', <Link href={to.run(dag, run.id)}>{runLabel(run.id)}</Link>] as [
                  string,
                  preact.JSX.Element,
                ],
              ]),
          ['Run took', <Took from={run.started} till={run.ended} seconds={run.duration} />],
          ['Type', run.type],
        ]}
      />
      <div class="row wrap">
        <Link
          class="button primary"
          href={row < 0 ? to.run(dag, run.id) : to.task(dag, run.id, pick.task)}
        >
          {row < 0 ? 'Open run' : 'Open log'}
        </Link>
        <Link class="button" href={to.clear(dag, run.id, row < 0 ? [] : [pick.task])}>
          Clear…
        </Link>
        <Link class="button" href={to.graph(dag, run.id)}>
          Graph
        </Link>
      </div>
    </aside>
  );
}

export function DagGrid({ dag, zone }: { dag: string; zone: string | null }) {
  const query = useQuery();
  const [, go] = useLocation();
  const narrow = useNarrow();
  const size = SIZES.includes(query.get('n')) ? query.get('n') : '50';
  const view = useResource<GridAnswer>(
    withQuery(path`/ui/grid/${dag}`, { limit: size }),
    ofDag(dag),
    patchGrid,
  );
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set());
  const data = useMemo(() => view.data && decodeGrid(view.data), [view.data]);
  const foldText = query.all('fold').join('\n');
  const filter = query.get('q');
  const rows = useMemo(
    () => (data ? rowsOf(data, new Set(foldText.split('\n')), filter) : []),
    [data, foldText, filter],
  );
  const marked = { run: query.get('run'), task: query.get('task') };
  const chosen = useMemo(
    () => (data ? selectionByRun(data, selected) : new Map<string, string[]>()),
    [data, selected],
  );
  const open = (pick: GridPick) => {
    if (pick.run && pick.task) go(to.task(dag, pick.run, pick.task));
    else if (pick.run) go(to.run(dag, pick.run));
  };
  const clear = (pick: GridPick) => {
    if (chosen.size > 0) go(clearPlace(dag, chosen));
    else if (pick.run) go(to.clear(dag, pick.run, pick.task ? [pick.task] : []));
  };
  useKeys(
    [
      { keys: 'c', does: 'clear what is chosen', group: 'Grid', run: () => clear(marked) },
      { keys: 'x', does: 'select the cell (in the grid)', group: 'Grid', run: () => undefined },
      { keys: 'Space', does: 'show the cell in the panel', group: 'Grid', run: () => undefined },
    ].filter((one) => one.keys === 'c' || data),
  );
  if (narrow) return <DagRuns dag={dag} zone={zone} />;
  const fold = (group: string) => {
    const folded = query.all('fold');
    query.set({
      fold: folded.includes(group) ? folded.filter((one) => one !== group) : [...folded, group],
    });
  };
  return (
    <>
      <ProblemNote problem={view.error} />
      {data && data.runs.length === 0 && (
        <Empty text="No run yet." command={`nightmill run trigger ${dag} --wait`} />
      )}
      {data && data.runs.length > 0 && (
        <>
          <div class="row wrap filters">
            <input
              type="text"
              data-filter
              placeholder="Filter tasks ( / )"
              aria-label="Filter tasks"
              value={filter}
              onInput={(event) => query.set({ q: event.currentTarget.value })}
            />
            <label class="row small">
              Runs
              <select
                value={size}
                onChange={(event) => query.set({ n: event.currentTarget.value })}
              >
                {SIZES.map((one) => (
                  <option key={one}>{one}</option>
                ))}
              </select>
            </label>
            {data.groups.length > 0 && (
              <button
                onClick={() =>
                  query.set({
                    fold:
                      query.all('fold').length > 0 ? null : data.groups.map((group) => group.id),
                  })
                }
              >
                {query.all('fold').length > 0 ? 'Unfold groups' : 'Fold groups'}
              </button>
            )}
            {selected.size > 0 && (
              <span class="row tight">
                <span class="small">{plural(selected.size, 'cell')} selected</span>
                <Link class="button" href={clearPlace(dag, chosen)}>
                  Clear… <kbd>c</kbd>
                </Link>
                <button class="plain" onClick={() => setSelected(new Set())}>
                  Select none
                </button>
              </span>
            )}
          </div>
          <div class={marked.run ? 'grid-columns with-panel' : 'grid-columns'}>
            <GridView
              data={data}
              rows={rows}
              marked={marked}
              selected={selected}
              onSelect={setSelected}
              onMark={(pick) => query.set({ run: pick.run, task: pick.task })}
              onOpen={open}
              onFold={fold}
              onKey={(key, pick) => {
                if (key !== 'c') return false;
                clear(pick);
                return true;
              }}
            />
            {marked.run && (
              <Panel
                dag={dag}
                zone={zone}
                data={data}
                pick={marked}
                onClose={() => query.set({ run: null, task: null })}
              />
            )}
          </div>
        </>
      )}
    </>
  );
}
