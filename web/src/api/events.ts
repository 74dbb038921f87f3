// One event stream per browser. HTTP/1.1 allows six connections to a host, so only one tab reads
// the stream (the leader, by Web Locks); the others hear it over a BroadcastChannel. The leader
// follows the topics that any tab wants. If the stream breaks it is opened again after 1, 2, 4, 8,
// 16 s from where it broke (Last-Event-ID); from the second failure on the page polls and says so.
import { signal } from '@preact/signals';

import { readStream } from './stream';

export interface LiveEvent {
  id: number;
  kind: string; // run.state, task.state, ...; "resync" when events were missed
  at: string;
  dag_id: string | null;
  run_id: string | null;
  task_id: string | null;
  map_index: number;
  state: string | null;
  backfill_id: number | null;
}

export type LinkState = 'connecting' | 'live' | 'polling';
export const link = signal<LinkState>('connecting');

type Listener = (event: LiveEvent) => void;
type Message =
  | { type: 'event'; event: LiveEvent }
  | { type: 'link'; state: LinkState }
  | { type: 'topics'; tab: string; topics: string[] }
  | { type: 'who' };

// These every tab wants: small, and enough for all pages but those of one DAG, run or backfill.
const ALWAYS = ['runs', 'sla', 'server'];
const FIRST_WAIT_MS = 1_000;
const MAX_WAIT_MS = 16_000;
const SETTLE_MS = 120;
export const POLL_MS = 5_000;

const me = crypto.randomUUID?.() ?? String(Math.random());
const listeners = new Set<Listener>();
const wanted = new Map<string, number>(); // topics of this tab, counted
const others = new Map<string, string[]>(); // topics of the other tabs, if this one leads
let channel: BroadcastChannel | null = null;
let flight: AbortController | null = null;
let followed = '';
let lastId = '';
let leading = false;
let wait = FIRST_WAIT_MS;
let reopen: ReturnType<typeof setTimeout> | undefined;

export function listen(listener: Listener): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function deliver(event: LiveEvent): void {
  for (const listener of [...listeners]) listener(event);
}

function tell(message: Message): void {
  channel?.postMessage(message);
}

function setLink(state: LinkState): void {
  link.value = state;
  if (leading) tell({ type: 'link', state });
}

function text(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

export function parseEvent(id: string, kind: string, data: string): LiveEvent | null {
  if (kind === 'resync') return resync();
  let body: Record<string, unknown> = {};
  try {
    body = JSON.parse(data || '{}') as Record<string, unknown>;
  } catch {
    return null;
  }
  return {
    id: Number(id) || 0,
    kind: text(body.type) ?? kind,
    at: text(body.time) ?? '',
    dag_id: text(body.dag_id),
    run_id: text(body.dag_run_id),
    task_id: text(body.task_id),
    map_index: typeof body.map_index === 'number' ? body.map_index : -1,
    state: text(body.state),
    backfill_id: typeof body.backfill_id === 'number' ? body.backfill_id : null,
  };
}

function resync(): LiveEvent {
  return {
    id: 0,
    kind: 'resync',
    at: '',
    dag_id: null,
    run_id: null,
    task_id: null,
    map_index: -1,
    state: null,
    backfill_id: null,
  };
}

function take(id: string, kind: string, data: string): void {
  lastId = id || lastId;
  const event = parseEvent(id, kind, data);
  if (!event) return;
  deliver(event);
  tell({ type: 'event', event });
}

function openSoon(after: number): void {
  clearTimeout(reopen);
  reopen = setTimeout(() => leading && void open(), after);
}

async function open(): Promise<void> {
  flight?.abort();
  const mine = new AbortController();
  flight = mine;
  const started = performance.now();
  followed = [...new Set([...ALWAYS, ...wanted.keys(), ...[...others.values()].flat()])]
    .sort()
    .join(',');
  try {
    await readStream(`/api/v2/events?topics=${encodeURIComponent(followed)}`, {
      lastId,
      signal: mine.signal,
      onEvent: take,
      onOpen: () => {
        // Without a place to go on from, what happened meanwhile is asked for again.
        if (wait > FIRST_WAIT_MS && !lastId) deliver(resync());
        wait = FIRST_WAIT_MS;
        setLink('live');
      },
    });
    // The server ends streams that are half an hour old; one that ends at once is broken.
    if (performance.now() - started < FIRST_WAIT_MS) throw new Error('the stream ended at once');
    if (flight === mine) openSoon(0);
  } catch {
    if (flight !== mine || mine.signal.aborted) return;
    setLink(wait > FIRST_WAIT_MS ? 'polling' : 'connecting');
    openSoon(wait);
    wait = Math.min(wait * 2, MAX_WAIT_MS);
  }
}

// The topics changed: the stream goes on from the last event, so nothing is lost in between.
function settle(): void {
  if (!leading) return tell({ type: 'topics', tab: me, topics: [...wanted.keys()] });
  const next = [...new Set([...ALWAYS, ...wanted.keys(), ...[...others.values()].flat()])]
    .sort()
    .join(',');
  if (next !== followed) openSoon(SETTLE_MS);
}

// While the returned function is not called, events of this topic arrive.
export function want(topic: string): () => void {
  wanted.set(topic, (wanted.get(topic) ?? 0) + 1);
  if (channel) settle();
  return () => {
    const left = (wanted.get(topic) ?? 1) - 1;
    if (left > 0) wanted.set(topic, left);
    else wanted.delete(topic);
    if (channel) settle();
  };
}

function hear(said: Message): void {
  if (said.type === 'event') deliver(said.event);
  else if (said.type === 'link' && !leading) link.value = said.state;
  else if (said.type === 'who' && !leading) settle();
  else if (said.type === 'topics' && leading) {
    if (said.topics.length > 0) others.set(said.tab, said.topics);
    else others.delete(said.tab);
    tell({ type: 'link', state: link.value });
    settle();
  }
}

function lead(): void {
  leading = true;
  tell({ type: 'who' });
  void open();
}

// Called once there is a session; again after a login.
export function startEvents(): void {
  if (channel) {
    if (leading) void open();
    return;
  }
  channel = new BroadcastChannel('nightmill-events');
  channel.onmessage = (message: MessageEvent<Message>) => hear(message.data);
  addEventListener('pagehide', () => tell({ type: 'topics', tab: me, topics: [] }));
  setInterval(() => link.value === 'polling' && deliver(resync()), POLL_MS);
  settle();
  if (!('locks' in navigator)) return lead();
  void navigator.locks.request('nightmill-events', () => {
    lead();
    return new Promise(() => undefined); // held until this tab is gone
  });
}

export function stopEvents(): void {
  flight?.abort();
  flight = null;
  clearTimeout(reopen);
}
