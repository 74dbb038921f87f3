// The runs of a DAG as a list: by state and type, newest first.
import { Link } from 'wouter-preact';

import type { DagRunCollection } from '../api/types';
import { count, runLabel } from '../base/format';
import { runReason, stateLabel } from '../base/states';
import { path, to, withQuery } from '../base/url';
import { ofDag, useResource } from '../store/resource';
import { Pager, WordFilter } from '../ui/listing';
import { Empty, ProblemNote } from '../ui/parts';
import { useQuery } from '../ui/query';
import { State } from '../ui/state';
import { Time, Took } from '../ui/time';

const STATES = ['', 'running', 'queued', 'success', 'failed'];
const PAGE = 50;

export function DagRuns({ dag, zone }: { dag: string; zone: string | null }) {
  const query = useQuery();
  const state = query.get('state');
  const offset = Number(query.get('offset')) || 0;
  const view = useResource<DagRunCollection>(
    withQuery(path`/api/v2/dags/${dag}/dagRuns`, {
      limit: PAGE,
      offset,
      state,
      order_by: '-run_after',
    }),
    ofDag(dag),
  );
  const runs = view.data?.dag_runs ?? [];
  const total = view.data?.total_entries ?? 0;
  return (
    <>
      <WordFilter label="State" name="state" words={STATES}>
        {view.data && <span class="muted small">{count(total)} runs</span>}
      </WordFilter>
      <ProblemNote problem={view.error} />
      {view.data && runs.length === 0 && (
        <Empty
          text={state ? `No ${state} run.` : 'No run yet.'}
          command={`nightmill run trigger ${dag} --wait`}
        />
      )}
      {runs.length > 0 && (
        <table>
          <thead>
            <tr>
              <th>Run</th>
              <th>State</th>
              <th class="wide-only">Type</th>
              <th class="wide-only">Started</th>
              <th class="num">Took</th>
              <th class="wide-only">Note</th>
            </tr>
          </thead>
          <tbody>
            {runs.map((run) => (
              <tr key={run.dag_run_id}>
                <td class="run-name">
                  <Link href={to.run(dag, run.dag_run_id)}>{runLabel(run.dag_run_id)}</Link>
                </td>
                <td title={runReason(run.state_reason)}>
                  <State state={run.state} word={stateLabel(run.state)} />
                </td>
                <td class="wide-only">{run.run_type}</td>
                <td class="wide-only">
                  <Time at={run.start_date} dagZone={zone} />
                </td>
                <td class="num">
                  <Took from={run.start_date} till={run.end_date} seconds={run.duration} />
                </td>
                <td class="wide-only muted ellipsis">{run.note}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      <Pager page={PAGE} total={total} before="Newer" after="Older" />
    </>
  );
}
