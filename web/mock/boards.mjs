// The world's overview pages: home, timeline, SLAs, alerts, pools.
import { HOSTILE, iso } from './world.mjs';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

export function poolView(world, pool) {
  const tis = world.runs
    .filter((run) => run.state === 'running')
    .flatMap((run) =>
      run.tis.map((ti) => ({
        ti,
        spec: world.dag(run.dag).tasks.find((one) => one.id === ti.task),
      })),
    )
    .filter(({ spec }) => (spec.pool ?? 'default_pool') === pool.name);
  const slotsIn = (state) =>
    tis
      .filter(({ ti }) => ti.state === state)
      .reduce((sum, { spec }) => sum + (spec.slots ?? 1), 0);
  const running = slotsIn('running');
  return {
    ...pool,
    occupied_slots: running,
    running_slots: running,
    queued_slots: 0,
    scheduled_slots: slotsIn('scheduled'),
    deferred_slots: 0,
    open_slots: pool.slots - running,
  };
}

export function homeView(world) {
  const count = (state, since) =>
    world.runs.filter(
      (run) => run.state === state && (!since || (run.ended ?? 0) > world.now - 24 * HOUR),
    ).length;
  const tis = world.runs.filter((run) => run.state === 'running').flatMap((run) => run.tis);
  const states = (state) => tis.filter((ti) => ti.state === state).length;
  const failed = world.runs
    .filter((run) => run.state === 'failed' && run.ended > world.now - 24 * HOUR)
    .sort((a, b) => b.ended - a.ended);
  const attention = failed
    .slice(0, 5)
    .map((run) => ({
      kind: 'run_failed',
      dag_id: run.dag,
      dag_run_id: run.id,
      task_id: null,
      map_index: null,
      name: null,
      since: iso(run.ended),
      until: null,
      message: `${run.tis.find((ti) => ti.state === 'failed')?.task} failed: exit code 1`,
    }));
  attention.unshift({
    kind: 'sla_at_risk',
    dag_id: 'hourly_fanout',
    dag_run_id: null,
    task_id: null,
    map_index: null,
    name: 'by45',
    since: iso(world.now - 4 * MINUTE),
    until: iso(world.start + 9 * MINUTE),
    message: 'by45 is due at :45, forecast 7 min later',
  });
  attention.push({
    kind: 'import_error',
    dag_id: null,
    dag_run_id: null,
    task_id: null,
    map_index: null,
    name: 'orders.json',
    since: iso(world.now - HOUR),
    until: null,
    message: `unknown task "${HOSTILE[0]}"`,
  });
  attention.push({
    kind: 'notifier_disabled',
    dag_id: null,
    dag_run_id: null,
    task_id: null,
    map_index: null,
    name: 'slack-data',
    since: iso(world.now - HOUR),
    until: null,
    message: 'slack-data is off: 410 Gone; nightmill alert test slack-data turns it on again',
  });
  for (const one of world.deliveries.filter((row) => row.state === 'dead'))
    attention.push({
      kind: 'delivery_dead',
      dag_id: one.dag_id,
      dag_run_id: one.dag_run_id,
      task_id: null,
      map_index: null,
      name: one.delivery_id,
      since: one.ended_at,
      until: null,
      message: `${one.event} did not reach ${one.notifier}: ${one.last_error}`,
    });
  return {
    time: iso(world.now),
    last_event_id: world.events.length,
    health: [
      { name: 'scheduler', status: 'ok', text: 'answered in 2 ms' },
      { name: 'database', status: 'ok', text: 'WAL 1.2 MB' },
      { name: 'workers', status: 'ok', text: `1 of 1, ${states('running')} of 2 slots` },
      { name: 'disk', status: 'warning', text: '9 % free' },
      { name: 'outbox', status: 'ok', text: '0 pending' },
    ],
    counts: {
      dags: {
        total: world.dags.size,
        paused: [...world.dags.values()].filter((dag) => dag.paused).length,
        import_errors: 1,
      },
      runs: {
        queued: count('queued'),
        running: count('running'),
        success: count('success', true),
        failed: count('failed', true),
      },
      task_instances: {
        scheduled: states('scheduled'),
        queued: 0,
        running: states('running'),
        restarting: 0,
        up_for_retry: states('up_for_retry'),
        deferred: 0,
      },
      slas: { met: 1, at_risk: 1, missed: 0 },
      deliveries: { pending: 0, dead: 1 },
      backfills: {
        active: world.backfills.filter((one) => one.state === 'active').length,
        paused: 0,
      },
    },
    attention,
    attention_total: attention.length,
  };
}

