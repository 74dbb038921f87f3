// What the mock answers, by method and path. A handler gets the world, the path's parts, the query
// and the body and returns [status, body] or the body of a 200.
import * as boards from './boards.mjs';
import * as views from './views.mjs';
import { HOSTILE, iso } from './world.mjs';

export class Fault extends Error {
  constructor(status, detail, code = 'invalid', errors = undefined) {
    super(detail);
    Object.assign(this, { status, code, errors });
  }
}
const need = (value, what) => {
  if (!value) throw new Fault(404, `no ${what}`, 'not_found');
  return value;
};
const page = (name, rows, query) => {
  const limit = Number(query.get('limit') ?? 50);
  const offset = Number(query.get('offset') ?? 0);
  return { [name]: rows.slice(offset, offset + limit), total_entries: rows.length };
};
const like = (pattern) =>
  pattern === null
    ? () => true
    : (text) => text.toLowerCase().includes(pattern.replaceAll('%', '').toLowerCase());

const dagOf = (world, id) => need(world.dag(id), `DAG "${id}"`);
const runOf = (world, dag, id) => need(world.run(dag, id), `run "${id}"`);
function tiOf(world, [dag, runId, task, map], query) {
  const run = runOf(world, dag, runId);
  const index = Number(map ?? query.get('map_index') ?? -1);
  return {
    run,
    ti: need(
      run.tis.find((one) => one.task === task && one.map === index),
      `task "${task}"`,
    ),
  };
}

function dagRuns(world, [dag], query) {
  const fits = like(query.get('run_id_pattern'));
  const states = query.getAll('state');
  const rows = world.runs
    .filter(
      (run) =>
        (dag === '~' || run.dag === dag) &&
        fits(run.id) &&
        (states.length === 0 || states.includes(run.state)),
    )
    .sort((a, b) => b.after - a.after || b.number - a.number);
  return page('dag_runs', rows.map(views.runView), query);
}

function trigger(world, [dag], query, body) {
  const spec = dagOf(world, dag);
  const errors = [];
  for (const [name, value] of Object.entries(body.conf ?? {})) {
    const type = spec.params[name]?.schema.type;
    if (type === 'integer' && !Number.isInteger(value))
      errors.push({ pointer: `/conf/${name}`, message: 'not an integer', hint: '' });
  }
  if (errors.length > 0) throw new Fault(400, 'conf does not fit the params', 'invalid', errors);
  const logical = body.logical_date ? Date.parse(body.logical_date) : null;
  const id = body.dag_run_id || undefined;
  if (id && world.run(dag, id)) throw new Fault(409, `run "${id}" exists already`, 'conflict');
  if (logical !== null && world.runs.some((run) => run.dag === dag && run.logical === logical)) {
    throw new Fault(409, 'there is a run for this logical date', 'conflict');
  }
  const run = world.addRun(spec, { conf: body.conf ?? null, logical, id, note: body.note ?? null });
  if (body.unpause) spec.paused = false;
  world.emit('run.state', { dag_id: dag, dag_run_id: run.id, state: 'queued' });
  return views.runView(run);
}

function clear(world, [dag], query, body) {
  const spec = dagOf(world, dag);
  const run = runOf(world, dag, body.dag_run_id);
  const wanted = new Set(
    (body.task_ids ?? spec.tasks.map((one) => one.id)).map((one) =>
      Array.isArray(one) ? one[0] : one,
    ),
  );
  const maps = new Map((body.task_ids ?? []).filter(Array.isArray));
  const grow = (up) => {
    for (let more = true; more;) {
      more = false;
      for (const one of spec.tasks) {
        const near = up
          ? spec.tasks.filter((other) => other.upstream.includes(one.id)).map((other) => other.id)
          : one.upstream;
        if (!wanted.has(one.id) && near.some((id) => wanted.has(id)))
          more = Boolean(wanted.add(one.id));
      }
    }
  };
  if (body.include_downstream) grow(false);
  if (body.include_upstream) grow(true);
  const tis = run.tis.filter(
    (ti) =>
      wanted.has(ti.task) &&
      (!maps.has(ti.task) || maps.get(ti.task) === ti.map) &&
      (!body.only_failed || ti.state === 'failed' || ti.state === 'upstream_failed'),
  );
  const shown = tis.map((ti) => views.taskView(world, run, ti));
  if (!(body.dry_run ?? true)) world.clear(run, tis);
  return { task_instances: shown, total_entries: shown.length };
}

