// The page's pure parts: times, params, logs, layouts, rows, events.
import assert from 'node:assert/strict';
import { performance } from 'node:perf_hooks';
import { test } from 'node:test';

import pure from './support/pure.mjs';

const AT = Date.parse('2011-05-31T06:00:10Z');

test('times name their zone and are as short as they can be', () => {
  const cases = [
    ['utc', '2011-05-31 06:00:10 UTC'],
    ['Europe/Berlin', '2011-05-31 08:00:10 CEST'],
    ['America/New_York', '2011-05-31 02:00:10 GMT-4'],
  ];
  for (const [zone, wanted] of cases) assert.equal(pure.fullTime(AT, zone), wanted);
  assert.equal(pure.shortTime(AT, AT + 60_000, 'utc'), '06:00');
  assert.equal(pure.shortTime(AT, AT + 86_400_000, 'utc'), '31 May 06:00');
  assert.equal(pure.shortTime(AT, AT + 400 * 86_400_000, 'utc'), '31 May 2011 06:00');
  assert.equal(
    pure.shortTime(
      Date.parse('2024-12-31T23:30:00Z'),
      Date.parse('2025-01-01T00:10:00Z'),
      'Europe/Berlin',
    ),
    '00:30',
  );
});

test('durations', () => {
  const cases = [
    [0, '0 ms'],
    [0.0004, '<1 ms'],
    [0.0042, '4 ms'],
    [0.0996, '0.10 s'],
    [0.4237, '0.42 s'],
    [9.994, '9.99 s'],
    [9.996, '10.0 s'],
    [59.96, '1 m 00 s'],
    [245, '4 m 05 s'],
    [3599.6, '1 h 00 m'],
    [3720, '1 h 02 m'],
    [86_399, '1 d 0 h'],
    [273_600, '3 d 4 h'],
    [null, ''],
    [NaN, ''],
    [-1, '0 ms'],
  ];
  for (const [seconds, wanted] of cases)
    assert.equal(pure.duration(seconds), wanted, String(seconds));
  assert.equal(pure.ticking(12.9), '12 s');
  assert.equal(pure.relative(AT + 240_000, AT), 'in 4 m');
  assert.equal(pure.relative(AT - 12_000, AT), '12 s ago');
  assert.equal(pure.relative(AT + 300, AT), 'now');
});

test('sizes and names of runs', () => {
  for (const [n, wanted] of [
    [0, '0 B'],
    [999, '999 B'],
    [1000, '1.0 kB'],
    [48_300_000, '48 MB'],
    [999_600, '1.0 MB'],
  ]) {
    assert.equal(pure.bytes(n), wanted);
  }
  const cases = [
    ['scheduled__2011-05-30T06:00:00+00:00', '2011-05-30 06:00 UTC'],
    ['manual__2011-05-30T06:00:07.123456+00:00', '2011-05-30 06:00:07 UTC'],
    ['nightly', 'nightly'],
    ['manual__2011-05-30T06:00:00+02:00', '2011-05-30T06:00:00+02:00'],
    ['backfill__2011-05-30T06:00:00Z_ab12', '2011-05-30 06:00 UTC_ab12'],
  ];
  for (const [id, wanted] of cases) assert.equal(pure.runLabel(id), wanted);
});

test('addresses encode every id', () => {
  assert.equal(
    pure.to.task('d', 'manual__2011-05-30T06:00:00+00:00', 'a/b?', 3),
    '/dags/d/runs/manual__2011-05-30T06%3A00%3A00%2B00%3A00/tasks/a%2Fb%3F/3',
  );
  assert.equal(
    pure.withQuery('/x', { a: ['1', '2'], b: null, c: '', d: false, e: 0 }),
    '/x?a=1&a=2&e=0',
  );
});

const PARAMS = {
  source: { value: 'events', description: 'folder', schema: { type: 'string', default: 'events' } },
  days: { value: 7, description: null, schema: { type: 'integer', minimum: 1, maximum: 31 } },
  rate: { value: null, description: null, schema: { type: ['number', 'null'] } },
  on: { value: true, description: null, schema: { type: 'boolean' } },
  mode: { value: 'auto', description: null, schema: { enum: ['auto', 3] } },
  names: { value: ['a'], description: null, schema: { type: 'array', items: { type: 'string' } } },
  deep: { value: { a: 1 }, description: null, schema: { type: 'object' } },
  needed: { value: null, description: null, schema: { type: 'string', maxLength: 3 } },
};

