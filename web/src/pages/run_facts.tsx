// What a run was started with and when.
import { Link } from 'wouter-preact';

import type { DagDetails, DagRun } from '../api/types';
import { brief, plural } from '../base/format';
import { type Json, same } from '../base/params';
import { to } from '../base/url';
import { Facts } from '../ui/parts';
import { Interval, Time } from '../ui/time';

function Params({ run, dag }: { run: DagRun; dag: DagDetails | undefined }) {
  const conf = run.conf ?? {};
  const params = (dag?.params ?? {}) as Record<string, { value?: unknown }>;
  const names = [...new Set([...Object.keys(params), ...Object.keys(conf)])];
  if (names.length === 0) return <span class="muted">none</span>;
  return (
    <ul class="params">
      {names.map((name) => {
        const given = name in conf;
        const value = given ? conf[name] : params[name]?.value;
        const differs = given && !same(value as Json, params[name]?.value as Json);
        return (
          <li key={name}>
            <code>{name}</code> <span class="mono value">{brief(value, 200)}</span>
            {differs && (
              <span class="tag warn-text" title={`default: ${brief(params[name]?.value)}`}>
                differs from default
              </span>
            )}
          </li>
        );
      })}
    </ul>
  );
}

export function RunFacts({ run, dag }: { run: DagRun; dag: DagDetails | undefined }) {
  return (
    <Facts
      rows={[
        ['Type', `${run.run_type}, by ${run.triggering_user_name ?? run.triggered_by}`],
        [
          'Data interval',
          <Interval
            from={run.data_interval_start}
            till={run.data_interval_end}
            dagZone={dag?.timezone}
          />,
        ],
        ['Planned start', <Time at={run.run_after} dagZone={dag?.timezone} />],
        ['Queued', <Time at={run.queued_at} dagZone={dag?.timezone} />],
        ['Started', <Time at={run.start_date} dagZone={dag?.timezone} />],
        ['Ended', <Time at={run.end_date} dagZone={dag?.timezone} />],
        ['Version', run.version_number === null ? 'pinned at start' : String(run.version_number)],
        ['Cleared', run.clear_number === 0 ? 'never' : plural(run.clear_number, 'time')],
        ...(run.backfill_id === null
          ? []
          : [
              ['Backfill', <Link href={to.backfill(run.backfill_id)}>#{run.backfill_id}</Link>] as [
                string,
                preact.JSX.Element,
              ],
            ]),
        ['Params', <Params run={run} dag={dag} />],
        ['Run id', <code>{run.dag_run_id}</code>],
      ]}
    />
  );
}
