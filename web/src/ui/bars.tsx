// The last runs of a DAG as bars: height = duration beside the longest, colour = state.
import { LOOKS, stateLabel, stateOf } from '../base/states';
import { duration, fullTime } from '../base/time';
import type { DagCard } from '../api/types';

type Bar = DagCard['bars'][number];

const WIDTH = 7;
const GAP = 2;
const HEIGHT = 24;
export const BARS = 14;

export function RunBars({ bars, onOpen }: { bars: Bar[]; onOpen: (run: string) => void }) {
  const shown = bars.slice(-BARS);
  const longest = Math.max(0, ...shown.map((bar) => bar.duration ?? 0));
  const width = BARS * (WIDTH + GAP);
  const failed = shown.filter((bar) => bar.state === 'failed').length;
  const said =
    shown.length === 0
      ? 'no runs yet'
      : `last ${shown.length} runs, ${failed} failed, newest ${stateLabel(shown.at(-1)?.state)}`;
  return (
    <svg class="bars" width={width} height={HEIGHT} role="img" aria-label={said}>
      {shown.map((bar, i) => {
        const look = LOOKS[stateOf(bar.state)];
        const share = longest > 0 ? (bar.duration ?? 0) / longest : 0;
        const height = Math.max(4, Math.round(share * HEIGHT));
        const x = (BARS - shown.length + i) * (WIDTH + GAP);
        const edge = look.outlineOnLight ? ' light-edge' : look.outlineOnDark ? ' dark-edge' : '';
        return (
          <g
            key={bar.dag_run_id}
            onClick={(event) => {
              event.preventDefault();
              event.stopPropagation();
              onOpen(bar.dag_run_id);
            }}
          >
            <title>
              {`${stateLabel(bar.state)}, ${duration(bar.duration) || 'not ended'}\n` +
                fullTime(Date.parse(bar.run_after), 'utc')}
            </title>
            <rect x={x} y="0" width={WIDTH + GAP} height={HEIGHT} fill="transparent" />
            <rect
              x={x + 0.5}
              y={HEIGHT - height + 0.5}
              width={WIDTH - 1}
              height={height - 1}
              rx="1.5"
              fill={bar.state === 'queued' ? 'none' : look.fill}
              class={`bar${edge}${bar.state === 'queued' ? ' ghost' : ''}`}
            />
            {bar.state === 'failed' && (
              <path d={`M${x + 1.5} ${HEIGHT - 5.5}l4 4m0-4l-4 4`} class="bar-mark" />
            )}
          </g>
        );
      })}
    </svg>
  );
}
