// One event stream per browser. HTTP/1.1 allows six connections to a host, so only one tab holds
// the EventSource (the leader, by Web Locks); the others hear it over a BroadcastChannel. If the
// stream breaks it is tried again after 1, 2, 4, 8, 16 s; from the second failure on the page polls
// and says so.
import { signal } from '@preact/signals';

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
type Message = { type: 'event'; event: LiveEvent } | { type: 'link'; state: LinkState } |
  { type: 'ask' };

const URL_OF_STREAM = '/api/v2/events?topics=all';
const MAX_BACKOFF_MS = 16_000;
export const POLL_MS = 5_000;

const listeners = new Set<Listener>();
let channel: BroadcastChannel | null = null;
let source: EventSource | null = null;
let backoff = 1_000;
let lastId = '';
let leading = false;

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

function open(): void {
  // EventSource repeats Last-Event-ID only within one object; across objects we hand it over.
  const from = lastId ? `&last_event_id=${encodeURIComponent(lastId)}` : '';
  const stream = new EventSource(URL_OF_STREAM + from);
  source = stream;
  const take = (message: MessageEvent<string>) => {
    lastId = message.lastEventId || lastId;
    const event = parseEvent(message.lastEventId, message.type, message.data);
    if (!event) return;
    deliver(event);
    tell({ type: 'event', event });
  };
  stream.onopen = () => {
    // What happened while we were away and cannot be replayed is fetched again.
    if (backoff > 1_000) deliver(resync());
    backoff = 1_000;
    setLink('live');
  };
  stream.onmessage = take;
  stream.addEventListener('resync', take as EventListener);
  stream.onerror = () => {
    stream.close();
    if (source !== stream) return;
    source = null;
    setLink(backoff > 1_000 ? 'polling' : 'connecting');
    setTimeout(() => leading && !source && open(), backoff);
    backoff = Math.min(backoff * 2, MAX_BACKOFF_MS);
  };
}

function resync(): LiveEvent {
  return { id: 0, kind: 'resync', at: '', dag_id: null, run_id: null, task_id: null, map_index: -1,
    state: null, backfill_id: null };
}

function lead(): void {
  leading = true;
  open();
}

// Called once there is a session; again after a login.
export function startEvents(): void {
  if (channel) {
    if (leading && !source) open();
    return;
  }
  channel = new BroadcastChannel('nightmill-events');
  channel.onmessage = (message: MessageEvent<Message>) => {
    const said = message.data;
    if (said.type === 'event') deliver(said.event);
    if (said.type === 'link' && !leading) link.value = said.state;
    if (said.type === 'ask' && leading) tell({ type: 'link', state: link.value });
  };
  tell({ type: 'ask' });
  setInterval(() => link.value === 'polling' && deliver(resync()), POLL_MS);
  if (!('locks' in navigator)) return lead();
  void navigator.locks.request('nightmill-events', () => {
    lead();
    return new Promise(() => undefined); // held until this tab is gone
  });
}

export function stopEvents(): void {
  source?.close();
  source = null;
}
