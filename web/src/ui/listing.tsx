// What stands beside a list: the choice of one word of a filter, and the way to the next page. Both
// live in the address.
import type { ComponentChildren } from 'preact';

import { count } from '../base/format';
import { useQuery } from './query';

interface WordFilterProps {
  label: string; // for readers that do not see the row
  name: string; // in the query
  words: readonly string[]; // '' is "all"
  children?: ComponentChildren;
}

export function WordFilter({ label, name, words, children }: WordFilterProps) {
  const query = useQuery();
  return (
    <div class="row wrap filters" role="group" aria-label={label}>
      {words.map((word) => (
        <button
          key={word}
          aria-pressed={query.get(name) === word}
          onClick={() => query.set({ [name]: word, offset: null })}
        >
          {word || 'all'}
        </button>
      ))}
      {children}
    </div>
  );
}

interface PagerProps {
  page: number; // rows of a page
  total: number;
  before: string;
  after: string;
}

export function Pager({ page, total, before, after }: PagerProps) {
  const query = useQuery();
  const offset = Number(query.get('offset')) || 0;
  if (total <= page) return null;
  const go = (to: number) => query.set({ offset: String(to) });
  return (
    <div class="row">
      <button disabled={offset === 0} onClick={() => go(Math.max(0, offset - page))}>
        {before}
      </button>
      <span class="small muted">
        {offset + 1} to {Math.min(total, offset + page)} of {count(total)}
      </span>
      <button disabled={offset + page >= total} onClick={() => go(offset + page)}>
        {after}
      </button>
    </div>
  );
}
