// A new backfill: range, then a preview with a verdict for each date, then one button. The preview
// follows what is typed; what it shows is what will be created.
import { useEffect, useMemo, useState } from 'preact/hooks';
import { Link, useLocation } from 'wouter-preact';

import { asProblem, newKey, Problem, send } from '../api/client';
import type { Backfill, DagCollection, DryRun } from '../api/types';
import { asBackfillCommand } from '../base/copy_as';
import { bytes, count, plural } from '../base/format';
import { duration } from '../base/time';
import { to } from '../base/url';
import { never, useResource } from '../store/resource';
import { PageHead, ProblemNote, Section } from '../ui/parts';
import { useQuery } from '../ui/query';
import { VirtualRows } from '../ui/rows';
import { Glyph } from '../ui/state';
import { Interval, Time } from '../ui/time';

type Row = DryRun['backfills'][number];

const VERDICTS: Record<Row['verdict'], { state: string; word: string }> = {
  create: { state: 'scheduled', word: 'create' },
  rerun: { state: 'up_for_retry', word: 'run again' },
  skip: { state: 'skipped', word: 'skip' },
};
const REASONS: Record<string, string> = {
  already_success: 'has succeeded',
  already_failed: 'has failed, and failed ones are not run again',
  in_flight: 'runs now',
  claimed: 'another backfill has it',
  not_ended: 'its interval has not ended',
  excluded: 'excluded by the schedule',
};
const REPROCESS: [string, string][] = [
  ['none', 'Only dates without a run'],
  ['failed', 'Also failed runs'],
  ['completed', 'All dates again'],
];

interface Plan {
  dag: string;
  from: string;
  till: string;
  reprocess: string;
  active: number;
  backwards: boolean;
}

function bodyOf(plan: Plan): Record<string, unknown> {
  return {
    dag_id: plan.dag,
    from_date: plan.from,
    to_date: plan.till,
    reprocess_behavior: plan.reprocess,
    max_active_runs: plan.active,
    run_backwards: plan.backwards,
  };
}

function usePreview(plan: Plan): { preview: DryRun | null; problem: Problem | null } {
  const [preview, setPreview] = useState<DryRun | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const text = JSON.stringify(bodyOf(plan));
  useEffect(() => {
    if (!plan.dag || !plan.from || !plan.till) return undefined;
    let wanted = true;
    const timer = setTimeout(() => {
      send<DryRun>('POST', '/api/v2/backfills/dry_run', JSON.parse(text)).then(
        (answer) => {
          if (!wanted) return;
          setPreview(answer);
          setProblem(null);
        },
        (error: unknown) => wanted && setProblem(asProblem(error)),
      );
    }, 150);
    return () => {
      wanted = false;
      clearTimeout(timer);
    };
  }, [text]);
  return { preview, problem };
}

function PreviewTable({ preview }: { preview: DryRun }) {
  const rows = preview.backfills;
  return (
    <div class="preview" role="table" aria-label="Preview" aria-rowcount={rows.length}>
      <div class="preview-row head small muted" role="row">
        <span role="columnheader">Logical date</span>
        <span role="columnheader">Verdict</span>
        <span role="columnheader" class="wide-only">
          Data interval
        </span>
        <span role="columnheader" class="num">
          Estimate
        </span>
        <span role="columnheader" class="num">
          Input
        </span>
      </div>
      <VirtualRows
        items={rows}
        height={30}
        keyOf={(row) => row.logical_date}
        label="Dates"
        role="rowgroup"
      >
        {(row) => {
          const verdict = VERDICTS[row.verdict];
          return (
            <div class={`preview-row ${row.verdict}`} role="row">
              <span role="cell">
                <Time at={row.logical_date} />
              </span>
              <span role="cell" class="row tight">
                <Glyph state={verdict.state} />
                <span class="strong">
                  {verdict.word}
                  {row.reason && ':'}
                </span>
                <span class="muted ellipsis">
                  {row.reason ? (REASONS[row.reason] ?? row.reason) : ''}
                  {row.first_in_chain && row.verdict !== 'skip' && 'the date before it has no run'}
                </span>
              </span>
              <span role="cell" class="wide-only muted">
                <Interval from={row.data_interval_start} till={row.data_interval_end} />
              </span>
              <span role="cell" class="num">
                {duration(row.estimate_seconds)}
              </span>
              <span role="cell" class="num">
                {bytes(row.bytes)}
              </span>
            </div>
          );
        }}
      </VirtualRows>
    </div>
  );
}