test('params become fields and conf holds only what differs', () => {
  const fields = pure.fieldsOf(PARAMS);
  assert.deepEqual(
    fields.map((field) => field.widget),
    ['text', 'integer', 'number', 'boolean', 'choice', 'list', 'json', 'text'],
  );
  assert.deepEqual(
    fields.filter((field) => field.required).map((field) => field.name),
    ['rate', 'needed'],
  );
  const same = Object.fromEntries(
    fields.map((field) => [field.name, pure.textOf(field, field.initial)]),
  );
  assert.deepEqual(pure.confOf(fields, { ...same, needed: 'x' }), {
    conf: { rate: null, needed: 'x' },
    errors: {},
  });
  const texts = {
    ...same,
    needed: 'abc',
    days: '31',
    mode: '3',
    names: 'a\nb',
    deep: '{"a":2}',
    on: 'false',
    rate: '0.5',
  };
  assert.deepEqual(pure.confOf(fields, texts), {
    errors: {},
    conf: {
      days: 31,
      rate: 0.5,
      on: false,
      mode: 3,
      names: ['a', 'b'],
      deep: { a: 2 },
      needed: 'abc',
    },
  });
});

test('params say what is wrong with a text', () => {
  const fields = Object.fromEntries(pure.fieldsOf(PARAMS).map((field) => [field.name, field]));
  const cases = [
    ['days', '0', 'at least 1'],
    ['days', '32', 'at most 31'],
    ['days', '1.5', 'not a whole number'],
    ['days', 'x', 'not a number'],
    ['deep', '{', 'not JSON'],
    ['needed', '', 'needed'],
    ['needed', 'abcd', 'at most 3 characters'],
  ];
  for (const [name, text, message] of cases) {
    assert.deepEqual(
      pure.parseField(fields[name], text),
      { ok: false, message },
      `${name} ${text}`,
    );
  }
});

