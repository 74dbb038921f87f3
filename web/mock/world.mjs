// A small world for the page's tests: DAGs, runs and tasks that move as time passes, in memory. It
// is no scheduler: each started task simply ends after its time. Views of it are in views.mjs.
import { randomUUID } from 'node:crypto';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
export const iso = (ms) => (ms === null || ms === undefined ? null : new Date(ms).toISOString());

// Texts that must stay text wherever a user or a program can write.
export const HOSTILE = [
  '<script>window.__xss=1</script>',
  '"><img src=x onerror="window.__xss=1">',
  "'-window.__xss=1-'",
  '</textarea></title><svg onload=window.__xss=1>',
  '{{constructor.constructor("window.__xss=1")()}}',
  'javascript:window.__xss=1',
];

function task(id, type, upstream = [], extra = {}) {
  return {
    id,
    type,
    upstream,
    seconds: 1.5,
    group: null,
    mapped: 0,
    rule: 'all_success',
    retries: 0,
    ...extra,
  };
}

const FEATURES = [
  task('arrived', 'sensor.file'),
  task('load', 'convert', ['arrived'], { mapped: 7, group: 'ingest' }),
  task('gate', 'expect', ['load'], { group: 'ingest' }),
  task('features', 'aggregate', ['gate'], { seconds: 3, pool: 'compute', slots: 2 }),
  task('publish', 'publish', ['features']),
  task('weekly', 'branch', ['publish']),
  task('compact', 'compact', ['weekly']),
  task('report', 'shell', ['weekly', 'compact', 'publish'], {
    rule: 'none_failed_min_one_success',
  }),
];
const FLAKY = [task('export', 'shell', [], { retries: 1 }), task('strict', 'shell', ['export'])];

function wide(n) {
  const tasks = [];
  for (let i = 0; i < n; i++) {
    const upstream =
      i < 20 ? [] : [...new Set([(i * 7) % (i - 10), i - 20])].map((k) => `step_${k}`);
    tasks.push(
      task(`step_${i}`, 'noop', upstream, {
        group: i % 5 === 0 ? `stage_${Math.floor(i / 100)}` : null,
      }),
    );
  }
  return tasks;
}

export class World {
  constructor({ now = Date.now(), big = true, hostile = true } = {}) {
    this.now = now;
    this.start = now;
    this.events = [];
    this.listeners = new Set();
    this.dags = new Map();
    this.runs = [];
    this.backfills = [];
    this.nextBackfill = 1;
    this.pools = [
      {
        name: 'default_pool',
        slots: 128,
        description: 'Where nothing else is said',
        include_deferred: false,
      },
      {
        name: 'compute',
        slots: 2,
        description: hostile ? HOSTILE[0] : null,
        include_deferred: false,
      },
    ];
    this.deliveries = [];
    this.notes = [];
    this.seed(big, hostile);
    this.events = [];
  }

  addDag(id, tasks, extra = {}) {
    this.dags.set(id, {
      id,
      tasks,
      paused: false,
      description: null,
      schedule: null,
      zone: 'UTC',
      owners: ['ml-data'],
      tags: [],
      every: null,
      params: {},
      broken: false,
      version: 1,
      created: this.now - 30 * DAY,
      sla: null,
      ...extra,
    });
  }

  seed(big, hostile) {
    const evil = (i) => (hostile ? HOSTILE[i % HOSTILE.length] : null);
    this.addDag('user_features', FEATURES, {
      description: 'Job events to 7-day features per user',
      schedule: '0 6 * * *',
      every: DAY,
      tags: ['features', 'daily'],
      params: {
        source: {
          schema: { type: 'string', default: 'events' },
          value: 'events',
          description: 'Folder of daily csv.gz files',
        },
        days: {
          schema: { type: 'integer', minimum: 1, maximum: 31, default: 7 },
          value: 7,
          description: 'Window',
        },
        promote: { schema: { type: 'boolean', default: true }, value: true, description: evil(1) },
        engine: {
          schema: { type: 'string', enum: ['auto', 'native', 'spark'], default: 'auto' },
          value: 'auto',
          description: null,
        },
        columns: {
          schema: { type: 'array', items: { type: 'string' }, default: ['user_id'] },
          value: ['user_id'],
          description: null,
        },
      },
    });
    this.addDag(
      'hourly_fanout',
      [task('fan', 'shell', [], { mapped: 20, seconds: 40, pool: 'compute' })],
      {
        description: 'Twenty sleeps in a pool of two',
        schedule: '0 * * * *',
        every: HOUR,
        tags: ['demo'],
      },
    );
    this.addDag('flaky_export', FLAKY, {
      description: evil(0) ?? 'Fails on purpose',
      tags: ['demo'],
      owners: hostile ? [HOSTILE[1]] : ['ml-data'],
    });
    if (big) {
      this.addDag('big_grid', wide(1000), { tags: ['big'] });
      this.addDag('wide_graph', wide(3000), { tags: ['big'] });
      const kinds = ['sync', 'clean', 'train', 'score', 'report'];
      for (let i = 0; i < 60; i++) {
        this.addDag(
          `${kinds[i % 5]}_${['orders', 'users', 'ads', 'search', 'billing', 'geo'][i % 6]}_${i}`,
          [
            task('extract', 'shell'),
            task('load', 'convert', ['extract']),
            task('check', 'expect', ['load']),
          ],
          {
            schedule: `${i % 60} */4 * * *`,
            every: 4 * HOUR,
            paused: i % 9 === 0,
            tags: [kinds[i % 5]],
          },
        );
      }
    }
    for (const dag of this.dags.values()) this.seedRuns(dag, evil);
  }