function Sums({ preview, active }: { preview: DryRun; active: number }) {
  const { counts } = preview;
  const work = preview.backfills.reduce((sum, row) => sum + (row.estimate_seconds ?? 0), 0);
  const input = preview.backfills.reduce((sum, row) => sum + (row.bytes ?? 0), 0);
  return (
    <p>
      <b>{plural(counts.create, 'run')}</b> to create, <b>{count(counts.rerun)}</b> to run again,
      {' '}
      <span class="muted">{count(counts.skip)} to skip</span>
      {work > 0 && (
        <span class="muted">
          , about {duration(work / Math.max(1, active))} with {active} at a time
        </span>
      )}
      {input > 0 && <span class="muted">, {bytes(input)} to read</span>}
      {counts.create + counts.rerun === 0 && (
        <span class="block">
          Nothing to do: choose other days, or under “Existing runs” which of them run again.
        </span>
      )}
    </p>
  );
}

export default function NewBackfillPage() {
  const query = useQuery();
  const [, go] = useLocation();
  const dags = useResource<DagCollection>('/api/v2/dags?limit=1000', never);
  const choices = (dags.data?.dags ?? []).filter((dag) => dag.is_backfillable);
  const plan: Plan = {
    dag: query.get('dag') || choices[0]?.dag_id || '',
    from: query.get('from'),
    till: query.get('to'),
    reprocess: query.get('reprocess') || 'none',
    active: Math.max(1, Number(query.get('active')) || 4),
    backwards: query.get('backwards') === '1',
  };
  const { preview, problem } = usePreview(plan);
  const [failure, setFailure] = useState<Problem | null>(null);
  const [busy, setBusy] = useState(false);
  const key = useMemo(newKey, [query.text]);
  const ready =
    preview !== null &&
    preview.counts.create + preview.counts.rerun > 0 &&
    plan.from &&
    plan.till &&
    !problem;
  const submit = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    try {
      const made = await send<Backfill>('POST', '/api/v2/backfills', bodyOf(plan), key);
      go(to.backfill(made.id));
    } catch (error) {
      setFailure(asProblem(error));
      setBusy(false);
    }
  };
  const input = (name: string) => (event: Event) =>
    query.set({ [name]: (event.currentTarget as HTMLInputElement).value });
  return (
    <>
      <PageHead
        title="New backfill"
        crumbs={[{ text: 'Backfills', href: '/backfills' }]}
        below={
          <span class="muted">
            Dates without a run are run now. Nothing happens before the button below.
          </span>
        }
      />
      <form class="stack" onSubmit={submit}>
        <div class="row wrap fields">
          <label class="stack tight">
            <span>DAG</span>
            <select value={plan.dag} onChange={input('dag')}>
              {plan.dag && !choices.some((dag) => dag.dag_id === plan.dag) && (
                <option>{plan.dag}</option>
              )}
              {choices.map((dag) => (
                <option key={dag.dag_id}>{dag.dag_id}</option>
              ))}
            </select>
          </label>
          <label class="stack tight">
            <span>From</span>
            <input type="date" value={plan.from} onInput={input('from')} required />
          </label>
          <label class="stack tight">
            <span>To, this day included</span>
            <input type="date" value={plan.till} onInput={input('to')} required />
          </label>
          <label class="stack tight">
            <span>Existing runs</span>
            <select value={plan.reprocess} onChange={input('reprocess')}>
              {REPROCESS.map(([word, label]) => (
                <option key={word} value={word}>
                  {label}
                </option>
              ))}
            </select>
          </label>
          <label class="stack tight">
            <span>At a time</span>
            <input
              type="number"
              min="1"
              max="256"
              value={plan.active}
              onInput={input('active')}
              class="short"
            />
          </label>
          <label class="row tight">
            <input
              type="checkbox"
              checked={plan.backwards}
              onChange={() => query.set({ backwards: plan.backwards ? null : '1' })}
            />{' '}
            newest first
          </label>
        </div>
        <ProblemNote problem={problem ?? failure} />
        {dags.data && !plan.dag ? (
          <p>No DAG has a schedule yet: a backfill runs its dates of the past.</p>
        ) : !plan.from || !plan.till ? (
          <p class="muted">Choose both days: the preview appears here.</p>
        ) : null}
        {preview && <Sums preview={preview} active={plan.active} />}
        <div class="row wrap">
          <button class="primary" disabled={!ready || busy}>
            Start backfill
          </button>
          <Link class="button" href="/backfills">
            Back
          </Link>
          {plan.from && plan.till && (
            <code class="muted ellipsis">
              {asBackfillCommand(plan.dag, plan.from, plan.till, plan.reprocess, plan.active)}
            </code>
          )}
        </div>
      </form>
      {preview && (
        <Section title="Preview" note={plural(preview.total_entries, 'date')}>
          <PreviewTable preview={preview} />
        </Section>
      )}
    </>
  );
}