function plan(world, body) {
  const dag = dagOf(world, body.dag_id);
  if (!dag.every) throw new Fault(400, `${dag.id} has no schedule to backfill`);
  const from = Date.parse(body.from_date);
  const till = Date.parse(body.to_date) + (body.to_date.length === 10 ? dag.every - 1 : 0);
  if (!(from <= till)) throw new Fault(400, 'from_date is after to_date');
  const rows = [];
  for (
    let at = Math.ceil(from / dag.every) * dag.every;
    at <= till && rows.length < 2000;
    at += dag.every
  ) {
    const existing = world.runs.find((run) => run.dag === dag.id && run.logical === at);
    const rerun =
      existing &&
      (body.reprocess_behavior === 'completed' ||
        (body.reprocess_behavior === 'failed' && existing.state === 'failed'));
    const late = at + dag.every > world.now;
    const verdict = late ? 'skip' : !existing ? 'create' : rerun ? 'rerun' : 'skip';
    const why = late
      ? 'not_ended'
      : existing?.state === 'failed'
        ? 'already_failed'
        : 'already_success';
    rows.push({ logical: at, verdict, reason: verdict === 'skip' ? why : null, existing });
  }
  if (body.run_backwards) rows.reverse();
  return { dag, from, till, rows };
}

function dryRun(world, parts, query, body) {
  const { dag, rows } = plan(world, body);
  const counts = { create: 0, rerun: 0, skip: 0 };
  for (const row of rows) counts[row.verdict] += 1;
  const shown = rows.map((row, i) => ({
    logical_date: iso(row.logical),
    data_interval_start: iso(row.logical),
    data_interval_end: iso(row.logical + dag.every),
    verdict: row.verdict,
    reason: row.reason,
    existing_run_id: row.existing?.id ?? null,
    estimate_seconds: row.verdict === 'skip' ? null : 12.4,
    bytes: row.verdict === 'skip' ? null : 104_000 + i * 900,
    first_in_chain: i === 0,
  }));
  return { ...page('backfills', shown, new URLSearchParams({ limit: '1000' })), counts };
}

function createBackfill(world, parts, query, body) {
  const { dag, from, till, rows } = plan(world, body);
  const backfill = {
    id: world.nextBackfill++,
    dag: dag.id,
    from,
    to: till,
    reprocess: body.reprocess_behavior ?? 'none',
    active: body.max_active_runs ?? 4,
    backwards: Boolean(body.run_backwards),
    created: world.now,
    ended: null,
    state: 'active',
    slots: rows.map((row, seq) => ({
      seq,
      logical: row.logical,
      verdict: row.verdict,
      reason: row.reason,
      run: null,
      state: row.verdict === 'skip' ? 'skipped' : 'planned',
      existing: row.verdict === 'rerun' ? row.existing : null,
    })),
  };
  world.backfills.push(backfill);
  world.emit('backfill.state', { dag_id: dag.id, backfill_id: backfill.id, state: 'active' });
  return views.backfillView(world, backfill);
}
const backfillOf = (world, id) =>
  need(
    world.backfills.find((one) => one.id === Number(id)),
    `backfill ${id}`,
  );
const control =
  (state) =>
  (world, [id]) => {
    const backfill = backfillOf(world, id);
    backfill.state = state;
    if (state === 'cancelled') {
      backfill.ended = world.now;
      for (const slot of backfill.slots) if (slot.state === 'planned') slot.state = 'cancelled';
    }
    world.emit('backfill.state', { dag_id: backfill.dag, backfill_id: backfill.id, state });
    return views.backfillView(world, backfill);
  };