  seedRuns(dag, evil) {
    const count = dag.id === 'big_grid' ? 100 : dag.id === 'wide_graph' ? 1 : dag.every ? 20 : 3;
    const gap = dag.every ?? HOUR;
    const last = Math.floor(this.now / gap) * gap;
    for (let k = count; k >= 1; k--) {
      const at = last - (k - 1) * gap;
      const run = this.addRun(dag, {
        logical: at - (dag.every ?? 0),
        after: at,
        type: dag.every ? 'scheduled' : 'manual',
        created: at,
      });
      if (k === 1 && ['hourly_fanout'].includes(dag.id)) continue; // the newest one runs now
      const bad = dag.id === 'flaky_export' ? k === 2 : (k * 7 + dag.id.length) % 11 === 0;
      this.finishAtOnce(dag, run, bad, at, k);
      if (k === 3) run.note = evil(3);
    }
  }

  finishAtOnce(dag, run, bad, at, k) {
    let time = at + 300 + (k % 4) * 700;
    run.started = time;
    const cut = Math.floor(dag.tasks.length * 0.6);
    dag.tasks.forEach((spec, i) => {
      for (const ti of run.tis.filter((one) => one.task === spec.id)) {
        ti.scheduled = time - 250;
        const skipped = spec.id === 'compact' && k % 7 !== 0;
        ti.state =
          bad && i === cut
            ? 'failed'
            : bad && i > cut
              ? 'upstream_failed'
              : skipped
                ? 'skipped'
                : 'success';
        if (ti.state === 'success' || ti.state === 'failed') {
          ti.started = time + ti.map * 40;
          ti.ended = ti.started + spec.seconds * 1000 * (0.7 + ((i + k) % 5) / 8);
          ti.tries = spec.retries > 0 || ti.state === 'failed' ? 2 : 1;
        } else {
          ti.ended = time;
        }
      }
      time += dag.tasks.length > 100 ? 5 : spec.seconds * 1100;
    });
    run.state = bad ? 'failed' : 'success';
    run.reason = bad ? 'task_failed' : null;
    run.ended = Math.max(run.started, ...run.tis.map((one) => one.ended ?? 0));
  }

  addRun(
    dag,
    {
      logical = null,
      after = this.now,
      type = 'manual',
      conf = null,
      id = null,
      backfill = null,
      note = null,
      created = this.now,
    } = {},
  ) {
    const run = {
      dag: dag.id,
      id:
        id ??
        `${type}__${iso(logical ?? after)
          .replace('.000Z', '+00:00')
          .replace('Z', '+00:00')}`,
      logical,
      interval: logical === null ? null : [logical, logical + (dag.every ?? DAY)],
      after,
      type,
      conf,
      note,
      queued: created,
      started: null,
      ended: null,
      state: 'queued',
      reason: null,
      backfill,
      cleared: 0,
      by: type === 'manual' ? 'ui' : type === 'backfill' ? 'backfill' : 'timetable',
      number: this.runs.length + 1,
      tis: [],
    };
    for (const spec of dag.tasks) {
      const maps = spec.mapped > 0 ? [...Array(spec.mapped).keys()] : [-1];
      for (const map of maps) {
        run.tis.push({
          task: spec.id,
          map,
          state: null,
          tries: 0,
          scheduled: null,
          queued: null,
          started: null,
          ended: null,
          uuid: randomUUID(),
        });
      }
    }
    this.runs.push(run);
    return run;
  }

  dag(id) {
    return this.dags.get(id);
  }
  run(dag, id) {
    return this.runs.find((one) => one.dag === dag && one.id === id);
  }

  emit(type, about) {
    const event = {
      id: this.events.length + 1,
      type,
      time: iso(this.now),
      dag_id: null,
      dag_run_id: null,
      task_id: null,
      map_index: null,
      state: null,
      previous_state: null,
      try_number: null,
      attempt_id: null,
      backfill_id: null,
      name: null,
      ...about,
    };
    this.events.push(event);
    for (const listener of this.listeners) listener(event);
  }

