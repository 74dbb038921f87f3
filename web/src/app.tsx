// The frame: header, routes, dialogs. Pages beside the first are fetched when they are needed.
import type { ComponentType } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { Link, Route, Switch, useLocation } from 'wouter-preact';

import { link } from './api/events';
import { DagPage } from './pages/dag';
import { DagsPage } from './pages/dags';
import { HomePage } from './pages/home';
import { LoginPage } from './pages/login';
import { RunPage } from './pages/run';
import { logOut, session, sessionKnown } from './store/session';
import { scheme, zone } from './store/settings';
import { CommandPalette, helpOpen, paletteOpen } from './ui/command_palette';
import { Help } from './ui/help';
import { useKeys } from './ui/keys';
import { lazy } from './ui/lazy';
import { LiveRegion } from './ui/live';
import { PageHead } from './ui/parts';

const TaskPage = lazy(() => import('./pages/task'));
const TriggerPage = lazy(() => import('./pages/trigger'));
const ClearPage = lazy(() => import('./pages/clear'));
const BackfillsPage = lazy(() => import('./pages/backfills'));
const NewBackfillPage = lazy(() => import('./pages/backfill_new'));
const BackfillPage = lazy(() => import('./pages/backfill'));
const PoolsPage = lazy(() => import('./pages/pools'));
const SlaPage = lazy(() => import('./pages/sla'));
const AlertsPage = lazy(() => import('./pages/alerts'));

const PLACES: [string, string, string][] = [
  ['/', 'Home', 'h'],
  ['/dags', 'DAGs', 'd'],
  ['/backfills', 'Backfills', 'b'],
  ['/sla', 'SLA', 's'],
  ['/alerts', 'Alerts', 'a'],
  ['/pools', 'Pools', 'p'],
];

const ROUTES: [string, ComponentType][] = [
  ['/', HomePage],
  ['/dags', DagsPage],
  ['/dags/:dag/runs/:run/clear', ClearPage],
  ['/dags/:dag/runs/:run/tasks/:task/:map?', TaskPage],
  ['/dags/:dag/runs/:run', RunPage],
  ['/dags/:dag/clear', ClearPage],
  ['/dags/:dag/trigger', TriggerPage],
  ['/dags/:dag/:view?', DagPage],
  ['/backfills', BackfillsPage],
  ['/backfills/new', NewBackfillPage],
  ['/backfills/:id', BackfillPage],
  ['/pools', PoolsPage],
  ['/sla', SlaPage],
  ['/alerts', AlertsPage],
];

function LinkMark() {
  const state = link.value;
  const words = { live: 'live', connecting: 'connecting', polling: 'polling' }[state];
  const why = {
    live: 'Changes arrive as they happen',
    connecting: 'The stream of events is being opened',
    polling: 'The stream of events is broken: this page asks again every 5 s',
  }[state];
  return (
    <span class={`link-mark ${state}`} title={why} role="status">
      <svg viewBox="0 0 8 8" aria-hidden="true">
        <circle
          cx="4"
          cy="4"
          r="3"
          fill={state === 'live' ? 'var(--good)' : 'none'}
          stroke="currentColor"
        />
      </svg>
      <span>{words}</span>
    </span>
  );
}

function Top() {
  const [place] = useLocation();
  return (
    <header class="top">
      <Link href="/" class="brand" aria-label="Nightmill, home">
        <svg viewBox="0 0 16 16" aria-hidden="true">
          <rect width="16" height="16" rx="4" fill="var(--success)" />
          <path d="M10.8 3.2a5.2 5.2 0 1 0 2 8.2 4.4 4.4 0 0 1-2-8.2z" fill="#fff" />
        </svg>
        <span>Nightmill</span>
      </Link>
      <nav class="nav" aria-label="Main">
        {PLACES.map(([href, text]) => (
          <Link
            key={href}
            href={href}
            aria-current={
              (href === '/' ? place === '/' : place.startsWith(href)) ? 'page' : undefined
            }
          >
            {text}
          </Link>
        ))}
      </nav>
      <div class="tools">
        <LinkMark />
        <button
          class="plain"
          onClick={() => (paletteOpen.value = true)}
          aria-keyshortcuts="Control+K"
        >
          Search <kbd class="wide-only">Ctrl K</kbd>
        </button>
        <button
          class="plain"
          title="Times are shown in this zone"
          onClick={() => (zone.value = zone.value === 'utc' ? 'local' : 'utc')}
        >
          {zone.value === 'utc' ? 'UTC' : 'Local'}
        </button>
        <button
          class="plain wide-only"
          title="Keyboard help"
          aria-label="Keyboard help"
          onClick={() => (helpOpen.value = true)}
        >
          ?
        </button>
        <button
          class="plain wide-only"
          onClick={() => void logOut()}
          title={`${session.value?.principal ?? ''}, ${session.value?.role ?? ''}`}
        >
          Log out
        </button>
      </div>
    </header>
  );
}

function useGlobalKeys(): void {
  const [, go] = useLocation();
  useKeys([
    ...PLACES.map(([href, text, key]) => ({
      keys: `g ${key}`,
      does: text,
      run: () => go(href),
      group: 'Go to',
    })),
    { keys: '?', does: 'this help', run: () => (helpOpen.value = true), group: 'Go to' },
    {
      keys: '/',
      does: 'filter',
      group: 'Go to',
      run: () => document.querySelector<HTMLElement>('[data-filter]')?.focus(),
    },
  ]);
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.key.toLowerCase() !== 'k' || !(event.ctrlKey || event.metaKey)) return;
      event.preventDefault();
      paletteOpen.value = true;
    };
    addEventListener('keydown', onKey);
    return () => removeEventListener('keydown', onKey);
  }, []);
}

function NotFound() {
  return (
    <>
      <PageHead title="No such page" />
      <div class="row">
        <Link class="button" href="/dags">
          List of DAGs
        </Link>
        <button onClick={() => (paletteOpen.value = true)}>Search</button>
      </div>
    </>
  );
}

let wentBack = false;
addEventListener('popstate', () => {
  wentBack = true;
});

function Shell() {
  const [place] = useLocation();
  const shown = useRef(false);
  useGlobalKeys();
  // A new page starts at its top; on the way back the browser restores the place itself.
  useEffect(() => {
    if (!wentBack) scrollTo(0, 0);
    wentBack = false;
    // Reading and Tab go on in the new page's content, not where the old page's link was.
    if (shown.current) document.getElementById('main')?.focus({ preventScroll: true });
    shown.current = true;
  }, [place]);
  return (
    <div class="shell">
      <a class="skip-link" href="#main">
        Skip to the content
      </a>
      <Top />
      <main id="main" tabIndex={-1}>
        <Switch>
          {ROUTES.map(([path, Page]) => (
            <Route key={path} path={path}>
              <Page />
            </Route>
          ))}
          <Route>
            <NotFound />
          </Route>
        </Switch>
      </main>
      {paletteOpen.value && <CommandPalette />}
      {helpOpen.value && <Help />}
      <LiveRegion />
    </div>
  );
}

export function App() {
  void scheme.value;
  if (!sessionKnown.value) return null;
  return session.value ? <Shell /> : <LoginPage />;
}
