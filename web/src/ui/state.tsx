// States as the page shows them: never by colour alone. A glyph repeats the state, and beside it or
// in its accessible name stands the word.
import { LOOKS, type StateWord, stateLabel, stateOf } from '../base/states';

export function Glyph({ state, big }: { state: string | null | undefined; big?: boolean }) {
  return (
    <svg class={big ? 'glyph big' : 'glyph'} viewBox="0 0 16 16" aria-hidden="true">
      <GlyphBody state={stateOf(state)} />
    </svg>
  );
}

export function GlyphBody({ state }: { state: StateWord }) {
  const look = LOOKS[state];
  const edge =
    look.outlineOnLight === look.outlineOnDark
      ? ''
      : look.outlineOnLight
        ? ' light-only'
        : ' dark-only';
  return (
    <>
      <rect
        x="0.5"
        y="0.5"
        width="15"
        height="15"
        rx="3.5"
        fill={look.fill || 'none'}
        class={look.fill ? undefined : 'dashed'}
      />
      {look.fill && (look.outlineOnLight || look.outlineOnDark) && (
        <rect x="0.5" y="0.5" width="15" height="15" rx="3.5" class={`edge${edge}`} />
      )}
      <path d={look.glyph} class={look.ink ? 'ink' : 'ink bare'} stroke={look.ink || undefined} />
    </>
  );
}

export function State({ state, word }: { state: string | null | undefined; word?: string }) {
  return (
    <span class="state">
      <Glyph state={state} />
      <span>{word ?? stateLabel(state)}</span>
    </span>
  );
}

// "12 success, 3 failed": glyphs with counts, in the order that asks for attention first.
export function StateCounts({ counts }: { counts: Record<string, number> }) {
  const shown = Object.entries(counts).filter(([, n]) => n > 0);
  return (
    <span class="row wrap tight">
      {shown.map(([state, n]) => (
        <span class="state small" key={state} title={`${n} ${stateLabel(state)}`}>
          <Glyph state={state} />
          <span>{n}</span>
          <span class="visually-hidden">{stateLabel(state)}</span>
        </span>
      ))}
    </span>
  );
}
