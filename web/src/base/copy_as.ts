// What the page is about to do, as a command that does the same elsewhere.

// Quoted for a POSIX shell.
export function quoted(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

export function asCurl(method: string, url: string, body?: unknown): string {
  const lines = [`curl -X ${method} ${quoted(url)}`, '-H "Authorization: Bearer $NIGHTMILL_TOKEN"'];
  if (body !== undefined) {
    lines.push("-H 'Content-Type: application/json'", `-d ${quoted(JSON.stringify(body))}`);
  }
  return lines.join(' \\\n  ');
}

export function asTriggerCommand(
  dag: string,
  conf: object,
  logicalDate: string | null,
  runId: string | null,
): string {
  const words = ['nightmill', 'run', 'trigger', quoted(dag)];
  if (runId) words.push('--run-id', quoted(runId));
  if (logicalDate) words.push('--logical-date', quoted(logicalDate));
  if (Object.keys(conf).length > 0) words.push('--conf', quoted(JSON.stringify(conf)));
  words.push('--wait');
  return words.join(' ');
}

export function asBackfillCommand(
  dag: string,
  from: string,
  till: string,
  reprocess: string,
  active: number,
): string {
  const words = ['nightmill', 'backfill', 'create', quoted(dag), quoted(from), quoted(till)];
  if (reprocess !== 'none') words.push('--reprocess-behavior', reprocess);
  if (active > 0) words.push('--max-active-runs', String(active));
  return words.join(' ');
}