export function timelineView(world, from, till) {
  const lanes = [];
  for (const dag of [...world.dags.values()].sort((a, b) => (a.id < b.id ? -1 : 1))) {
    const runs = world.runs
      .filter((run) => run.dag === dag.id && run.after >= from && run.after <= till)
      .map((run) => ({
        dag_run_id: run.id,
        state: run.state,
        run_type: run.type,
        logical_date: iso(run.logical),
        run_after: iso(run.after),
        start_date: iso(run.started),
        end_date: iso(run.ended),
        expected_end: null,
      }));
    if (dag.every && !dag.paused) {
      for (
        let at = Math.ceil((world.now + 1) / dag.every) * dag.every;
        at <= till;
        at += dag.every
      ) {
        runs.push({
          dag_run_id: null,
          state: 'expected',
          run_type: 'scheduled',
          logical_date: iso(at - dag.every),
          run_after: iso(at),
          start_date: null,
          end_date: null,
          expected_end: iso(at + 10 * MINUTE),
        });
      }
    }
    if (runs.length > 0)
      lanes.push({
        dag_id: dag.id,
        dag_display_name: dag.id,
        is_paused: dag.paused,
        runs,
        more: 0,
      });
  }
  return {
    time: iso(world.now),
    last_event_id: world.events.length,
    from: iso(from),
    to: iso(till),
    lanes: lanes.slice(0, 50),
    total_entries: lanes.length,
  };
}

export function slaViews(world) {
  const base = {
    task_id: null,
    severity: 'critical',
    warn_at: 0.8,
    notify: ['pager'],
    landed_at: null,
    task_list: [],
    blocking_task_list: [],
    blocking_task_count: 0,
  };
  const run = world.runs.filter((one) => one.dag === 'hourly_fanout').at(-1);
  const features = world.runs.filter((one) => one.dag === 'user_features').at(-1);
  return [
    {
      ...base,
      dag_id: 'hourly_fanout',
      dag_display_name: 'hourly_fanout',
      sla: 'by45',
      kind: 'deadline',
      rule: ':45',
      state: 'warned',
      dag_run_id: run.id,
      logical_date: iso(run.logical),
      reference: iso(run.after),
      warn_time: iso(world.start - 4 * MINUTE),
      deadline: iso(world.start + 9 * MINUTE),
      predicted_finish: iso(world.start + 16 * MINUTE),
      task_list: ['fan'],
      blocking_task_count: 20,
      blocking_task_list: [
        {
          task_id: 'fan',
          map_index: 3,
          state: 'running',
          since: iso(world.now - 20_000),
          reason: 'running',
          p50_seconds: 40,
          slack_seconds: -420,
        },
        {
          task_id: 'fan',
          map_index: 4,
          state: 'scheduled',
          since: iso(world.now - 60_000),
          reason: 'pool_full',
          p50_seconds: 40,
          slack_seconds: -460,
        },
      ],
    },
    {
      ...base,
      dag_id: 'user_features',
      dag_display_name: 'user_features',
      sla: 'by8',
      kind: 'deadline',
      rule: '08:00',
      state: 'met',
      dag_run_id: features.id,
      logical_date: iso(features.logical),
      reference: iso(features.after),
      warn_time: iso(features.after + HOUR),
      deadline: iso(features.after + 2 * HOUR),
      predicted_finish: null,
      landed_at: iso(features.ended),
    },
    {
      ...base,
      dag_id: 'user_features',
      dag_display_name: 'user_features',
      task_id: 'features',
      sla: 'features_45m',
      kind: 'duration',
      rule: '45m',
      severity: 'warning',
      state: 'missed',
      dag_run_id: features.id,
      logical_date: iso(features.logical),
      reference: iso(features.after),
      warn_time: iso(features.after + 36 * MINUTE),
      deadline: iso(features.after + 45 * MINUTE),
      predicted_finish: null,
      task_list: ['features'],
    },
    {
      ...base,
      dag_id: 'flaky_export',
      dag_display_name: 'flaky_export',
      sla: 'fresh',
      kind: 'stale_after',
      rule: '2d',
      severity: 'info',
      state: 'idle',
      dag_run_id: null,
      logical_date: null,
      reference: null,
      warn_time: null,
      deadline: null,
      predicted_finish: null,
    },
  ];
}