test('commands are quoted for a shell', () => {
  assert.equal(pure.quoted("it's $HOME"), `'it'\\''s $HOME'`);
  assert.equal(
    pure.asTriggerCommand('d', { a: 'x y' }, '2011-05-30T00:00:00Z', null),
    `nightmill run trigger d --logical-date 2011-05-30T00:00:00Z --conf '{"a":"x y"}' --wait`,
  );
  assert.match(pure.asCurl('POST', 'http://h/x', { a: "'" }), /-d '\{"a":"'\\''"\}'$/);
});

test('escape sequences of logs become classes or vanish, all else stays', () => {
  assert.deepEqual(pure.ansiPieces('plain'), [{ text: 'plain', classes: '' }]);
  assert.deepEqual(pure.ansiPieces('\x1b[1;31mred\x1b[0m <b>'), [
    { text: 'red', classes: 'ansi-red ansi-bold' },
    { text: ' <b>', classes: '' },
  ]);
  assert.deepEqual(
    pure
      .ansiPieces('\x1b[38;5;120ma\x1b[38;2;1;2;3mb\x1b[2Kc\x1b]8;;http://x\x07d')
      .map((p) => p.text),
    ['a', 'b', 'c', 'd'],
  );
  for (const [line, level] of [
    ['ERROR x', 'error'],
    ['2011 WARNING: y', 'warning'],
    ['ValueError: z', 'error'],
    ['fine', null],
  ]) {
    assert.equal(pure.guessLevel(line), level);
  }
});

test('frames of an event stream', () => {
  assert.deepEqual(pure.parseFrame('id: 7\nevent: log\ndata: {"a":\ndata: 1}'), {
    id: '7',
    kind: 'log',
    data: '{"a":\n1}',
  });
  assert.equal(pure.parseFrame(': ping'), null);
  assert.equal(pure.parseFrame('event: x'), null);
});

const chain = (n, groups = () => null) => ({
  tasks: Array.from({ length: n }, (_, i) => ({
    id: `t${i}`,
    label: `t${i}`,
    type: 'noop',
    group: groups(i),
    mapped: false,
  })),
  edges: Array.from({ length: Math.max(0, n - 1) }, (_, i) => ({
    from: `t${i}`,
    to: `t${i + 1}`,
    dotted: false,
  })),
  groups: [...new Set(Array.from({ length: n }, (_, i) => groups(i)).filter(Boolean))].map(
    (id) => ({ id, parent: null }),
  ),
});

test('a folded group stands for its tasks', () => {
  const graph = chain(5, (i) => (i === 1 || i === 2 ? 'g' : null));
  const folded = pure.fold(graph, new Set(['g']));
  assert.deepEqual(
    folded.nodes.map((node) => node.id),
    ['t0', 'group:g', 't3', 't4'],
  );
  assert.deepEqual(
    folded.edges.map((edge) => `${edge.from}>${edge.to}`),
    ['t0>group:g', 'group:g>t3', 't3>t4'],
  );
  assert.deepEqual([...pure.reach(graph.edges, ['t2'], true)].sort(), ['t0', 't1', 't2']);
});

test('a layer is the longest path to a node, and no two nodes overlap', () => {
  const graph = pure.fold(
    { ...chain(4), edges: [...chain(4).edges, { from: 't0', to: 't3', dotted: false }] },
    new Set(),
  );
  const layout = pure.layeredLayout(graph);
  const x = layout.nodes.map((node) => node.x);
  assert.ok(x[0] < x[1] && x[1] < x[2] && x[2] < x[3]);
  const boxes = pure.layeredLayout(pure.fold(bush(200), new Set())).nodes;
  boxes.forEach((a, i) =>
    boxes
      .slice(i + 1)
      .forEach((b) =>
        assert.ok(
          a.x + a.width <= b.x ||
            b.x + b.width <= a.x ||
            a.y + a.height <= b.y ||
            b.y + b.height <= a.y,
          `${a.id} ${b.id}`,
        ),
      ),
  );
});

function bush(n) {
  const graph = chain(n);
  graph.edges = graph.tasks
    .slice(1)
    .map((task, i) => ({ from: `t${Math.floor(i / 3)}`, to: task.id, dotted: false }));
  return graph;
}

test('a tree is drawn with few crossings', () => {
  const graph = pure.fold(bush(120), new Set());
  assert.ok(pure.crossings(graph, pure.layeredLayout(graph)) <= 4);
});

test('a cycle made by folding still gets a layout', () => {
  const graph = chain(3);
  graph.edges.push({ from: 't2', to: 't0', dotted: false });
  assert.equal(pure.layeredLayout(pure.fold(graph, new Set())).nodes.length, 3);
});

test('3,000 nodes are laid out at once', () => {
  const graph = pure.fold(bush(3000), new Set());
  const start = performance.now();
  assert.equal(pure.layeredLayout(graph).nodes.length, 3000);
  assert.ok(performance.now() - start < 1500);
});

const GRID = {
  dag_id: 'd',
  version_number: 1,
  last_event_id: 1,
  next_cursor: null,
  tasks: [
    ['a', null],
    ['b', 'g'],
    ['c', null],
    ['e', 'g'],
  ].map(([id, group]) => ({
    task_id: id,
    task_display_name: id,
    type: 'x',
    group_id: group,
    is_mapped: id === 'c',
  })),
  groups: [{ group_id: 'g', parent_group_id: null }],
  runs: ['new', 'old'].map((id, i) => ({
    dag_run_id: id,
    state: 'success',
    run_type: 'manual',
    logical_date: null,
    data_interval_start: null,
    data_interval_end: null,
    run_after: `2011-05-3${1 - i}T00:00:00Z`,
    start_date: null,
    end_date: null,
    version_number: 1,
    has_note: false,
  })),
  cells: ['SFR.', 'SSSS'],
};

test('the grid: oldest run first, groups together, folded ones show the worst', () => {
  const data = pure.decodeGrid(GRID);
  assert.deepEqual(
    data.runs.map((run) => run.id),
    ['old', 'new'],
  );
  const rows = pure.rowsOf(data, new Set(), '');
  assert.deepEqual(
    rows.map((row) => `${row.depth}${row.key}`),
    ['0a', '0group:g', '1b', '1e', '0c'],
  );
  assert.equal(pure.stateAt(data, 1, rows[1]), 'failed');
  assert.deepEqual(
    pure.rowsOf(data, new Set(['g']), '').map((row) => row.key),
    ['a', 'group:g', 'c'],
  );
  assert.deepEqual(
    pure.rowsOf(data, new Set(), 'e').map((row) => row.key),
    ['group:g', 'e'],
  );
  assert.deepEqual(pure.moved({ run: 0, row: 0 }, 'ArrowLeft', 2, 5), { run: 0, row: 0 });
  assert.deepEqual(pure.moved({ run: 0, row: 0 }, 'j', 2, 5), { run: 0, row: 1 });
  assert.equal(pure.moved({ run: 0, row: 0 }, 'c', 2, 5), null);
});

test('events change what is on screen at once', () => {
  const event = {
    id: 1,
    kind: 'task.state',
    at: '',
    dag_id: 'd',
    run_id: 'new',
    task_id: 'b',
    map_index: -1,
    state: 'success',
    backfill_id: null,
  };
  assert.deepEqual(pure.patchGrid(GRID, event).cells, ['SSR.', 'SSSS']);
  assert.equal(pure.patchGrid(GRID, { ...event, run_id: 'other' }), undefined);
  // Of a mapped task only the server knows the letter.
  assert.equal(pure.patchGrid(GRID, { ...event, task_id: 'c' }), undefined);
  assert.equal(
    pure.patchGrid(GRID, { ...event, kind: 'run.state', task_id: null, state: 'failed' }).runs[0]
      .state,
    'failed',
  );
});

test('only rows in sight are drawn', () => {
  assert.deepEqual(pure.windowOf(0, 800, 40, 10_000), [0, 28]);
  assert.deepEqual(pure.windowOf(4000, 800, 40, 10_000), [92, 128]);
  assert.deepEqual(pure.windowOf(0, 800, 40, 3), [0, 3]);
});

test('a strip of many dates shows the worst of each column', () => {
  const states = pure.statesOf('SSSFSSSS');
  assert.deepEqual(pure.binned(states, 4), ['success', 'failed', 'success', 'success']);
  assert.deepEqual(pure.binned(states, 8), states);
});
