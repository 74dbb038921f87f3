// Times with their zone, durations that tick.
import {
  duration,
  fullTime,
  parseInstant,
  relative,
  shortTime,
  ticking,
  zoneName,
} from '../base/time';
import { now } from '../store/clock';
import { zone } from '../store/settings';

interface TimeProps {
  at: string | null | undefined;
  dagZone?: string | null; // shown in the tooltip beside UTC
  bare?: boolean; // without the zone's name: the column's head has it
}

export function tooltip(ms: number, dagZone?: string | null): string {
  const lines = [fullTime(ms, 'utc')];
  const shown = zone.value;
  if (shown !== 'utc') lines.push(fullTime(ms, shown));
  if (dagZone && dagZone !== 'UTC') lines.push(`${fullTime(ms, dagZone)} (DAG)`);
  return lines.join('\n');
}

export function Time({ at, dagZone, bare }: TimeProps) {
  const ms = parseInstant(at);
  if (ms === null) return <span class="muted">-</span>;
  const name = bare ? '' : ` ${zoneName(zone.value, ms)}`;
  return (
    <time dateTime={at ?? ''} title={tooltip(ms, dagZone)} class="nowrap">
      {shortTime(ms, now.value, zone.value)}
      {name && <span class="muted">{name}</span>}
    </time>
  );
}

const INSTANT = /(\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d+)?)?Z)/;

// A sentence of the server's, its instants as the reader wants times to be.
export function Words({ text }: { text: string }) {
  return (
    <>
      {text.split(INSTANT).map((part, i) => (i % 2 ? <Time key={i} at={part} /> : part))}
    </>
  );
}

export function Ago({ at, dagZone }: TimeProps) {
  const ms = parseInstant(at);
  if (ms === null) return <span class="muted">-</span>;
  return (
    <time dateTime={at ?? ''} title={tooltip(ms, dagZone)} class="nowrap">
      {relative(ms, now.value)}
    </time>
  );
}

interface Span {
  from: string | null | undefined;
  till: string | null | undefined;
  seconds?: number | null;
}

// The length of what has ended, or a ticking one of what has not.
export function Took({ from, till, seconds }: Span) {
  const start = parseInstant(from);
  if (start === null) return <span class="muted">-</span>;
  const end = parseInstant(till);
  if (end === null) return <span class="nowrap">{ticking((now.value - start) / 1000)}</span>;
  return <span class="nowrap">{duration(seconds ?? (end - start) / 1000)}</span>;
}

export function Interval({ from, till, dagZone }: Span & { dagZone?: string | null }) {
  if (!from || !till) return <span class="muted">none</span>;
  return (
    <span class="nowrap interval">
      <Time at={from} dagZone={dagZone} bare /> <span class="muted">to</span>{' '}
      <Time at={till} dagZone={dagZone} />
    </span>
  );
}

export function Countdown({ at }: { at: string | null | undefined }) {
  const ms = parseInstant(at);
  if (ms === null) return null;
  const left = (ms - now.value) / 1000;
  return <span class="nowrap">{left >= 0 ? `in ${ticking(left)}` : `${ticking(-left)} over`}</span>;
}
