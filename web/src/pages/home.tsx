// What a person on duty wants to know first: is the server well, what needs me, what runs today.
import { Link } from 'wouter-preact';

import type { AttentionItem, Backfill, BackfillCollection, HomeAnswer } from '../api/types';
import { count, plural, runLabel } from '../base/format';
import { to } from '../base/url';
import { setServerTime } from '../store/clock';
import { ofBackfills, useEvery, useResource } from '../store/resource';
import { session } from '../store/session';
import { BackfillLine } from './backfill_line';
import { Empty, PageHead, ProblemNote, Section } from '../ui/parts';
import { Ago, Countdown, Words } from '../ui/time';
import { Timeline } from './timeline';

const KINDS: Record<AttentionItem['kind'], { word: string; bad: boolean }> = {
  run_failed: { word: 'failed', bad: true },
  run_late: { word: 'late', bad: false },
  task_stuck: { word: 'stuck', bad: false },
  sla_at_risk: { word: 'at risk', bad: false },
  sla_missed: { word: 'SLA missed', bad: true },
  import_error: { word: 'file broken', bad: true },
  delivery_dead: { word: 'not delivered', bad: true },
  notifier_disabled: { word: 'notifier off', bad: false },
  worker_lost: { word: 'worker lost', bad: true },
  dag_auto_paused: { word: 'paused', bad: false },
};

function placeOf(item: AttentionItem): string {
  if (item.kind.startsWith('sla')) return '/sla';
  if (item.kind === 'delivery_dead') return '/alerts?state=dead';
  if (item.kind === 'notifier_disabled') return '/alerts';
  if (!item.dag_id) return '/dags';
  if (!item.dag_run_id) return to.dag(item.dag_id);
  if (item.task_id)
    return to.task(item.dag_id, item.dag_run_id, item.task_id, item.map_index ?? -1);
  return to.run(item.dag_id, item.dag_run_id);
}

function Attention({ items, total }: { items: AttentionItem[]; total: number }) {
  if (items.length === 0) {
    return (
      <p class="good-text row">
        <span aria-hidden="true">✓</span> Nothing needs you.
      </p>
    );
  }
  return (
    <ul class="attention">
      {items.map((item) => {
        const kind = KINDS[item.kind];
        return (
          <li
            key={JSON.stringify({ ...item, message: '', since: '' })}
          >
            <span class={`word ${kind.bad ? 'danger-text' : 'warn-text'}`}>{kind.word}</span>
            <span class="ellipsis">
              <Link href={placeOf(item)} class="strong">
                {[item.dag_id, item.task_id].filter(Boolean).join(' · ') || item.name}
              </Link>{' '}
              {item.dag_run_id && <span class="muted">{runLabel(item.dag_run_id)}</span>}
            </span>
            <span class="message">
              <Words text={item.message} />
            </span>
            <span class="when small">
              {item.until ? <Countdown at={item.until} /> : <Ago at={item.since} />}
            </span>
          </li>
        );
      })}
      {total > items.length && <li class="muted">and {count(total - items.length)} more</li>}
    </ul>
  );
}

function Health({ home }: { home: HomeAnswer }) {
  return (
    <ul class="row wrap tight" aria-label="Health">
      {home.health.map((chip) => (
        <li key={chip.name} class={`chip health ${chip.status}`}>
          <svg viewBox="0 0 10 10" width="10" height="10" aria-hidden="true">
            {chip.status === 'ok' ? (
              <path d="M1.5 5.5 4 8l4.5-6" />
            ) : chip.status === 'warning' ? (
              <path d="M5 1v5M5 8.2v.6" />
            ) : (
              <path d="M2 2l6 6M8 2 2 8" />
            )}
          </svg>
          <span>{chip.name}</span>
          <span class="muted">
            {chip.status === 'ok' ? '' : `${chip.status}: `}
            {chip.text}
          </span>
        </li>
      ))}
      {session.value?.durability === 'process' && (
        <li class="chip health warning">a power failure may lose the last changes</li>
      )}
      {session.value?.shares_root && <li class="chip health warning">tasks run as root</li>}
    </ul>
  );
}

function Counts({ home }: { home: HomeAnswer }) {
  const { runs, task_instances: tasks, dags, slas } = home.counts;
  const waiting = tasks.scheduled + tasks.queued;
  const cells: [string, string, string][] = [
    [count(runs.running), 'runs running', '/dags?show=active'],
    [count(runs.queued), 'runs queued', '/dags?show=active'],
    [count(runs.success), 'runs succeeded in 24 h', '/dags'],
    [count(runs.failed), 'runs failed in 24 h', '/dags?show=failed'],
    [count(tasks.running), 'tasks running', '/pools'],
    [count(waiting), 'tasks waiting', '/pools'],
    [count(slas.at_risk + slas.missed), 'SLAs at risk or missed', '/sla'],
    [count(dags.total), dags.paused > 0 ? `DAGs, ${dags.paused} paused` : 'DAGs', '/dags'],
  ];
  return (
    <ul class="counts" aria-label="Counts">
      {cells.map(([number, word, href]) => (
        <li key={word}>
          <Link href={href}>
            <b>{number}</b>
            <span>{word}</span>
          </Link>
        </li>
      ))}
    </ul>
  );
}

function Backfills({ recent }: { recent: Backfill[] }) {
  if (recent.length === 0) return null;
  return (
    <Section title="Backfills" note={<Link href="/backfills">all</Link>}>
      {recent.slice(0, 3).map((one) => (
        <BackfillLine key={one.id} backfill={one} />
      ))}
    </Section>
  );
}

function StartHere({ dag, backfill }: { dag: string; backfill: number | null }) {
  return (
    <ul class="row wrap start-here">
      <li>
        <Link href={to.dag(dag)}>Grid of {dag}</Link>
      </li>
      <li>
        <Link href={to.graph(dag)}>Graph</Link>
      </li>
      {backfill !== null && (
        <li>
          <Link href={to.backfill(backfill)}>Backfill #{backfill}</Link>
        </li>
      )}
      <li>
        <Link href="/sla">SLA board</Link>
      </li>
      <li>
        <Link href={`/dags/${encodeURIComponent(dag)}/code`}>JSON of {dag}</Link>
      </li>
    </ul>
  );
}

export function HomePage() {
  const view = useResource<HomeAnswer>('/ui/home');
  const backfills = useResource<BackfillCollection>(
    '/api/v2/backfills?limit=5&order_by=-id',
    ofBackfills,
  );
  useEvery(10, view);
  const home = view.data;
  if (home && view.fresh) setServerTime(Date.parse(home.time));
  const newest = backfills.data?.backfills[0];
  return (
    <>
      <PageHead
        title={<span class="visually-hidden">Home</span>}
        below={home && <Health home={home} />}
      />
      <ProblemNote problem={view.error} />
      {home && home.counts.dags.total === 0 && (
        <Empty
          text="No DAG yet. Write one and apply it:"
          command="nightmill init my_dags && nightmill dag apply my_dags/hello.json"
        />
      )}
      {home && <Counts home={home} />}
      {home && (
        <Section
          title="Needs attention"
          note={home.attention_total > 0 ? plural(home.attention_total, 'item') : undefined}
        >
          <Attention items={home.attention} total={home.attention_total} />
        </Section>
      )}
      <Backfills recent={backfills.data?.backfills ?? []} />
      <Timeline />
      {newest && <StartHere dag={newest.dag_id} backfill={newest.id} />}
    </>
  );
}
