// Times and durations as text. Every time names its zone; which one is the reader's choice.

export type ZoneChoice = 'local' | 'utc' | string; // else an IANA name, the DAG's

const formats = new Map<string, Intl.DateTimeFormat>();
function parts(ms: number, zone: ZoneChoice): Record<string, string> {
  let format = formats.get(zone);
  if (!format) {
    format = new Intl.DateTimeFormat('en-GB', {
      year: 'numeric',
      month: '2-digit',
      day: '2-digit',
      hour: '2-digit',
      minute: '2-digit',
      second: '2-digit',
      hourCycle: 'h23',
      timeZoneName: 'short',
      timeZone: zone === 'local' ? undefined : zone === 'utc' ? 'UTC' : zone,
    });
    formats.set(zone, format);
  }
  const out: Record<string, string> = {};
  for (const part of format.formatToParts(ms)) out[part.type] = part.value;
  return out;
}

export function zoneName(zone: ZoneChoice, ms: number): string {
  if (zone === 'utc' || zone === 'UTC') return 'UTC';
  return parts(ms, zone).timeZoneName ?? zone;
}

// "2011-05-31 06:00:10 UTC"
export function fullTime(ms: number, zone: ZoneChoice): string {
  const p = parts(ms, zone);
  return `${p.year}-${p.month}-${p.day} ${p.hour}:${p.minute}:${p.second} ${zoneName(zone, ms)}`;
}

export function dayOf(ms: number, zone: ZoneChoice): string {
  const p = parts(ms, zone);
  return `${p.year}-${p.month}-${p.day}`;
}

export function clockOf(ms: number, zone: ZoneChoice, seconds = false): string {
  const p = parts(ms, zone);
  return seconds ? `${p.hour}:${p.minute}:${p.second}` : `${p.hour}:${p.minute}`;
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

// As short as it can be without doubt: "06:00" today, "30 May 06:00" this year, "30 May 2011
// 06:00".
export function shortTime(ms: number, now: number, zone: ZoneChoice): string {
  const p = parts(ms, zone);
  const n = parts(now, zone);
  const clock = `${p.hour}:${p.minute}`;
  const date = `${Number(p.day)} ${MONTHS[Number(p.month) - 1]}`;
  if (p.year !== n.year) return `${date} ${p.year} ${clock}`;
  if (p.month !== n.month || p.day !== n.day) return `${date} ${clock}`;
  return clock;
}

// "31 May" or "31 May 2011": for column heads of dates.
export function shortDay(ms: number, now: number, zone: ZoneChoice): string {
  const p = parts(ms, zone);
  const year = p.year === parts(now, zone).year ? '' : ` ${p.year}`;
  return `${Number(p.day)} ${MONTHS[Number(p.month) - 1]}${year}`;
}

// "4 ms", "0.42 s", "12.3 s", "4 m 05 s", "1 h 02 m", "3 d 4 h"
export function duration(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return '';
  const s = Math.max(0, seconds);
  if (s > 0 && s < 0.001) return '<1 ms';
  if (s < 0.0995) return `${Math.round(s * 1000)} ms`;
  if (s < 9.995) return `${s.toFixed(2)} s`;
  if (s < 59.95) return `${s.toFixed(1)} s`;
  const whole = Math.round(s);
  if (whole < 3600) return `${Math.floor(whole / 60)} m ${pad(whole % 60)} s`;
  const minutes = Math.round(s / 60);
  if (minutes < 1440) return `${Math.floor(minutes / 60)} h ${pad(minutes % 60)} m`;
  const hours = Math.round(s / 3600);
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

// A clock that ticks: whole seconds, so that it does not flicker in its last digits.
export function ticking(seconds: number): string {
  const s = Math.max(0, Math.floor(seconds));
  return s < 60 ? `${s} s` : duration(s);
}

// "in 4 m", "12 s ago", "now"
export function relative(ms: number, now: number): string {
  const s = (ms - now) / 1000;
  if (Math.abs(s) < 1) return 'now';
  const text = roughly(Math.abs(s));
  return s > 0 ? `in ${text}` : `${text} ago`;
}

export function roughly(seconds: number): string {
  if (seconds < 60) return `${Math.round(seconds)} s`;
  if (seconds < 3600) return `${Math.round(seconds / 60)} m`;
  if (seconds < 36 * 3600) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86400)} d`;
}

export function parseInstant(text: string | null | undefined): number | null {
  if (!text) return null;
  const ms = Date.parse(text);
  return Number.isNaN(ms) ? null : ms;
}

// The value of <input type=datetime-local> in UTC, and back.
export function toInputUtc(ms: number): string {
  return new Date(ms).toISOString().slice(0, 16);
}
export function fromInputUtc(text: string): string | null {
  const ms = Date.parse(text.length === 10 ? `${text}T00:00:00Z` : `${text}Z`);
  return Number.isNaN(ms) ? null : new Date(ms).toISOString().replace('.000Z', 'Z');
}

function pad(n: number): string {
  return String(n).padStart(2, '0');
}
