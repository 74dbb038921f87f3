// A backfill as it goes: heat strip, counts, rate, forecast; pause, resume, cancel.
import { useState } from 'preact/hooks';
import { Link, useLocation } from 'wouter-preact';

import { asProblem, Problem, send } from '../api/client';
import type { Backfill, BackfillDate, BackfillDates, BackfillStrip } from '../api/types';
import { count, percent, plural } from '../base/format';
import { stateLabel } from '../base/states';
import { fullTime } from '../base/time';
import { path, to, withQuery } from '../base/url';
import { ofBackfills, useEvery, useResource, useTopics } from '../store/resource';
import { zone } from '../store/settings';
import { may } from '../store/session';
import { Confirm } from '../ui/confirm';
import { Pager } from '../ui/listing';
import { announce } from '../ui/live';
import { Facts, PageHead, ProblemNote, Section, Waiting } from '../ui/parts';
import { useIds, useQuery } from '../ui/query';
import { State } from '../ui/state';
import { Strip } from '../ui/strip';
import { Countdown, Interval, Time, Took } from '../ui/time';
import { backfillWord, doneOf } from './backfill_line';

const PAGE = 100;

function wordOf(row: BackfillDate): string {
  if (row.state === 'skipped') return 'skipped';
  if (row.state === 'cancelled') return 'removed';
  return row.run_state ?? 'none';
}

