// The SLA board: what is at risk, missed, met; how long is left; what holds it up.
import { Link } from 'wouter-preact';

import type {
  BlockingTask,
  Sla,
  SlaCollection,
  SlaMiss,
  SlaMissCollection,
} from '../api/types';
import { count } from '../base/format';
import { stateLabel } from '../base/states';
import { duration, roughly } from '../base/time';
import { to } from '../base/url';
import { useEvery, useResource } from '../store/resource';
import { Empty, PageHead, ProblemNote, Section } from '../ui/parts';
import { Glyph } from '../ui/state';
import { Countdown, Time } from '../ui/time';

interface Standing {
  word: string;
  look: string;
  rank: number;
  tone: string;
}

const STANDINGS: Record<Sla['state'], Standing> = {
  missed: { word: 'missed', look: 'failed', rank: 0, tone: 'danger-text' },
  warned: { word: 'at risk', look: 'upstream_failed', rank: 1, tone: 'warn-text' },
  armed: { word: 'on time so far', look: 'running', rank: 2, tone: '' },
  resolved: { word: 'landed late', look: 'up_for_retry', rank: 3, tone: '' },
  met: { word: 'met', look: 'success', rank: 4, tone: '' },
  idle: { word: 'nothing due', look: 'none', rank: 5, tone: 'muted' },
  suppressed: { word: 'DAG paused', look: 'skipped', rank: 6, tone: 'muted' },
  not_applicable: { word: 'not for this run', look: 'skipped', rank: 7, tone: 'muted' },
};

function Blocking({
  dag,
  run,
  tasks,
  more,
}: {
  dag: string;
  run: string | null;
  tasks: BlockingTask[];
  more: number;
}) {
  if (tasks.length === 0) return null;
  return (
    <ul class="blocking small">
      {tasks.slice(0, 3).map((one) => (
        <li key={`${one.task_id} ${one.map_index}`} class="row tight">
          <Glyph state={one.state} />
          {one.task_id && run ? (
            <Link href={to.task(dag, run, one.task_id, one.map_index ?? -1)}>
              {one.task_id}
              {(one.map_index ?? -1) >= 0 && `[${one.map_index}]`}
            </Link>
          ) : (
            <span>{one.task_id ?? 'no run yet'}</span>
          )}
          <span class="muted">
            {one.reason === one.state ? stateLabel(one.state) : one.reason.replaceAll('_', ' ')}
            {one.slack_seconds !== null &&
              one.slack_seconds < 0 &&
              `, ${roughly(-one.slack_seconds)} too late`}
          </span>
        </li>
      ))}
      {more > 3 && <li class="muted">and {more - 3} more</li>}
    </ul>
  );
}

function SlaRow({ one }: { one: Sla }) {
  const standing = STANDINGS[one.state];
  const live = one.state === 'armed' || one.state === 'warned' || one.state === 'missed';
  return (
    <tr>
      <td>
        <span class={`state ${standing.tone}`}>
          <Glyph state={standing.look} />
          {standing.word}
        </span>
      </td>
      <td>
        <Link href={to.dag(one.dag_id)} class="strong">
          {one.dag_id}
        </Link>
        {one.task_id && <span> · {one.task_id}</span>}
        <span class="small muted block">
          {one.sla}: {one.kind.replaceAll('_', ' ')} {one.rule}, {one.severity}
        </span>
      </td>
      <td>
        {one.state === 'not_applicable' ? (
          <span class="muted">was past already</span>
        ) : one.deadline ? (
          <>
            <Time at={one.deadline} />
            {live && (
              <span
                class={`block small ${standing.tone || 'muted'}`}
              >
                <Countdown at={one.deadline} />
              </span>
            )}
          </>
        ) : (
          <span class="muted">-</span>
        )}
      </td>
      <td class="wide-only">
        {one.landed_at ? (
          <Time at={one.landed_at} />
        ) : one.predicted_finish ? (
          <>
            <span class="muted">about</span> <Time at={one.predicted_finish} />
          </>
        ) : (
          <span class="muted">-</span>
        )}
      </td>
      <td class="wide-only">
        <Blocking
          dag={one.dag_id}
          run={one.dag_run_id}
          tasks={one.blocking_task_list}
          more={one.blocking_task_count}
        />
      </td>
      <td class="wide-only small muted">{one.notify.join(', ')}</td>
    </tr>
  );
}