export function missViews(world) {
  return [
    {
      sla_miss_id: 2,
      dag_id: 'user_features',
      dag_display_name: 'user_features',
      task_id: 'features',
      sla: 'features_45m',
      kind: 'duration',
      severity: 'warning',
      dag_run_id: null,
      logical_date: null,
      deadline: iso(world.start - HOUR),
      state: 'missed',
      cause: 'time',
      warned_at: iso(world.start - HOUR - 9 * MINUTE),
      missed_at: iso(world.start - HOUR),
      resolved_at: null,
      late_by_seconds: null,
      predicted_finish: null,
      task_list: ['features'],
      blocking_task_list: [],
      blocking_task_count: 0,
    },
    {
      sla_miss_id: 1,
      dag_id: 'hourly_fanout',
      dag_display_name: 'hourly_fanout',
      task_id: null,
      sla: 'by45',
      kind: 'deadline',
      severity: 'critical',
      dag_run_id: null,
      logical_date: null,
      deadline: iso(world.start - 3 * HOUR),
      state: 'resolved',
      cause: 'forecast',
      warned_at: iso(world.start - 3 * HOUR - MINUTE),
      missed_at: iso(world.start - 3 * HOUR),
      resolved_at: iso(world.start - 2 * HOUR),
      late_by_seconds: 240,
      predicted_finish: null,
      task_list: [],
      blocking_task_list: [],
      blocking_task_count: 0,
    },
  ];
}

export const NOTIFIERS = [
  {
    name: 'hook',
    type: 'webhook',
    target: 'ops.example',
    events: ['run.*', 'sla.*'],
    min_severity: null,
    group_window: null,
    enabled: true,
    disabled_reason: null,
    pending: 0,
    dead: 1,
    last_delivered_at: null,
    last_failed_at: null,
    last_error: null,
  },
  {
    name: 'slack-data',
    type: 'slack',
    target: 'hooks.slack.example',
    events: ['run.failed'],
    min_severity: 'error',
    group_window: 30,
    enabled: false,
    disabled_reason: `410 Gone ${HOSTILE[1]}`,
    pending: 0,
    dead: 0,
    last_delivered_at: null,
    last_failed_at: null,
    last_error: '410 Gone',
  },
];

export function seedDeliveries(world) {
  const run = world.runs.find((one) => one.dag === 'flaky_export' && one.state === 'failed');
  const row = (id, event, state, tries, status, error) => ({
    delivery_id: id,
    notifier: 'hook',
    event,
    dag_id: 'flaky_export',
    dag_run_id: run?.id ?? null,
    task_id: null,
    state,
    created_at: iso(world.start - 30 * MINUTE),
    tries,
    next_try_at: null,
    last_try_at: iso(world.start - 20 * MINUTE),
    last_status: status,
    last_error: error,
    ended_at: state === 'pending' ? null : iso(world.start - 20 * MINUTE),
    test: false,
  });
  world.deliveries = [
    row('msg_3', 'sla.warning', 'delivered', 1, 200, null),
    row('msg_2', 'run.recovered', 'delivered', 2, 200, null),
    row('msg_1', 'run.failed', 'dead', 10, 503, `answer 503 ${HOSTILE[0]}`),
  ];
}