function Dates({ id, dag }: { id: string; dag: string }) {
  const query = useQuery();
  const offset = Number(query.get('offset')) || 0;
  const view = useResource<BackfillDates>(
    withQuery(path`/api/v2/backfills/${id}/dagRuns`, { limit: PAGE, offset }),
    ofBackfills,
  );
  const rows = view.data?.backfill_dag_runs ?? [];
  const total = view.data?.total_entries ?? 0;
  return (
    <Section title="Dates" note={view.data && plural(total, 'date')}>
      <ProblemNote problem={view.error} />
      {rows.length > 0 && (
        <table>
          <thead>
            <tr>
              <th>Logical date</th>
              <th>State</th>
              <th class="wide-only">Data interval</th>
              <th class="wide-only">Verdict</th>
            </tr>
          </thead>
          <tbody>
            {rows.map((row) => (
              <tr key={row.seq}>
                <td>
                  {row.dag_run_id ? (
                    <Link href={to.run(dag, row.dag_run_id)}>
                      <Time at={row.logical_date} />
                    </Link>
                  ) : (
                    <Time at={row.logical_date} />
                  )}
                </td>
                <td>
                  <State
                    state={wordOf(row)}
                    word={
                      row.state === 'planned'
                        ? 'planned'
                        : row.state === 'cancelled'
                          ? 'cancelled'
                          : stateLabel(wordOf(row))
                    }
                  />
                </td>
                <td class="wide-only muted">
                  <Interval from={row.data_interval_start} till={row.data_interval_end} />
                </td>
                <td class="wide-only muted">
                  {row.verdict}
                  {row.reason && `: ${row.reason.replaceAll('_', ' ')}`}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      <Pager page={PAGE} total={total} before="Before" after="After" />
    </Section>
  );
}

export default function BackfillPage() {
  const { id = '' } = useIds<{ id: string }>();
  const [, go] = useLocation();
  const address = path`/api/v2/backfills/${id}`;
  const view = useResource<Backfill>(address, ofBackfills);
  const strip = useResource<BackfillStrip>(path`/ui/backfills/${id}`, ofBackfills);
  const dates = useResource<BackfillDates>(`${address}/dagRuns?limit=1000`, () => false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const one = view.data;
  const counts = strip.data?.counts ?? one?.counts;
  const state = strip.data?.state ?? one?.state;
  const open = state === 'active' || state === 'paused';
  useTopics(`backfill:${id}`);
  useEvery(open ? 2 : 60, strip);
  const act = async (verb: 'pause' | 'unpause' | 'cancel', said: string) => {
    try {
      await send('PUT', `${address}/${verb}`, {});
      announce(said);
      setProblem(null);
    } catch (error) {
      setProblem(asProblem(error));
    }
    await Promise.all([view.refresh(), strip.refresh()]);
  };
  const sums = counts && doneOf(counts);
  const rows = dates.data?.backfill_dag_runs ?? [];
  const open_ = (index: number) => {
    const row = rows[index];
    if (row?.dag_run_id && one) go(to.run(one.dag_id, row.dag_run_id));
    else void dates.refresh();
  };
  return (
    <>
      <PageHead
        title={
          <>
            Backfill #{id} {one && <Link href={to.dag(one.dag_id)}>{one.dag_id}</Link>}
          </>
        }
        crumbs={[{ text: 'Backfills', href: '/backfills' }]}
        below={
          one &&
          state && (
            <span class="row wrap">
              <b>{backfillWord({ ...one, state })}</b>
              <span class="muted">
                <Time at={one.from_date} bare /> to <Time at={one.to_date} />
              </span>
            </span>
          )
        }
      >
        {open && may('operator') && (
          <>
            {state === 'active' ? (
              <button onClick={() => void act('pause', 'Backfill paused')}>Pause</button>
            ) : (
              <button class="primary" onClick={() => void act('unpause', 'Backfill resumed')}>
                Resume
              </button>
            )}
            <Confirm
              label="Cancel"
              danger
              says={`Gives up ${plural(counts?.planned ?? 0, 'date')}; what runs goes on.`}
              yes="Cancel it"
              onYes={() => void act('cancel', 'Backfill cancelled')}
            />
          </>
        )}
      </PageHead>
      <ProblemNote problem={view.error ?? problem} />
      {!one && !view.error && <Waiting />}
      {one && sums && counts && (
        <>
          {strip.data && (
            <Strip
              cells={strip.data.cells}
              label={`${sums.done} of ${sums.all} dates done`}
              onPick={open_}
              titleOf={(i) =>
                rows[i] ? fullTime(Date.parse(rows[i].logical_date), zone.value) : ''
              }
            />
          )}
          <ul class="counts" aria-label="Counts">
            {(
              [
                [
                  `${count(sums.done)} / ${count(sums.all)}`,
                  `done, ${percent(sums.done, sums.all)}`,
                ],
                [count(counts.running), 'running'],
                [count(counts.planned + counts.queued), 'left'],
                [count(counts.success), 'succeeded'],
                [count(counts.failed), 'failed'],
                [count(counts.skipped), 'skipped'],
              ] as [string, string][]
            ).map(([number, word]) => (
              <li key={word.replace(/\d+/, '')}>
                <span class="count-cell">
                  <b>{number}</b>
                  <span>{word}</span>
                </span>
              </li>
            ))}
          </ul>
          <Facts
            rows={[
              ...(open && strip.data?.eta
                ? [
                    [
                      'Ends about',
                      <>
                        <Time at={strip.data.eta} />{' '}
                        <span class="muted">
                          <Countdown at={strip.data.eta} />
                        </span>
                      </>,
                    ] as [string, preact.JSX.Element],
                  ]
                : []),
              ...(open && strip.data?.runs_per_hour
                ? [
                    ['Rate', `${strip.data.runs_per_hour.toFixed(0)} runs per hour`] as [
                      string,
                      string,
                    ],
                  ]
                : []),
              ['At a time', String(one.max_active_runs)],
              ['Order', one.run_backwards ? 'newest first' : 'oldest first'],
              [
                'Existing runs',
                { none: 'left alone', failed: 'failed ones run again', completed: 'all run again' }[
                  one.reprocess_behavior
                ],
              ],
              ['Created', <Time at={one.created_at} />],
              ...(one.completed_at
                ? ([
                    ['Ended', <Time at={one.completed_at} />],
                    ['Took', <Took from={one.created_at} till={one.completed_at} />],
                  ] as [string, preact.JSX.Element][])
                : []),
            ]}
          />
          <Dates id={id} dag={one.dag_id} />
        </>
      )}
    </>
  );
}
