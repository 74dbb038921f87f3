// When a task waited and ran, beside the whole run: a thin line from scheduled to start, a bar from
// start to end. Ticks on while it runs.
import type { TaskInstance } from '../api/types';
import { isFinished, LOOKS, stateOf } from '../base/states';
import { parseInstant } from '../base/time';
import { now } from '../store/clock';

export interface Range {
  from: number;
  till: number;
}

export function rangeOf(
  rows: TaskInstance[],
  runStart: string | null,
  runEnd: string | null,
): Range {
  let from = parseInstant(runStart) ?? Infinity;
  let till = parseInstant(runEnd) ?? -Infinity;
  for (const row of rows) {
    const start = parseInstant(row.scheduled_when) ?? parseInstant(row.start_date);
    if (start !== null) from = Math.min(from, start);
    const end = parseInstant(row.end_date);
    if (end !== null) till = Math.max(till, end);
  }
  if (parseInstant(runEnd) === null && Number.isFinite(from)) till = Math.max(till, now.value);
  return { from, till: Math.max(till, from + 1000) };
}

export function GanttBar({ rows, range }: { rows: TaskInstance[]; range: Range }) {
  const share = (ms: number) =>
    `${Math.max(0, Math.min(100, (100 * (ms - range.from)) / (range.till - range.from)))}%`;
  const wide = (a: number, b: number) =>
    `${Math.max(0, (100 * (b - a)) / (range.till - range.from))}%`;
  return (
    <svg class="gantt" height="14" width="100%" aria-hidden="true">
      {rows.slice(0, 200).map((row) => {
        const wait = parseInstant(row.scheduled_when);
        const start = parseInstant(row.start_date);
        const end = parseInstant(row.end_date) ?? (start === null ? null : now.value);
        const look = LOOKS[stateOf(row.state)];
        const waited = start ?? (wait === null ? null : now.value);
        return (
          <g key={row.map_index}>
            {rows.length === 1 &&
              wait !== null &&
              waited !== null &&
              waited - wait > 50 &&
              (start !== null || !isFinished(row.state)) && (
                <rect
                  x={share(wait)}
                  width={wide(wait, waited)}
                  y="6"
                  height="2"
                  class="gantt-wait"
                />
              )}
            {start !== null && end !== null && (
              <rect
                x={share(start)}
                width={wide(start, end)}
                y="2"
                height="10"
                rx="2"
                fill={look.fill || 'var(--line)'}
                class="gantt-run"
              />
            )}
            {start !== null && (
              <rect x={share(start)} width="2" y="2" height="10" fill={look.fill} />
            )}
          </g>
        );
      })}
    </svg>
  );
}
