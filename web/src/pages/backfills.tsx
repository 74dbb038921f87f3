// All backfills, newest first.
import { Link } from 'wouter-preact';

import type { BackfillCollection } from '../api/types';
import { plural } from '../base/format';
import { ofBackfills, useResource } from '../store/resource';
import { WordFilter } from '../ui/listing';
import { Empty, PageHead, ProblemNote } from '../ui/parts';
import { useQuery } from '../ui/query';
import { BackfillLine } from './backfill_line';
import { withQuery } from '../base/url';

const STATES = ['', 'active', 'paused', 'completed', 'cancelled'];

export default function BackfillsPage() {
  const query = useQuery();
  const state = query.get('state');
  const view = useResource<BackfillCollection>(
    withQuery('/api/v2/backfills', { limit: 50, state }),
    ofBackfills,
  );
  const rows = view.data?.backfills ?? [];
  return (
    <>
      <PageHead
        title="Backfills"
        below={
          view.data && (
            <span class="muted small">{plural(view.data.total_entries, 'backfill')}</span>
          )
        }
      >
        <Link class="button primary" href="/backfills/new">
          New backfill…
        </Link>
      </PageHead>
      <WordFilter label="State" name="state" words={STATES} />
      <ProblemNote problem={view.error} />
      {rows.map((one) => (
        <BackfillLine key={one.id} backfill={one} />
      ))}
      {view.data && rows.length === 0 && (
        <Empty
          text={state ? `No backfill is ${state}.` : 'No backfill yet. To see what one would do:'}
          command={state ? undefined : 'nightmill backfill create DAG FROM TO --dry-run'}
        />
      )}
    </>
  );
}