export function logLines(world, run, ti, number) {
  const since = ti.started ?? world.now;
  const lines = [
    '\x1b[32mINFO\x1b[0m starting',
    `day is 2011-05-30, run ${run.id}`,
    `WARNING ${HOSTILE[0]}`,
    HOSTILE[3],
  ];
  const ended = ti.ended ?? world.now;
  for (let i = 0; since + i * 300 < ended && i < 400; i++)
    lines.push(`step ${i}: ${(i * 37) % 101} rows, ${i} MB`);
  if (ti.ended && (ti.state === 'failed' || number < ti.tries)) {
    lines.push('Traceback (most recent call last):', `ValueError: ${HOSTILE[1]}`);
  }
  return lines.map((event) => ({ event, timestamp: null }));
}
function log(world, parts, query) {
  const { run, ti } = tiOf(world, parts.slice(0, 3), query);
  if (ti.tries === 0) throw new Fault(404, 'no try with a log yet', 'not_found');
  const number = parts[3] === 'latest' ? ti.tries : Number(parts[3]);
  const open = ti.state === 'running' && number === ti.tries;
  const lines = logLines(world, run, ti, number);
  const from = Number(query.get('token') ?? 0);
  return {
    content: lines.slice(from),
    continuation_token: open ? String(lines.length) : null,
    attempt_id: run.number,
    open,
  };
}

function explainRun(world, parts) {
  const run = runOf(world, parts[0], parts[1]);
  const paused = world.dag(run.dag).paused;
  const reasons =
    paused && run.state === 'queued'
      ? [{ code: 'dag_paused', message: `${run.dag} is paused`, until: null }]
      : [
          {
            code: run.state === 'running' ? 'running' : 'run_finished',
            message: `the run is ${run.state}`,
            until: null,
          },
        ];
  return { dag_run_id: run.id, state: run.state, reasons };
}
function explainTask(world, parts, query) {
  const { run, ti } = tiOf(world, parts, query);
  const spec = world.dag(run.dag).tasks.find((one) => one.id === ti.task);
  const waiting = run.tis.filter(
    (one) => spec.upstream.includes(one.task) && one.state !== 'success',
  );
  const reasons =
    ti.state === 'scheduled'
      ? [
          {
            code: 'pool_full',
            message: `waits for pool "${spec.pool ?? 'default_pool'}": 2/2 held by fan[3], fan[4]`,
            until: null,
          },
        ]
      : waiting.length > 0
        ? waiting.map((one) => ({
            code: 'upstream_pending',
            message: `upstream ${one.task} is ${one.state ?? 'not started'}`,
            until: null,
          }))
        : [
            {
              code: ti.state === 'running' ? 'running' : 'finished',
              message: ti.state ?? 'is about to be scheduled',
              until: null,
            },
          ];
  return {
    task_id: ti.task,
    map_index: ti.map,
    state: ti.state,
    reasons,
    would_start_at: ti.state === 'scheduled' ? iso(world.now + 40_000) : null,
  };
}

function patchRun(world, [dag, id], query, body) {
  const run = runOf(world, dag, id);
  if ('note' in body) run.note = body.note;
  if (body.state === 'success' || body.state === 'failed') {
    run.reason = 'marked';
    world.setRun(run, body.state);
  }
  return views.runView(run);
}
function cancel(world, [dag, id]) {
  const run = runOf(world, dag, id);
  for (const ti of run.tis) if (ti.state === 'running') world.setTask(run, ti, 'failed');
  run.ended = world.now;
  run.reason = 'cancelled';
  world.setRun(run, 'failed');
  return views.runView(run);
}
function redeliver(world, [id]) {
  const row = need(
    world.deliveries.find((one) => one.delivery_id === id),
    'delivery',
  );
  Object.assign(row, {
    state: 'delivered',
    tries: row.tries + 1,
    last_status: 200,
    last_error: null,
  });
  world.emit('delivery', { state: 'delivered', name: row.notifier });
  return row;
}

