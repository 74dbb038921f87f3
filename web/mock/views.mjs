// The world in the forms of api/openapi.json.
import { HOSTILE, iso } from './world.mjs';

const LETTERS = {
  success: 'S',
  running: 'R',
  failed: 'F',
  upstream_failed: 'U',
  up_for_retry: 'Y',
  queued: 'Q',
  scheduled: 'C',
  skipped: 'K',
  deferred: 'D',
  restarting: 'T',
  removed: 'X',
};
const WORST = 'FUYTRQCDNSKX';
const seconds = (from, till) => (from !== null && till !== null ? (till - from) / 1000 : null);

export function dagView(world, dag) {
  const next = dag.every && !dag.paused ? Math.ceil((world.now + 1) / dag.every) * dag.every : null;
  return {
    dag_id: dag.id,
    dag_display_name: dag.id,
    is_paused: dag.paused,
    is_stale: false,
    fileloc: `/dags/${dag.id}.json`,
    relative_fileloc: `/dags/${dag.id}.json`,
    bundle_name: 'nightmill',
    bundle_version: null,
    last_parsed_time: iso(dag.created),
    last_parse_duration: null,
    last_expired: null,
    has_import_errors: dag.broken,
    description: dag.description,
    owners: dag.owners,
    tags: dag.tags.map((name) => ({ name, dag_id: dag.id, dag_display_name: dag.id })),
    timetable_summary: dag.schedule,
    timetable_description: dag.schedule,
    timetable_periodic: dag.every !== null,
    timetable_partitioned: false,
    is_backfillable: dag.every !== null,
    allowed_run_types: null,
    max_active_tasks: 256,
    max_active_runs: 16,
    max_consecutive_failed_dag_runs: 0,
    has_task_concurrency_limits: false,
    next_dagrun_logical_date: next ? iso(next - dag.every) : null,
    next_dagrun_data_interval_start: next ? iso(next - dag.every) : null,
    next_dagrun_data_interval_end: iso(next),
    next_dagrun_run_after: iso(next),
    file_token: '',
    version_number: dag.version,
  };
}

export function detailsView(world, dag) {
  return {
    ...dagView(world, dag),
    doc_md: null,
    timezone: dag.zone,
    start_date: iso(dag.created),
    end_date: null,
    catchup: false,
    concurrency: 256,
    dag_run_timeout: null,
    is_paused_upon_creation: null,
    render_template_as_native_obj: true,
    params: dag.params,
    default_args: null,
    asset_expression: null,
    template_search_path: null,
    owner_links: {},
    is_favorite: false,
    active_runs_count: activeRuns(world, dag).length,
    last_parsed: iso(dag.created),
    latest_dag_version: null,
    rerun_with_latest_version: null,
  };
}

const activeRuns = (world, dag) =>
  world.runs.filter(
    (run) => run.dag === dag.id && (run.state === 'queued' || run.state === 'running'),
  );

export function cardView(world, dag) {
  const runs = world.runs.filter((run) => run.dag === dag.id).sort((a, b) => a.after - b.after);
  const view = dagView(world, dag);
  const running = runs.flatMap((run) =>
    run.tis.filter((ti) => ti.state === 'running').map((ti) => ({ run, ti })),
  );
  return {
    dag_id: dag.id,
    dag_display_name: dag.id,
    is_paused: dag.paused,
    has_import_errors: dag.broken,
    schedule: dag.schedule,
    timezone: dag.zone,
    owners: dag.owners,
    tags: dag.tags,
    next_run_after: view.next_dagrun_run_after,
    active_runs: activeRuns(world, dag).length,
    bars: runs
      .slice(-14)
      .map((run) => ({
        dag_run_id: run.id,
        state: run.state,
        run_type: run.type,
        run_after: iso(run.after),
        start_date: iso(run.started),
        duration: seconds(run.started, run.ended),
      })),
    now: running
      .slice(0, 3)
      .map(({ run, ti }) => ({
        dag_run_id: run.id,
        task_id: ti.task,
        map_index: ti.map,
        start_date: iso(ti.started),
      })),
    worst_sla: dag.id === 'hourly_fanout' ? 'at_risk' : dag.id === 'user_features' ? 'met' : null,
  };
}

