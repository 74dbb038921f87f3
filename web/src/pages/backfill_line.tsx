// A backfill in one line: strip of its dates, counts, forecast.
import { Link } from 'wouter-preact';

import type { Backfill, BackfillStrip } from '../api/types';
import { path, to } from '../base/url';
import { ofBackfills, useResource } from '../store/resource';
import { Strip } from '../ui/strip';
import { Time } from '../ui/time';

export function doneOf(counts: Backfill['counts']): { done: number; all: number; failed: number } {
  const done = counts.success + counts.failed + counts.skipped + counts.cancelled;
  return {
    done,
    all: done + counts.planned + counts.queued + counts.running,
    failed: counts.failed,
  };
}

export function backfillWord(one: Backfill): string {
  if (one.state === 'completed')
    return one.outcome === 'failed' ? 'completed with failures' : 'completed';
  return one.state;
}

export function BackfillLine({ backfill }: { backfill: Backfill }) {
  const strip = useResource<BackfillStrip>(path`/ui/backfills/${backfill.id}`, ofBackfills);
  const { done, all, failed } = doneOf(strip.data?.counts ?? backfill.counts);
  const state = strip.data?.state ?? backfill.state;
  const eta = strip.data?.eta ?? backfill.eta;
  return (
    <div class="backfill-line">
      <div class="row wrap">
        <Link href={to.backfill(backfill.id)} class="strong">
          #{backfill.id} {backfill.dag_id}
        </Link>
        <span class="muted small">
          <Time at={backfill.from_date} bare /> to <Time at={backfill.to_date} />
        </span>
        <span class="small">
          {done} of {all}
          {failed > 0 && <span class="danger-text">, {failed} failed</span>}
          {state === 'active' && eta && (
            <span class="muted">
              , ends about <Time at={eta} />
            </span>
          )}
          {state !== 'active' && (
            <span class="muted">, {backfillWord({ ...backfill, state })}</span>
          )}
        </span>
      </div>
      {strip.data && <Strip cells={strip.data.cells} label={`${done} of ${all} dates done`} />}
    </div>
  );
}