function importErrors(world, parts, query) {
  const message = `no task "${HOSTILE[0]}"`;
  const place = 'dags/orders.json:17:60';
  const row = {
    import_error_id: 1,
    timestamp: iso(world.start - 3_600_000),
    filename: 'dags/orders.json',
    bundle_name: 'nightmill',
    stack_trace: `${place}: error NM302: ${message}   at /tasks/3/depends_on/0`,
    diagnostics: [
      {
        code: 'NM302',
        severity: 'error',
        pointer: '/tasks/3/depends_on/0',
        file: 'dags/orders.json',
        line: 17,
        col: 60,
        message,
        hint: 'did you mean "gate"?',
      },
    ],
  };
  return page('import_errors', [row], query);
}

const V2 = '/api/v2';
const RUN = `${V2}/dags/{}/dagRuns/{}`;
const TI = `${RUN}/taskInstances/{}`;
const SESSION = {
  principal: 'admin',
  role: 'admin',
  expires_at: null,
  version: '0.1.0',
  durability: 'full',
  shares_root: false,
};
export const ROUTES = [
  [
    'POST',
    '/auth/login',
    (world, parts, query, body) => {
      if (body.token !== 'test-token' && body.code !== 'test-code')
        throw new Fault(401, 'the token is wrong', 'unauthenticated');
      return SESSION;
    },
  ],
  ['GET', '/auth/session', () => SESSION],
  ['POST', '/auth/logout', () => [204, null]],
  ['GET', '/ui/home', boards.homeView],
  [
    'GET',
    '/ui/timeline',
    (world, parts, query) =>
      boards.timelineView(world, Date.parse(query.get('from')), Date.parse(query.get('to'))),
  ],
  [
    'GET',
    '/ui/dags',
    (world, parts, query) => ({
      ...page(
        'dags',
        [...world.dags.values()].map((dag) => views.cardView(world, dag)),
        query,
      ),
      last_event_id: 0,
    }),
  ],
  [
    'GET',
    '/ui/grid/{}',
    (world, [dag], query) =>
      views.gridView(world, dagOf(world, dag), Number(query.get('limit') ?? 100)),
  ],
  [
    'GET',
    '/ui/graph/{}',
    (world, [dag], query) =>
      views.graphView(world, dagOf(world, dag), world.run(dag, query.get('dag_run_id'))),
  ],
  ['GET', '/ui/backfills/{}', (world, [id]) => views.stripView(world, backfillOf(world, id))],
  [
    'GET',
    `${V2}/dags`,
    (world, parts, query) =>
      page(
        'dags',
        [...world.dags.values()]
          .filter((dag) => like(query.get('dag_id_pattern'))(dag.id))
          .map((dag) => views.dagView(world, dag)),
        query,
      ),
  ],
  ['GET', `${V2}/dags/{}/details`, (world, [dag]) => views.detailsView(world, dagOf(world, dag))],
  [
    'PATCH',
    `${V2}/dags/{}`,
    (world, [dag], query, body) => {
      dagOf(world, dag).paused = body.is_paused;
      world.emit(body.is_paused ? 'dag.paused' : 'dag.unpaused', { dag_id: dag });
      return views.dagView(world, dagOf(world, dag));
    },
  ],
  [
    'GET',
    `${V2}/dagSources/{}`,
    (world, [dag]) => ({
      dag_id: dag,
      dag_display_name: dag,
      version_number: 1,
      content: `{ // ${HOSTILE[0]}\n  "dag_id": "${dag}",\n  "tasks": [{"id": "a"}]\n}\n`,
    }),
  ],
  ['GET', `${V2}/dags/{}/dagRuns`, dagRuns],
  ['POST', `${V2}/dags/{}/dagRuns`, trigger],
  ['GET', RUN, (world, [dag, id]) => views.runView(runOf(world, dag, id))],
  ['PATCH', RUN, patchRun],
  ['POST', `${RUN}/cancel`, cancel],
  ['GET', `${RUN}/explain`, explainRun],
  [
    'GET',
    `${RUN}/taskInstances`,
    (world, [dag, id], query) => {
      const run = runOf(world, dag, id);
      const tis = run.tis.filter((ti) => !query.get('task_id') || ti.task === query.get('task_id'));
      return page(
        'task_instances',
        tis.map((ti) => views.taskView(world, run, ti)),
        query,
      );
    },
  ],
  [
    'GET',
    TI,
    (world, parts, query) => {
      const { run, ti } = tiOf(world, parts, query);
      return views.taskView(world, run, ti);
    },
  ],
  [
    'GET',
    `${TI}/tries`,
    (world, parts, query) => {
      const { run, ti } = tiOf(world, parts, query);
      return page(
        'task_instances',
        [...Array(ti.tries).keys()].map((i) => views.tryView(world, run, ti, i + 1)),
        query,
      );
    },
  ],
  ['GET', `${TI}/explain`, explainTask],
  ['GET', `${TI}/logs/{}`, log],
  ['POST', `${V2}/dags/{}/clearTaskInstances`, clear],
  [
    'GET',
    `${V2}/backfills`,
    (world, parts, query) =>
      page(
        'backfills',
        [...world.backfills].reverse().map((one) => views.backfillView(world, one)),
        query,
      ),
  ],
  ['POST', `${V2}/backfills`, createBackfill],
  ['POST', `${V2}/backfills/dry_run`, dryRun],
  ['GET', `${V2}/backfills/{}`, (world, [id]) => views.backfillView(world, backfillOf(world, id))],
  [
    'GET',
    `${V2}/backfills/{}/dagRuns`,
    (world, [id], query) =>
      page('backfill_dag_runs', backfillOf(world, id).slots.map(views.slotView), query),
  ],
  ['PUT', `${V2}/backfills/{}/pause`, control('paused')],
  ['PUT', `${V2}/backfills/{}/unpause`, control('active')],
  ['PUT', `${V2}/backfills/{}/cancel`, control('cancelled')],
  ['GET', `${V2}/importErrors`, importErrors],
  [
    'GET',
    `${V2}/pools`,
    (world, parts, query) =>
      page(
        'pools',
        world.pools.map((pool) => boards.poolView(world, pool)),
        query,
      ),
  ],
  [
    'PATCH',
    `${V2}/pools/{}`,
    (world, [name], query, body) =>
      boards.poolView(
        world,
        Object.assign(
          need(
            world.pools.find((one) => one.name === name),
            'pool',
          ),
          { slots: body.slots },
        ),
      ),
  ],
  [
    'POST',
    `${V2}/pools`,
    (world, parts, query, body) => {
      world.pools.push({ description: null, include_deferred: false, ...body });
      return [201, boards.poolView(world, world.pools.at(-1))];
    },
  ],
  [
    'DELETE',
    `${V2}/pools/{}`,
    (world, [name]) => {
      world.pools = world.pools.filter((one) => one.name !== name);
      return [204, null];
    },
  ],
  ['GET', `${V2}/slas`, (world, parts, query) => page('slas', boards.slaViews(world), query)],
  [
    'GET',
    `${V2}/slaMisses`,
    (world, parts, query) => page('sla_misses', boards.missViews(world), query),
  ],
  ['GET', `${V2}/notifiers`, (world, parts, query) => page('notifiers', boards.NOTIFIERS, query)],
  [
    'POST',
    `${V2}/notifiers/{}/test`,
    (world, [name]) => {
      world.deliveries.unshift({
        ...world.deliveries[0],
        delivery_id: `msg_${world.deliveries.length + 1}`,
        notifier: name,
        event: 'test',
        test: true,
      });
      return world.deliveries[0];
    },
  ],
  [
    'GET',
    `${V2}/deliveries`,
    (world, parts, query) =>
      page(
        'deliveries',
        world.deliveries.filter((one) => !query.get('state') || one.state === query.get('state')),
        query,
      ),
  ],
  [
    'GET',
    `${V2}/deliveries/{}`,
    (world, [id]) => ({
      ...need(
        world.deliveries.find((one) => one.delivery_id === id),
        'delivery',
      ),
      body: { type: 'run.failed', data: { dag_id: 'flaky_export', text: HOSTILE[0] } },
    }),
  ],
  ['POST', `${V2}/deliveries/{}/redeliver`, redeliver],
];
