// Ctrl-K: one list of places and actions, found by a few letters. DAGs and runs come from what the
// page already knows and, as one types, from the server.
import { signal } from '@preact/signals';
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { useLocation } from 'wouter-preact';

import { get } from '../api/client';
import type { DagCollection, DagRunCollection, GraphAnswer } from '../api/types';
import { fuzzyWords } from '../base/format';
import { to, withQuery } from '../base/url';
import { logOut } from '../store/session';
import { choosePalette, scheme, zone } from '../store/settings';
import { Dialog } from './dialog';

export const paletteOpen = signal(false);
export const helpOpen = signal(false);

interface Item {
  kind: string;
  text: string;
  run: () => void;
}

const MOST_SHOWN = 12;
const MOST_TASKS = 2_000;

function actions(go: (place: string) => void): Item[] {
  const place = (text: string, href: string): Item => ({ kind: 'page', text, run: () => go(href) });
  return [
    place('Home', '/'),
    place('DAGs', '/dags'),
    place('Backfills', '/backfills'),
    place('New backfill', '/backfills/new'),
    place('SLA board', '/sla'),
    place('Alerts', '/alerts'),
    place('Pools', '/pools'),
    { kind: 'action', text: 'Colours: as the system', run: () => (scheme.value = 'system') },
    { kind: 'action', text: 'Colours: light', run: () => (scheme.value = 'light') },
    { kind: 'action', text: 'Colours: dark', run: () => (scheme.value = 'dark') },
    { kind: 'action', text: 'States: clear colours', run: () => choosePalette('nightmill') },
    { kind: 'action', text: 'States: classic colours', run: () => choosePalette('classic') },
    { kind: 'action', text: 'Times in UTC', run: () => (zone.value = 'utc') },
    { kind: 'action', text: 'Times in local time', run: () => (zone.value = 'local') },
    { kind: 'action', text: 'Keyboard help', run: () => (helpOpen.value = true) },
    { kind: 'action', text: 'Log out', run: () => void logOut() },
  ];
}

// Tasks of the DAG that is shown; in a run, the run's own.
async function findTasks(go: (place: string) => void): Promise<Item[]> {
  const [, dag, , run] = /^\/dags\/([^/]+)(\/runs\/([^/]+))?/.exec(location.pathname) ?? [];
  if (!dag) return [];
  const id = decodeURIComponent(dag);
  const graph = await get<GraphAnswer>(`/ui/graph/${dag}`);
  return graph.nodes.slice(0, MOST_TASKS).map((node) => ({
    kind: 'task',
    text: node.task_id,
    run: () =>
      go(
        run
          ? to.task(id, decodeURIComponent(run), node.task_id)
          : withQuery(to.graph(id), { task: node.task_id }),
      ),
  }));
}

async function find(text: string, go: (place: string) => void): Promise<Item[]> {
  // The server looks for the longest word; the others ("trigger", "run") choose among what it
  // finds.
  const word = text
    .split(/\s+/)
    .reduce((a, b) => (b.length > a.length ? b : a), '')
    .replaceAll('%', '').slice(0, 200);
  const like = `%${word}%`;
  const [dags, runs] = await Promise.all([
    get<DagCollection>(withQuery('/api/v2/dags', { dag_id_pattern: like, limit: 20 })),
    get<DagRunCollection>(
      withQuery('/api/v2/dags/~/dagRuns', {
        run_id_pattern: like,
        limit: 8,
        order_by: '-run_after',
      }),
    ),
  ]);
  return [
    ...dags.dags.flatMap((dag): Item[] => [
      { kind: 'DAG', text: dag.dag_id, run: () => go(to.dag(dag.dag_id)) },
      { kind: 'trigger', text: dag.dag_id, run: () => go(to.trigger(dag.dag_id)) },
    ]),
    ...runs.dag_runs.map((run): Item => ({
      kind: 'run',
      text: `${run.dag_id} ${run.dag_run_id}`,
      run: () => go(to.run(run.dag_id, run.dag_run_id)),
    })),
  ];
}

export function CommandPalette() {
  const [, go] = useLocation();
  const [text, setText] = useState('');
  const [found, setFound] = useState<Item[]>([]);
  const [tasks, setTasks] = useState<Item[]>([]);
  const [at, setAt] = useState(0);
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => input.current?.focus(), []);
  useEffect(() => {
    findTasks(go).then(setTasks, () => undefined);
  }, []);
  useEffect(() => {
    let wanted = true;
    const timer = setTimeout(() => {
      find(text, go).then(
        (items) => wanted && setFound(items),
        () => undefined,
      );
    }, 80);
    return () => {
      wanted = false;
      clearTimeout(timer);
    };
  }, [text]);
  const shown = useMemo(
    () =>
      [...actions(go), ...tasks, ...found]
        .map((item) => ({ item, score: fuzzyWords(text, `${item.text} ${item.kind}`) }))
        .filter((row) => row.score !== null)
        .sort((a, b) => (b.score ?? 0) - (a.score ?? 0))
        .slice(0, MOST_SHOWN)
        .map((row) => row.item),
    [text, found, tasks],
  );
  const close = () => {
    paletteOpen.value = false;
  };
  const pick = (item: Item | undefined) => {
    if (!item) return;
    close();
    item.run();
  };
  const onKey = (event: KeyboardEvent) => {
    const step = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0;
    if (step !== 0) {
      event.preventDefault();
      setAt((old) => (old + step + shown.length) % Math.max(1, shown.length));
    } else if (event.key === 'Enter') {
      event.preventDefault();
      pick(shown[at]);
    }
  };
  return (
    <Dialog label="Command palette" onClose={close} className="palette">
      <input
        ref={input}
        type="text"
        placeholder="Go to a DAG, run or page; or do something"
        role="combobox"
        aria-expanded="true"
        aria-controls="palette-list"
        aria-autocomplete="list"
        aria-activedescendant={`palette-${at}`}
        aria-label="Search"
        value={text}
        onKeyDown={onKey}
        onInput={(event) => {
          setText(event.currentTarget.value);
          setAt(0);
        }}
      />
      <ul id="palette-list" role="listbox" aria-label="Results">
        {shown.map((item, i) => (
          <li
            key={`${item.kind} ${item.text}`}
            id={`palette-${i}`}
            role="option"
            aria-selected={i === at}
            onClick={() => pick(item)}
            onMouseMove={() => setAt(i)}
          >
            <span class="kind">{item.kind}</span>
            <span class="ellipsis">{item.text}</span>
          </li>
        ))}
        {shown.length === 0 && (
          <li class="muted" role="option" aria-selected="false">
            Nothing found
          </li>
        )}
      </ul>
    </Dialog>
  );
}
