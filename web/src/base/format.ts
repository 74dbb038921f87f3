// Numbers, sizes and small words.

export function count(n: number): string {
  return n.toLocaleString('en-US');
}

export function plural(n: number, one: string, many = `${one}s`): string {
  return `${count(n)} ${n === 1 ? one : many}`;
}

export function bytes(n: number | null | undefined): string {
  if (n === null || n === undefined) return '';
  if (n < 1000) return `${n} B`;
  const units = ['kB', 'MB', 'GB', 'TB', 'PB'];
  let value = n;
  let unit = -1;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${value < 9.95 ? value.toFixed(1) : value.toFixed(0)} ${units[unit]}`;
}

export function percent(part: number, whole: number): string {
  return whole > 0 ? `${Math.round((100 * part) / whole)} %` : '';
}

// A value as one short line: text bare, all else as JSON.
export function brief(value: unknown, most = 120): string {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? '');
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}

export function pretty(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value, null, 2);
}

// The run's name without the part that every run of its type shares; a time in it is cut to what it
// says.
export function runLabel(runId: string): string {
  const bare = runId.replace(/^(scheduled|manual|backfill|asset_triggered)__/, '');
  return bare.replace(
    /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d)(:\d\d(?:\.\d+)?)?(\+00:00|Z)/,
    (_, day, clock, seconds) => {
      const rest = String(seconds ?? '').replace(/\.\d+$/, '');
      return `${day} ${clock}${rest === ':00' ? '' : rest} UTC`;
    },
  );
}

// Positions of the letters of `query` in `text` if all occur in order, with a score that prefers
// starts of words and unbroken pieces; null if they do not.
export function fuzzy(query: string, text: string): number | null {
  const q = query.toLowerCase();
  const t = text.toLowerCase();
  if (q === '') return 0;
  const whole = t.indexOf(q);
  if (whole >= 0) return 1000 - whole - t.length / 100;
  let score = 0;
  let at = -1;
  for (const letter of q) {
    const next = t.indexOf(letter, at + 1);
    if (next < 0) return null;
    if (next === at + 1) score += 4;
    else if (next === 0 || /[\s_./-]/.test(t[next - 1] ?? '')) score += 3;
    else score -= 1;
    at = next;
  }
  return score - t.length / 100;
}

// Every word of the query somewhere in the text, in any order.
export function fuzzyWords(query: string, text: string): number | null {
  let score = 0;
  for (const word of query.split(/\s+/).filter(Boolean)) {
    const one = fuzzy(word, text);
    if (one === null) return null;
    score += one;
  }
  return score;
}
