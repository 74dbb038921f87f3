// The words, colours and glyphs of all states, once. Words are the API's own (docs/states.md); a
// null task state is called "none" here.

export const TASK_STATES = [
  'success',
  'running',
  'failed',
  'upstream_failed',
  'up_for_retry',
  'queued',
  'scheduled',
  'skipped',
  'deferred',
  'restarting',
  'removed',
  'none',
] as const;
export type StateWord = (typeof TASK_STATES)[number];

export interface StateLook {
  fill: string; // '' for the dashed ones
  ink: string; // text and glyph on the fill
  glyph: string; // SVG path in a 16 x 16 box, stroked
  outlineOnLight: boolean; // the fill has less than 3:1 against the page
  outlineOnDark: boolean;
}

const TICK = 'M4.2 8.4 7 11.2 12 5.2';
const RING = 'M8 4.2a3.8 3.8 0 1 0 .01 0';
const CROSS = 'M5 5l6 6M11 5l-6 6';
const ARROW_CROSS = 'M8 7.2V2.6M5.6 4.8 8 2.4l2.4 2.4M5.6 9.2l4.8 4.8M10.4 9.2l-4.8 4.8';
const LOOP = 'M12 8.2a4 4 0 1 1-1.4-3M11.2 2.4v3H8.2';
const BARS = 'M4.6 4.8h6.8M4.6 8h6.8M4.6 11.2h6.8';
const CLOCK = 'M8 3.6a4.4 4.4 0 1 0 .01 0M8 5.6V8l1.8 1.2';
const SLASH = 'M5 11.4 11 4.6';
const EYE = 'M2.8 8c2.2-3.6 8.2-3.6 10.4 0-2.2 3.6-8.2 3.6-10.4 0M8 7.2v1.6';
const DASH = 'M5.4 8h5.2';

function look(fill: string, ink: string, glyph: string, light: boolean, dark: boolean): StateLook {
  return { fill, ink, glyph, outlineOnLight: light, outlineOnDark: dark };
}

// The smallest CIEDE2000 distance over all pairs and all kinds of sight is 18.3; palette.test.mjs
// recomputes it and fails under 18.
export const LOOKS: Record<StateWord, StateLook> = {
  success: look('#177a5a', '#fff', TICK, false, false),
  running: look('#27affb', '#000', RING, true, false),
  failed: look('#bf1400', '#fff', CROSS, false, true),
  upstream_failed: look('#ed7300', '#000', ARROW_CROSS, true, false),
  up_for_retry: look('#fef885', '#000', LOOP, true, false),
  queued: look('#7c7a95', '#000', BARS, false, false),
  scheduled: look('#d8efff', '#000', CLOCK, true, false),
  skipped: look('#d0a3a9', '#000', SLASH, true, false),
  deferred: look('#6b08f4', '#fff', EYE, false, true),
  restarting: look('#fef885', '#000', LOOP, true, false),
  removed: look('', '', CROSS, true, true),
  none: look('', '', DASH, true, true),
};
// The nine fills that the distance test compares: all that differ.
export const PALETTE_STATES: StateWord[] = [
  'success',
  'running',
  'failed',
  'upstream_failed',
  'up_for_retry',
  'queued',
  'scheduled',
  'skipped',
  'deferred',
];
// The colours of Airflow 2, for eyes that have learned them; they are hard to tell apart for many.
const CLASSIC: Partial<Record<StateWord, [string, string]>> = {
  success: ['#008000', '#fff'],
  running: ['#00ff00', '#000'],
  failed: ['#ff0000', '#000'],
  upstream_failed: ['#ffa500', '#000'],
  up_for_retry: ['#ffd700', '#000'],
  queued: ['#808080', '#000'],
  scheduled: ['#d2b48c', '#000'],
  skipped: ['#ff69b4', '#000'],
  deferred: ['#9370db', '#000'],
  restarting: ['#ee82ee', '#000'],
};

// To be called before anything is drawn: tiles and glyphs are made once.
export function takeClassicColours(): void {
  for (const [state, [fill, ink]] of Object.entries(CLASSIC)) {
    const old = LOOKS[state as StateWord];
    LOOKS[state as StateWord] = { ...old, fill, ink, outlineOnLight: true, outlineOnDark: true };
  }
}

export const OUTLINE = { light: '#57606a', dark: '#8b949e' } as const;

export function stateOf(word: string | null | undefined): StateWord {
  return word && word in LOOKS ? (word as StateWord) : 'none';
}

export function stateLabel(word: string | null | undefined): string {
  return stateOf(word) === 'none' ? 'not started' : stateOf(word).replaceAll('_', ' ');
}

const FINISHED: ReadonlySet<string> = new Set([
  'success',
  'failed',
  'upstream_failed',
  'skipped',
  'removed',
]);
export function isFinished(word: string | null | undefined): boolean {
  return FINISHED.has(word ?? 'none');
}

// Of many states the one that a reader has to know first: a folded group and a mapped task show it.
const WORST_FIRST: StateWord[] = [
  'failed',
  'upstream_failed',
  'up_for_retry',
  'restarting',
  'running',
  'deferred',
  'queued',
  'scheduled',
  'none',
  'success',
  'skipped',
  'removed',
];
export function worstState(words: Iterable<string | null | undefined>): StateWord {
  let best = WORST_FIRST.length - 1;
  let seen = false;
  for (const word of words) {
    seen = true;
    best = Math.min(best, WORST_FIRST.indexOf(stateOf(word)));
  }
  return seen ? (WORST_FIRST[best] ?? 'none') : 'none';
}

// Why a run ended as it did, in words (semantics: state_reason).
const RUN_REASONS: Record<string, string> = {
  task_failed: 'a task failed',
  cancelled: 'cancelled',
  run_timeout: 'took longer than run_timeout',
  marked: 'marked by a user',
  overlap_cancelled: 'a newer run took its place',
  queue_expired: 'queued longer than queue_expiry',
  params_invalid: 'params do not fit their schema',
  quarantined: 'quarantined',
};
export function runReason(word: string | null | undefined): string {
  return word ? (RUN_REASONS[word] ?? word.replaceAll('_', ' ')) : '';
}
