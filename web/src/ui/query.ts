// The page's state in its address. Small changes (filters, selections) replace the entry, so that
// "back" leaves the page instead of undoing keystrokes.
import { useLocation, useParams, useSearch } from 'wouter-preact';

export interface Query {
  get(name: string): string;
  all(name: string): string[];
  set(changes: Record<string, string | string[] | null>): void;
  text: string;
}

export function useQuery(): Query {
  const [place, go] = useLocation();
  const search = useSearch();
  const params = new URLSearchParams(search);
  return {
    text: search,
    get: (name) => params.get(name) ?? '',
    all: (name) => params.getAll(name),
    set: (changes) => {
      // From the address itself: two changes in one event must not undo each other.
      const next = new URLSearchParams(location.search);
      for (const [name, value] of Object.entries(changes)) {
        next.delete(name);
        for (const one of Array.isArray(value) ? value : [value]) {
          if (one !== null && one !== '') next.append(name, one);
        }
      }
      const text = next.toString();
      go(text ? `${place}?${text}` : place, { replace: true });
    },
  };
}

// The ids in the page's address. The router leaves reserved characters such as ":" encoded.
export function useIds<T extends Record<string, string | undefined>>(): T {
  const params = useParams<Record<string, string>>();
  const out: Record<string, string | undefined> = {};
  for (const [name, value] of Object.entries(params)) {
    try {
      out[name] = value === undefined ? undefined : decodeURIComponent(value);
    } catch {
      out[name] = value;
    }
  }
  return out as T;
}