  setRun(run, state) {
    const old = run.state;
    run.state = state;
    this.emit('run.state', {
      dag_id: run.dag,
      dag_run_id: run.id,
      state,
      previous_state: old,
      backfill_id: run.backfill,
    });
  }

  setTask(run, ti, state) {
    const old = ti.state;
    ti.state = state;
    this.emit('task.state', {
      dag_id: run.dag,
      dag_run_id: run.id,
      task_id: ti.task,
      map_index: ti.map,
      state,
      previous_state: old,
      try_number: ti.tries,
    });
  }

  // Moves everything to `now`.
  step(now = Date.now()) {
    this.now = now;
    for (const backfill of this.backfills) this.stepBackfill(backfill);
    for (const run of this.runs)
      if (run.state === 'queued' || run.state === 'running') this.stepRun(run);
  }

  stepRun(run) {
    const dag = this.dag(run.dag);
    if (run.state === 'queued') {
      if (dag.paused || this.now - run.queued < 400) return;
      run.started ??= this.now;
      this.setRun(run, 'running');
    }
    const states = new Map();
    for (const ti of run.tis) states.set(ti.task, [...(states.get(ti.task) ?? []), ti.state]);
    const ended = new Set(['success', 'failed', 'upstream_failed', 'skipped']);
    const done = (id) => (states.get(id) ?? []).every((state) => ended.has(state));
    let slots = 2;
    for (const ti of run.tis) {
      const spec = dag.tasks.find((one) => one.id === ti.task);
      if (ti.state === 'running') {
        slots -= 1;
        if (this.now - ti.started >= spec.seconds * 1000) this.endTask(dag, run, spec, ti);
      } else if (ti.state === 'up_for_retry' && this.now - ti.ended > 1500) {
        this.setTask(run, ti, 'scheduled');
      } else if (ti.state === null && spec.upstream.every(done)) {
        const bad = spec.upstream.some((id) =>
          states.get(id).some((s) => s === 'failed' || s === 'upstream_failed'),
        );
        ti.scheduled = this.now;
        if (bad) ti.ended = this.now;
        this.setTask(run, ti, bad ? 'upstream_failed' : 'scheduled');
      }
    }
    for (const ti of run.tis) {
      if (ti.state !== 'scheduled' || slots <= 0) continue;
      slots -= 1;
      ti.queued = this.now;
      ti.started = this.now;
      ti.ended = null;
      ti.tries += 1;
      this.setTask(run, ti, 'running');
    }
    if (run.tis.every((ti) => ended.has(ti.state))) {
      run.ended = this.now;
      const failed = run.tis.some((ti) => ti.state === 'failed' || ti.state === 'upstream_failed');
      run.reason = failed ? 'task_failed' : null;
      this.setRun(run, failed ? 'failed' : 'success');
    }
  }

  endTask(dag, run, spec, ti) {
    ti.ended = this.now;
    if (spec.retries > 0 && ti.tries === 1) return this.setTask(run, ti, 'up_for_retry');
    if (spec.id === 'compact') return this.setTask(run, ti, 'skipped');
    const fails =
      (run.conf?.fail === spec.id || (dag.id === 'flaky_export' && spec.id === 'strict')) &&
      run.cleared === 0;
    return this.setTask(run, ti, fails ? 'failed' : 'success');
  }

  clear(run, tasks) {
    for (const ti of tasks) {
      ti.started = ti.ended = ti.scheduled = null;
      this.setTask(run, ti, null);
    }
    run.cleared += 1;
    run.queued = this.now;
    run.ended = null;
    run.reason = null;
    this.setRun(run, 'queued');
  }

  stepBackfill(backfill) {
    if (backfill.state !== 'active') return;
    const dag = this.dag(backfill.dag);
    for (const slot of backfill.slots) {
      if (slot.run && slot.state === 'created' && ['success', 'failed'].includes(slot.run.state))
        slot.state = 'done';
    }
    let room = backfill.active - backfill.slots.filter((slot) => slot.state === 'created').length;
    for (const slot of backfill.slots) {
      if (slot.state !== 'planned' || room <= 0) continue;
      room -= 1;
      slot.state = 'created';
      if (slot.existing) {
        slot.run = slot.existing;
        this.clear(slot.run, slot.run.tis);
      } else {
        slot.run = this.addRun(dag, {
          logical: slot.logical,
          after: slot.logical + dag.every,
          type: 'backfill',
          backfill: backfill.id,
        });
      }
      this.emit('backfill.state', {
        dag_id: dag.id,
        backfill_id: backfill.id,
        state: backfill.state,
      });
    }
    if (backfill.slots.every((slot) => slot.state === 'done' || slot.state === 'skipped')) {
      backfill.state = 'completed';
      backfill.ended = this.now;
      this.emit('backfill.state', { dag_id: dag.id, backfill_id: backfill.id, state: 'completed' });
    }
  }
}
