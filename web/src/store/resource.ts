// What the page knows from the server, by address. Old data stays on screen while new data comes;
// an event makes the addresses it touches stale, and each is asked again at most every 400 ms, with
// its ETag, so that an unchanged answer costs a 304.
import { type Signal, signal } from '@preact/signals';
import { useEffect, useMemo, useRef } from 'preact/hooks';

import { ask, asProblem, Problem } from '../api/client';
import { listen, type LiveEvent, want } from '../api/events';

export type Touches = (event: LiveEvent) => boolean;
// Changes the data at once by what the event says; undefined: it cannot.
export type Patch<T> = (data: T, event: LiveEvent) => T | undefined;

const MIN_GAP_MS = 400;
const KEPT = 60;

export class Resource<T> {
  readonly data: Signal<T | undefined> = signal(undefined);
  readonly error: Signal<Problem | null> = signal(null);
  readonly url: string;
  private etag: string | null = null;
  private users = 0;
  private asked = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private flight: Promise<void> | null = null;
  private again = false;

  constructor(url: string) {
    this.url = url;
  }

  hold(): () => void {
    this.users += 1;
    if (Date.now() - this.asked > MIN_GAP_MS) void this.refresh();
    return () => {
      this.users -= 1;
    };
  }

  get held(): boolean {
    return this.users > 0;
  }

  // Soon, and once for many events.
  touch(): void {
    if (this.users === 0 || this.timer !== undefined) return;
    const wait = Math.max(0, this.asked + MIN_GAP_MS - Date.now());
    this.timer = setTimeout(() => {
      this.timer = undefined;
      void this.refresh();
    }, wait);
  }

  refresh(): Promise<void> {
    if (this.flight) {
      this.again = true;
      return this.flight;
    }
    this.flight = this.load().finally(() => {
      this.flight = null;
      if (this.again) {
        this.again = false;
        this.touch();
      }
    });
    return this.flight;
  }

  private async load(): Promise<void> {
    this.asked = Date.now();
    try {
      const answer = await ask<T>(this.url, { etag: this.data.peek() ? this.etag : null });
      if (!answer.unchanged) {
        this.data.value = answer.data;
        this.etag = answer.etag;
      }
      this.error.value = null;
    } catch (error) {
      this.error.value = asProblem(error);
    }
  }
}

const cache = new Map<string, Resource<unknown>>();

export function resourceOf<T>(url: string): Resource<T> {
  let found = cache.get(url) as Resource<T> | undefined;
  if (found) {
    cache.delete(url); // and put it last: the first are the longest unused
  } else {
    found = new Resource<T>(url);
    for (const [key, old] of cache) {
      if (cache.size < KEPT) break;
      if (!old.held) cache.delete(key);
    }
  }
  cache.set(url, found as Resource<unknown>);
  return found;
}

export function forgetAll(): void {
  cache.clear();
}

// Events of these topics arrive while the page is shown.
export function useTopics(...topics: string[]): void {
  useEffect(() => {
    const releases = topics.map(want);
    return () => releases.forEach((release) => release());
  }, [topics.join(' ')]);
}

// Asks again now and then, for what no event tells (queues, forecasts): only while it is seen.
export function useEvery(seconds: number, view: { refresh: () => Promise<void> }): void {
  const latest = useRef(view);
  latest.current = view;
  useEffect(() => {
    const timer = setInterval(
      () => document.visibilityState === 'visible' && void latest.current.refresh(),
      seconds * 1000,
    );
    return () => clearInterval(timer);
  }, [seconds]);
}

export interface View<T> {
  data: T | undefined;
  error: Problem | null;
  fresh: boolean; // `data` belongs to the url asked for, not to the one before
  refresh: () => Promise<void>;
}

// The data of `url`, kept up to date; the data of the url before while it is on its way.
export function useResource<T>(
  url: string | null,
  touches: Touches = () => true,
  patch?: Patch<T>,
): View<T> {
  const resource = useMemo(() => (url === null ? null : resourceOf<T>(url)), [url]);
  const shown = useRef<T | undefined>(undefined);
  const rules = useRef({ touches, patch });
  rules.current = { touches, patch };
  useEffect(() => {
    if (!resource) return undefined;
    const release = resource.hold();
    const stop = listen((event) => {
      if (event.kind !== 'resync' && !rules.current.touches(event)) return;
      const data = resource.data.peek();
      if (data !== undefined && event.kind !== 'resync') {
        const patched = rules.current.patch?.(data, event);
        if (patched !== undefined) resource.data.value = patched;
      }
      resource.touch();
    });
    return () => {
      stop();
      release();
    };
  }, [resource]);
  const data = resource?.data.value;
  if (data !== undefined) shown.current = data;
  if (url === null) shown.current = undefined;
  return {
    data: data ?? shown.current,
    error: resource?.error.value ?? null,
    fresh: data !== undefined,
    refresh: () => resource?.refresh() ?? Promise.resolve(),
  };
}

export const ofDag =
  (dag: string): Touches =>
  (event) =>
    event.dag_id === dag;
export const ofRun =
  (dag: string, run: string): Touches =>
  (event) =>
    event.dag_id === dag && (event.run_id === null || event.run_id === run);
export const ofBackfills: Touches = (event) =>
  event.backfill_id !== null || event.kind.startsWith('backfill') || event.kind.includes('run');
export const never: Touches = () => false;