const CAUSES: Record<SlaMiss['cause'], string> = {
  time: 'by the clock',
  forecast: 'by the forecast',
  failed: 'by a failure',
};

function Outcome({ row }: { row: SlaMiss }) {
  if (row.state === 'warned') return <span class="warn-text">warned</span>;
  if (row.state === 'missed') return <span class="danger-text">missed, not landed</span>;
  if (row.late_by_seconds === null) return <>landed</>;
  if (row.late_by_seconds <= 0) return <>landed in time</>;
  return <>landed {duration(row.late_by_seconds)} late</>;
}

function MissRow({ row }: { row: SlaMiss }) {
  return (
    <tr>
      <td>
        {row.dag_run_id ? (
          <Link href={to.run(row.dag_id, row.dag_run_id)} class="strong">
            {row.dag_id}
          </Link>
        ) : (
          <span class="strong">{row.dag_id}</span>
        )}
        {row.task_id && ` · ${row.task_id}`}
        <span class="small muted block">
          {row.sla}: {row.kind.replaceAll('_', ' ')}, {row.severity}
        </span>
      </td>
      <td>
        <Time at={row.deadline} />
      </td>
      <td>
        <Outcome row={row} />
      </td>
      <td class="wide-only">
        <Time at={row.warned_at ?? row.missed_at} />
        <span class="small muted block">{CAUSES[row.cause]}</span>
      </td>
      <td class="wide-only">
        <Blocking
          dag={row.dag_id}
          run={row.dag_run_id}
          tasks={row.blocking_task_list}
          more={row.blocking_task_count}
        />
      </td>
    </tr>
  );
}

function Misses() {
  const view = useResource<SlaMissCollection>('/api/v2/slaMisses?limit=20', (event) =>
    event.kind.startsWith('sla'),
  );
  const rows = view.data?.sla_misses ?? [];
  const all = view.data?.total_entries ?? 0;
  if (view.error) return <ProblemNote problem={view.error} />;
  if (rows.length === 0) return null;
  return (
    <Section
      title="Warned and missed"
      note={all > rows.length ? `the newest ${rows.length} of ${count(all)}` : 'newest first'}
    >
      <table>
        <thead>
          <tr>
            <th>What</th>
            <th>Due</th>
            <th>Outcome</th>
            <th class="wide-only">First told</th>
            <th class="wide-only">Held up then by</th>
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <MissRow key={row.sla_miss_id} row={row} />
          ))}
        </tbody>
      </table>
    </Section>
  );
}

export default function SlaPage() {
  const view = useResource<SlaCollection>(
    '/api/v2/slas?limit=1000',
    (event) => event.kind.startsWith('sla') || event.kind === 'run.state',
  );
  useEvery(10, view);
  const rows = [...(view.data?.slas ?? [])].sort(
    (a, b) =>
      STANDINGS[a.state].rank - STANDINGS[b.state].rank ||
      Date.parse(a.deadline ?? '9999-01-01') - Date.parse(b.deadline ?? '9999-01-01'),
  );
  return (
    <>
      <PageHead
        title="SLA board"
        below={<span class="muted">What is due, what is late, and what holds it up.</span>}
      />
      <ProblemNote problem={view.error} />
      {rows.length > 0 && (
        <table class="slas">
          <thead>
            <tr>
              <th>Standing</th>
              <th>What</th>
              <th>Due</th>
              <th class="wide-only">Landed, or forecast</th>
              <th class="wide-only">Held up by</th>
              <th class="wide-only">Notifies</th>
            </tr>
          </thead>
          <tbody>
            {rows.map((one) => (
              <SlaRow key={`${one.dag_id} ${one.sla}`} one={one} />
            ))}
          </tbody>
        </table>
      )}
      {view.data && rows.length === 0 && (
        <Empty
          text="No DAG has an SLA yet. In a DAG file:"
          command={'"sla": [{"name": "by8", "deadline": "08:00"}]'}
        />
      )}
      <Misses />
    </>
  );
}