export function runView(run) {
  return {
    dag_run_id: run.id,
    dag_id: run.dag,
    dag_display_name: run.dag,
    logical_date: iso(run.logical),
    data_interval_start: run.interval ? iso(run.interval[0]) : null,
    data_interval_end: run.interval ? iso(run.interval[1]) : null,
    run_after: iso(run.after),
    queued_at: iso(run.queued),
    start_date: iso(run.started),
    end_date: iso(run.ended),
    duration: seconds(run.started, run.ended),
    last_scheduling_decision: null,
    run_type: run.type,
    state: run.state,
    state_reason: run.reason,
    triggered_by: run.by,
    triggering_user_name: run.by === 'ui' ? 'admin' : null,
    conf: run.conf,
    note: run.note,
    dag_versions: [],
    bundle_version: null,
    partition_key: null,
    version_number: run.state === 'queued' ? null : 1,
    hidden_failures: 0,
    clear_number: run.cleared,
    backfill_id: run.backfill,
  };
}

export function taskView(world, run, ti) {
  const spec = world.dag(run.dag).tasks.find((one) => one.id === ti.task);
  const failed = ti.state === 'failed' || ti.state === 'up_for_retry';
  return {
    id: ti.uuid,
    task_id: ti.task,
    task_display_name: ti.task,
    dag_id: run.dag,
    dag_display_name: run.dag,
    dag_run_id: run.id,
    map_index: ti.map,
    rendered_map_index: null,
    logical_date: iso(run.logical),
    run_after: iso(run.after),
    scheduled_when: iso(ti.scheduled),
    queued_when: iso(ti.queued),
    start_date: iso(ti.started),
    end_date: iso(ti.ended),
    duration: seconds(ti.started, ti.ended),
    state: ti.state,
    try_number: ti.tries,
    max_tries: spec.retries,
    hostname: '',
    unixname: null,
    pid: null,
    operator: spec.type,
    operator_name: spec.type,
    executor: 'local',
    executor_config: '{}',
    queue: null,
    pool: spec.pool ?? 'default_pool',
    pool_slots: spec.slots ?? 1,
    priority_weight: 1,
    note: null,
    rendered_fields: {},
    trigger: null,
    triggerer_job: null,
    dag_version: null,
    skip_reason: ti.state === 'skipped' ? 'branch' : null,
    failure: failed
      ? { kind: 'failed', message: `exit code 1: ${HOSTILE[1]}`, exit_code: 1 }
      : null,
    next_due: null,
    output: ti.state === 'success' && spec.type === 'shell' ? { text: HOSTILE[0] } : null,
    artifact: null,
    map_item: ti.map >= 0 ? (ti.map === 2 ? HOSTILE[3] : `2011-05-${24 + ti.map}`) : null,
  };
}

export function tryView(world, run, ti, number) {
  const last = number === ti.tries;
  const state = last ? ti.state : 'failed';
  return {
    ...taskView(world, run, ti),
    try_number: number,
    state,
    failure: state === 'failed' ? { kind: 'failed', message: 'exit code 1', exit_code: 1 } : null,
    rendered_fields: { run: `echo "${HOSTILE[0]}"`, env: { DAY: '2011-05-30' } },
    attempt_id: run.number * 100 + number,
    worker: 'local-1',
    attempt_state: state === 'running' ? 'running' : 'ended',
    outcome: state === 'running' ? null : state === 'success' ? 'succeeded' : 'failed',
    report: null,
    cpu_seconds: 0.42,
    max_rss_bytes: 48_300_000,
    bytes_read: 1_250_000,
    bytes_written: 88_000,
  };
}

function letterOf(states) {
  const letters = states.map((state) => LETTERS[state] ?? 'N');
  return [...WORST].find((letter) => letters.includes(letter)) ?? '.';
}

const groupsOf = (dag) =>
  [...new Set(dag.tasks.map((one) => one.group).filter(Boolean))].map((id) => ({
    group_id: id,
    parent_group_id: null,
  }));

