// The heat strip of a backfill: a cell per date in order of execution. Cells of few dates carry
// glyphs; of many they become columns, so that ten thousand dates fit into one line.
import { useLayoutEffect, useRef, useState } from 'preact/hooks';

import { LOOKS, type StateWord, worstState } from '../base/states';
import { GlyphBody } from './state';

const STATES: Record<string, StateWord> = {
  P: 'none',
  Q: 'queued',
  R: 'running',
  S: 'success',
  F: 'failed',
  K: 'skipped',
  C: 'removed',
};
const CELL = 16;
const GAP = 2;
const MOST_ROWS = 6;

export function statesOf(cells: string): StateWord[] {
  return [...cells].map((letter) => STATES[letter] ?? 'none');
}

// At most `most` cells; each of them stands for several dates and shows the one that matters most.
export function binned(states: StateWord[], most: number): StateWord[] {
  if (states.length <= most) return states;
  const size = Math.ceil(states.length / most);
  const out: StateWord[] = [];
  for (let i = 0; i < states.length; i += size) out.push(worstState(states.slice(i, i + size)));
  return out;
}

interface StripProps {
  cells: string;
  label: string;
  onPick?: (index: number) => void;
  titleOf?: (index: number) => string;
}

export function Strip({ cells, label, onPick, titleOf }: StripProps) {
  const box = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(600);
  useLayoutEffect(() => {
    const node = box.current;
    if (!node) return undefined;
    setWidth(node.clientWidth);
    const watch = new ResizeObserver(() => setWidth(node.clientWidth));
    watch.observe(node);
    return () => watch.disconnect();
  }, []);
  const states = statesOf(cells);
  const perRow = Math.max(1, Math.floor((width + GAP) / (CELL + GAP)));
  const small = states.length > perRow * MOST_ROWS;
  const shown = small ? binned(states, Math.max(1, Math.floor(width / 3))) : states;
  const rows = small ? 1 : Math.ceil(shown.length / perRow);
  const height = rows * (CELL + GAP) - GAP;
  return (
    <div ref={box} class="strip">
      <svg width={width} height={Math.max(CELL, height)} role="img" aria-label={label}>
        {shown.map((state, i) =>
          small ? (
            <rect
              key={i}
              x={(i * width) / shown.length}
              y="0"
              width={width / shown.length - 0.4}
              height={CELL}
              fill={LOOKS[state].fill || 'var(--sunken)'}
            />
          ) : (
            <svg
              key={i}
              x={(i % perRow) * (CELL + GAP)}
              y={Math.floor(i / perRow) * (CELL + GAP)}
              width={CELL}
              height={CELL}
              class={onPick ? 'glyph pick' : 'glyph'}
              onClick={onPick && (() => onPick(i))}
            >
              {titleOf && <title>{titleOf(i)}</title>}
              {state === 'none' ? (
                <rect x="0.5" y="0.5" width="15" height="15" rx="3.5" class="planned" />
              ) : (
                <GlyphBody state={state} />
              )}
            </svg>
          ),
        )}
      </svg>
    </div>
  );
}
