// One clock for the whole page: `now` ticks each second while the page is seen, so that running
// durations tick together and a hidden tab does nothing.
import { signal } from '@preact/signals';

// The daemon's clock may differ from the browser's: durations of what runs are measured against
// its own times. Set from the Date header's equivalent in /ui/home.
let skewMs = 0;
export const now = signal(Date.now());

export function setServerTime(serverMs: number): void {
  skewMs = serverMs - Date.now();
  // Within the precision of the answer's own way there is nothing to correct.
  if (Math.abs(skewMs) < 2_000) skewMs = 0;
  tick();
}

function tick(): void {
  now.value = Date.now() + skewMs;
}

export function startClock(): void {
  setInterval(() => document.visibilityState === 'visible' && tick(), 1_000);
  document.addEventListener('visibilitychange', tick);
}
