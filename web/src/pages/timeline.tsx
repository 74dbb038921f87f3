// The day as lanes: a bar per run of every DAG, dashed ghosts for runs to come, a line for now.
import { Link, useLocation } from 'wouter-preact';

import type { TimelineAnswer, TimelineRun } from '../api/types';
import { LOOKS, stateLabel, stateOf } from '../base/states';
import { clockOf, fullTime, shortDay } from '../base/time';
import { to, withQuery } from '../base/url';
import { now } from '../store/clock';
import { useResource } from '../store/resource';
import { dark, zone } from '../store/settings';
import { ProblemNote, Section } from '../ui/parts';
import { useQuery } from '../ui/query';

const HOUR = 3_600_000;
// Name, hours back, hours ahead.
const RANGES: [string, number, number][] = [
  ['1h', 0.75, 0.25],
  ['6h', 4.5, 1.5],
  ['24h', 18, 6],
  ['7d', 144, 24],
];
const STEPS_MIN = [5, 10, 15, 30, 60, 120, 180, 360, 720, 1440];

// At most ten marks, on round times of the zone shown.
export function ticks(from: number, till: number): number[] {
  const step =
    (STEPS_MIN.find((minutes) => (till - from) / (minutes * 60_000) <= 10) ?? 1440) * 60_000;
  const shift = zone.value === 'utc' ? 0 : new Date(from).getTimezoneOffset() * 60_000;
  const out: number[] = [];
  for (let at = Math.ceil((from - shift) / step) * step + shift; at <= till; at += step)
    out.push(at);
  return out;
}

function share(at: number, from: number, till: number): number {
  return (100 * (at - from)) / (till - from);
}

interface BarProps {
  dag: string;
  run: TimelineRun;
  from: number;
  till: number;
}

function endOf(run: TimelineRun, start: number): number {
  if (run.end_date) return Date.parse(run.end_date);
  if (run.state === 'running') return Math.max(now.value, start);
  return run.expected_end ? Date.parse(run.expected_end) : start;
}

function Bar({ dag, run, from, till }: BarProps) {
  const [, go] = useLocation();
  const start = Date.parse(run.start_date ?? run.run_after);
  const end = endOf(run, start);
  const x = Math.max(0, share(start, from, till));
  const wide = Math.min(100, share(Math.max(end, start), from, till)) - x;
  const ghost = run.state === 'expected' || run.state === 'queued';
  const look = LOOKS[stateOf(run.state)];
  const word = ghost ? (run.state === 'expected' ? 'expected' : 'queued') : stateLabel(run.state);
  const title = `${dag}: ${word}\n${fullTime(start, zone.value)}`;
  const edge = ghost
    ? ' ghost'
    : (dark.value ? look.outlineOnDark : look.outlineOnLight)
      ? ' edged'
      : '';
  // Failed runs stand out by their height too: a bar of seconds has no room for a cross.
  const top = run.state === 'failed' ? 1 : 4;
  const open = () => run.dag_run_id && go(to.run(dag, run.dag_run_id));
  return (
    <svg
      class={`lane-bar${edge}`}
      x={`${x}%`}
      width={`${Math.max(wide, 0)}%`}
      y="0"
      height="20"
      overflow="visible"
      onClick={open}
    >
      <title>{title}</title>
      <rect
        x="0"
        y={top}
        width={wide < 0.6 ? '5' : '100%'}
        height={20 - 2 * top}
        rx="2.5"
        fill={ghost ? 'transparent' : look.fill}
      />
      {run.state === 'failed' && wide > 0.9 && (
        <path d="M2.5 7l5 6M7.5 7l-5 6" class="lane-cross" />
      )}
    </svg>
  );
}

export function Timeline() {
  const query = useQuery();
  const range =
    RANGES.find(([name]) => name === query.get('range')) ?? (RANGES[1] as [string, number, number]);
  // A minute's grid, so that the address of the data does not change with each second.
  const minute = Math.floor(now.value / 60_000) * 60_000;
  const from = minute - range[1] * HOUR;
  const till = minute + range[2] * HOUR;
  const iso = (ms: number) => new Date(ms).toISOString().replace('.000Z', 'Z');
  const view = useResource<TimelineAnswer>(
    withQuery('/ui/timeline', { from: iso(from), to: iso(till) }),
  );
  const lanes = view.data?.lanes ?? [];
  const nowAt = `${share(now.value, from, till)}%`;
  return (
    <Section
      title="Timeline"
      note={
        <span class="row tight" role="group" aria-label="Range">
          {RANGES.map(([name]) => (
            <button
              key={name}
              class="plain small"
              aria-pressed={name === range[0]}
              onClick={() => query.set({ range: name })}
            >
              {name}
            </button>
          ))}
        </span>
      }
    >
      <ProblemNote problem={view.error} />
      {view.data && lanes.length === 0 && <p class="muted">No runs in this range.</p>}
      {lanes.length > 0 && (
        <div class="timeline">
          <div class="lane axis" aria-hidden="true">
            <span class="lane-name small muted">{zone.value === 'utc' ? 'UTC' : 'local time'}</span>
            <svg class="lane-runs" height="18">
              {ticks(from, till).map((at) => {
                const clock = clockOf(at, zone.value);
                return (
                  <text key={at} x={`${share(at, from, till)}%`} y="12" class="axis-text">
                    {clock === '00:00' ? shortDay(at, now.value, zone.value) : clock}
                  </text>
                );
              })}
            </svg>
          </div>
          {lanes.map((lane) => (
            <div class="lane" key={lane.dag_id}>
              <Link href={to.dag(lane.dag_id)} class="lane-name ellipsis">
                {lane.dag_display_name}
                {lane.is_paused && <span class="tag">paused</span>}
              </Link>
              <svg class="lane-runs" height="20" role="img" aria-label={laneText(lane.runs)}>
                {ticks(from, till).map((at) => (
                  <line
                    key={at}
                    x1={`${share(at, from, till)}%`}
                    x2={`${share(at, from, till)}%`}
                    y1="0"
                    y2="20"
                    class="axis-line"
                  />
                ))}
                {lane.runs.map((run) => (
                  <Bar
                    key={run.dag_run_id ?? run.run_after}
                    dag={lane.dag_id}
                    run={run}
                    from={from}
                    till={till}
                  />
                ))}
                <line x1={nowAt} x2={nowAt} y1="0" y2="20" class="now-line" />
              </svg>
            </div>
          ))}
          {(view.data?.total_entries ?? 0) > lanes.length && (
            <p class="muted small">
              and {(view.data?.total_entries ?? 0) - lanes.length} more DAGs
            </p>
          )}
        </div>
      )}
    </Section>
  );
}

function laneText(runs: TimelineRun[]): string {
  const counts = new Map<string, number>();
  for (const run of runs) counts.set(run.state, (counts.get(run.state) ?? 0) + 1);
  return [...counts]
    .map(
      ([state, n]) =>
        `${n} ${stateLabel(state) === 'not started' ? 'expected' : stateLabel(state)}`,
    )
    .join(', ');
}
