// Addresses of the API and of the page: every id is encoded in one place.

export type Params = Record<string, string | number | boolean | null | undefined | string[]>;

export function path(parts: TemplateStringsArray, ...ids: (string | number)[]): string {
  return parts.reduce(
    (text, part, i) => text + part + (i < ids.length ? encodeURIComponent(String(ids[i])) : ''),
    '',
  );
}

export function withQuery(base: string, params: Params): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    if (value === null || value === undefined || value === '' || value === false) continue;
    for (const one of Array.isArray(value) ? value : [value]) query.append(name, String(one));
  }
  const text = query.toString();
  return text ? `${base}?${text}` : base;
}

// The page's own places.
export const to = {
  dag: (dag: string) => path`/dags/${dag}`,
  graph: (dag: string, run?: string) => withQuery(path`/dags/${dag}/graph`, { run }),
  run: (dag: string, run: string) => path`/dags/${dag}/runs/${run}`,
  trigger: (dag: string) => path`/dags/${dag}/trigger`,
  clear: (dag: string, run: string, tasks: string[] = []) =>
    withQuery(path`/dags/${dag}/runs/${run}/clear`, { task: tasks }),
  task: (dag: string, run: string, task: string, map = -1, attempt?: number) =>
    path`/dags/${dag}/runs/${run}/tasks/${task}` +
    (map >= 0 ? `/${map}` : '') +
    (attempt ? `?try=${attempt}` : ''),
  backfill: (id: number) => path`/backfills/${id}`,
  newBackfill: (dag?: string) => withQuery('/backfills/new', { dag }),
};