export function gridView(world, dag, limit) {
  const runs = world.runs
    .filter((run) => run.dag === dag.id)
    .sort((a, b) => b.after - a.after)
    .slice(0, limit);
  return {
    dag_id: dag.id,
    version_number: dag.version,
    last_event_id: world.events.length,
    tasks: dag.tasks.map((one) => ({
      task_id: one.id,
      task_display_name: one.id,
      type: one.type,
      group_id: one.group,
      is_mapped: one.mapped > 0,
    })),
    groups: groupsOf(dag),
    runs: runs.map((run) => ({
      dag_run_id: run.id,
      state: run.state,
      run_type: run.type,
      logical_date: iso(run.logical),
      data_interval_start: run.interval ? iso(run.interval[0]) : null,
      data_interval_end: run.interval ? iso(run.interval[1]) : null,
      run_after: iso(run.after),
      start_date: iso(run.started),
      end_date: iso(run.ended),
      version_number: 1,
      has_note: run.note !== null,
    })),
    cells: runs.map((run) => {
      const states = new Map();
      for (const ti of run.tis) states.set(ti.task, [...(states.get(ti.task) ?? []), ti.state]);
      return dag.tasks.map((one) => letterOf(states.get(one.id) ?? [])).join('');
    }),
    next_cursor: null,
  };
}

export function graphView(world, dag, run) {
  return {
    dag_id: dag.id,
    version_number: dag.version,
    dag_run_id: run?.id ?? null,
    last_event_id: world.events.length,
    nodes: dag.tasks.map((one) => {
      const tis = run?.tis.filter((ti) => ti.task === one.id) ?? [];
      const counts = {};
      for (const ti of tis) counts[ti.state ?? 'none'] = (counts[ti.state ?? 'none'] ?? 0) + 1;
      const letter = letterOf(tis.map((ti) => ti.state));
      const state = Object.keys(LETTERS).find((word) => LETTERS[word] === letter) ?? null;
      return {
        task_id: one.id,
        task_display_name: one.id,
        type: one.type,
        group_id: one.group,
        trigger_rule: one.rule,
        is_mapped: one.mapped > 0,
        state: run ? state : null,
        counts: run && one.mapped > 0 ? counts : null,
        start_date: iso(tis[0]?.started ?? null),
        end_date: iso(tis[0]?.ended ?? null),
      };
    }),
    edges: dag.tasks.flatMap((one) =>
      one.upstream.map((from) => ({
        from,
        to: one.id,
        kind: one.id === 'report' && from === 'publish' ? 'output' : 'depends',
      })),
    ),
    groups: groupsOf(dag),
  };
}

export function backfillCounts(backfill) {
  const counts = {
    planned: 0,
    queued: 0,
    running: 0,
    success: 0,
    failed: 0,
    skipped: 0,
    cancelled: 0,
  };
  for (const slot of backfill.slots) counts[slotWord(slot)] += 1;
  return counts;
}
function slotWord(slot) {
  if (slot.state === 'created' || slot.state === 'done') return slot.run.state;
  return slot.state;
}

export function backfillView(world, backfill) {
  const counts = backfillCounts(backfill);
  const left = counts.planned + counts.queued + counts.running;
  return {
    id: backfill.id,
    dag_id: backfill.dag,
    dag_display_name: backfill.dag,
    from_date: iso(backfill.from),
    to_date: iso(backfill.to),
    dag_run_conf: null,
    is_paused: backfill.state === 'paused',
    reprocess_behavior: backfill.reprocess,
    max_active_runs: backfill.active,
    run_backwards: backfill.backwards,
    created_at: iso(backfill.created),
    completed_at: iso(backfill.ended),
    updated_at: iso(world.now),
    state: backfill.state,
    outcome: backfill.state === 'completed' ? (counts.failed > 0 ? 'failed' : 'success') : null,
    counts,
    eta: backfill.state === 'active' ? iso(world.now + left * 4000) : null,
  };
}

export function stripView(world, backfill) {
  const letters = {
    planned: 'P',
    queued: 'Q',
    running: 'R',
    success: 'S',
    failed: 'F',
    skipped: 'K',
    cancelled: 'C',
  };
  const view = backfillView(world, backfill);
  return {
    backfill_id: backfill.id,
    dag_id: backfill.dag,
    state: backfill.state,
    last_event_id: world.events.length,
    cells: backfill.slots.map((slot) => letters[slotWord(slot)]).join(''),
    counts: view.counts,
    runs_per_hour: 52,
    eta: view.eta,
  };
}

export function slotView(slot) {
  return {
    seq: slot.seq,
    logical_date: iso(slot.logical),
    data_interval_start: iso(slot.logical),
    data_interval_end: iso(slot.logical + 86_400_000),
    verdict: slot.verdict,
    reason: slot.reason,
    state: slot.state,
    dag_run_id: slot.run?.id ?? null,
    run_state: slot.run?.state ?? null,
  };
}
