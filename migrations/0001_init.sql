-- First schema. Words are the enums' texts of core/model and core/rules; instants are UTC
-- microseconds since 1970; an absent id, instant or number is NULL, an absent text is ''.
--
-- Rows of one run are neighbours on disk: keys are clustered by (run, task), ids rise, and indexes
-- on states hold live rows only, so finished history costs a commit nothing. There are no foreign
-- keys: one writer commits what the engine decided, in the engine's order, and keys are never reused.

PRAGMA application_id = 0x4E4D494C;  -- "NMIL"
PRAGMA user_version = 1;             -- the number of this file

-- One row. epoch: starts of the daemon. last_*: highest ids ever given, also of rows deleted since.
CREATE TABLE meta (
  id            INTEGER PRIMARY KEY CHECK (id = 1),
  epoch         INTEGER NOT NULL,
  last_run      INTEGER NOT NULL,
  last_attempt  INTEGER NOT NULL,
  last_backfill INTEGER NOT NULL
) STRICT;
INSERT INTO meta VALUES (1, 0, 0, 0, 0);

CREATE TABLE dag (
  dag_id            TEXT NOT NULL PRIMARY KEY,
  version           INTEGER NOT NULL,
  paused            INTEGER NOT NULL,
  deleted           INTEGER NOT NULL,
  first_accepted_at INTEGER NOT NULL,
  enabled_at        INTEGER NOT NULL,
  last_tick         INTEGER,
  fileloc           TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE dag_version (
  dag_id     TEXT NOT NULL,
  version    INTEGER NOT NULL,
  hash       TEXT NOT NULL,
  source     TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (dag_id, version)
) STRICT;

-- crc here and below: CRC-32C of the row's other columns, checked whenever the row is read.
CREATE TABLE dag_run (
  run             INTEGER PRIMARY KEY,
  dag_id          TEXT NOT NULL,
  run_id          TEXT NOT NULL,
  run_type        TEXT NOT NULL,
  lane            TEXT NOT NULL,
  state           TEXT NOT NULL,
  reason          TEXT NOT NULL,
  stopping        INTEGER NOT NULL,
  logical_date    INTEGER,
  interval_start  INTEGER,
  interval_end    INTEGER,
  run_after       INTEGER NOT NULL,
  queued_at       INTEGER NOT NULL,
  started_at      INTEGER,
  ended_at        INTEGER,
  version         INTEGER NOT NULL,
  conf            TEXT NOT NULL,
  note            TEXT NOT NULL,
  triggered_by    TEXT NOT NULL,
  backfill        INTEGER,
  clear_number    INTEGER NOT NULL,
  hidden_failures INTEGER NOT NULL,
  crc             INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX dag_run_id ON dag_run (dag_id, run_id);
CREATE UNIQUE INDEX dag_run_date ON dag_run (dag_id, logical_date) WHERE logical_date IS NOT NULL;
CREATE INDEX dag_run_newest ON dag_run (dag_id, run);
CREATE INDEX dag_run_state ON dag_run (dag_id, state);
CREATE INDEX dag_run_live ON dag_run (run) WHERE state IN ('queued', 'running');
CREATE INDEX dag_run_backfill ON dag_run (backfill) WHERE backfill IS NOT NULL;

CREATE TABLE task_instance (
  run               INTEGER NOT NULL,
  task_id           TEXT NOT NULL,
  map_index         INTEGER NOT NULL,
  state             TEXT NOT NULL,
  try_number        INTEGER NOT NULL,
  max_tries         INTEGER NOT NULL,
  cycle_failures    INTEGER NOT NULL,
  internal_failures INTEGER NOT NULL,
  losses            INTEGER NOT NULL,
  attempt           INTEGER,
  skip_reason       TEXT NOT NULL,
  failure           TEXT NOT NULL,
  map_item          TEXT NOT NULL,
  output            TEXT NOT NULL,
  artifact          TEXT NOT NULL,
  branch            TEXT NOT NULL,
  scheduled_at      INTEGER,
  queued_at         INTEGER,
  started_at        INTEGER,
  ended_at          INTEGER,
  due_at            INTEGER,
  cycle_started_at  INTEGER,
  deferred_since    INTEGER,
  pokes             INTEGER NOT NULL,
  crc               INTEGER NOT NULL,
  PRIMARY KEY (run, task_id, map_index)
) STRICT, WITHOUT ROWID;
CREATE INDEX task_instance_live ON task_instance (state)
  WHERE state IN ('scheduled', 'queued', 'running', 'restarting', 'deferred', 'up_for_retry');

CREATE TABLE task_attempt (
  attempt       INTEGER PRIMARY KEY,
  run           INTEGER NOT NULL,
  try_number    INTEGER NOT NULL,
  state         TEXT NOT NULL,
  epoch         INTEGER NOT NULL,
  worker        TEXT NOT NULL,
  incarnation   INTEGER NOT NULL,  -- 64 random bits, as a signed number
  outcome       TEXT NOT NULL,
  failure       TEXT NOT NULL,
  kill_reason   TEXT NOT NULL,
  rendered      TEXT NOT NULL,
  report        TEXT NOT NULL,
  log_path      TEXT NOT NULL,
  dispatched_at INTEGER NOT NULL,
  started_at    INTEGER,
  ended_at      INTEGER,
  cpu_seconds   REAL NOT NULL,
  max_rss_bytes INTEGER NOT NULL,
  bytes_read    INTEGER NOT NULL,
  bytes_written INTEGER NOT NULL,
  places        INTEGER NOT NULL,
  crc           INTEGER NOT NULL
) STRICT;
CREATE INDEX task_attempt_open ON task_attempt (attempt)
  WHERE state IN ('dispatched', 'running', 'killing');

-- What an attempt works for: one row today, many when one shared scan serves many slots.
CREATE TABLE attempt_target (
  attempt   INTEGER NOT NULL,
  run       INTEGER NOT NULL,
  task_id   TEXT NOT NULL,
  map_index INTEGER NOT NULL,
  PRIMARY KEY (attempt, run, task_id, map_index)
) STRICT, WITHOUT ROWID;
CREATE INDEX attempt_target_task ON attempt_target (run, task_id, map_index, attempt);

CREATE TABLE pool (
  name             TEXT NOT NULL PRIMARY KEY,
  slots            INTEGER NOT NULL,
  description      TEXT NOT NULL,
  include_deferred INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE backfill (
  backfill        INTEGER PRIMARY KEY,
  dag_id          TEXT NOT NULL,
  state           TEXT NOT NULL,
  from_date       INTEGER NOT NULL,
  to_date         INTEGER NOT NULL,
  reprocess       TEXT NOT NULL,
  max_active_runs INTEGER NOT NULL,
  run_backwards   INTEGER NOT NULL,
  conf            TEXT NOT NULL,
  created_at      INTEGER NOT NULL,
  ended_at        INTEGER,
  outcome         TEXT NOT NULL
) STRICT;
CREATE INDEX backfill_live ON backfill (backfill) WHERE state IN ('active', 'paused');

CREATE TABLE backfill_slot (
  backfill       INTEGER NOT NULL,
  seq            INTEGER NOT NULL,
  logical_date   INTEGER NOT NULL,
  interval_start INTEGER NOT NULL,
  interval_end   INTEGER NOT NULL,
  verdict        TEXT NOT NULL,
  reason         TEXT NOT NULL,
  state          TEXT NOT NULL,
  run            INTEGER,
  run_state      TEXT NOT NULL,
  PRIMARY KEY (backfill, seq)
) STRICT, WITHOUT ROWID;

-- The decision about one tick of a schedule; reason '' means that a run was created.
CREATE TABLE slot (
  dag_id TEXT NOT NULL,
  tick   INTEGER NOT NULL,
  reason TEXT NOT NULL,
  run    INTEGER,
  PRIMARY KEY (dag_id, tick)
) STRICT, WITHOUT ROWID;

CREATE TABLE event (
  id        INTEGER PRIMARY KEY,
  at        INTEGER NOT NULL,
  kind      TEXT NOT NULL,
  dag_id    TEXT NOT NULL,
  run       INTEGER,
  task_id   TEXT NOT NULL,
  map_index INTEGER NOT NULL,
  attempt   INTEGER,
  data      TEXT NOT NULL
) STRICT;
CREATE TRIGGER event_is_append_only BEFORE UPDATE ON event
BEGIN SELECT raise(ABORT, 'events are never changed'); END;

-- hash chains each row to the one before it.
CREATE TABLE audit (
  id           INTEGER PRIMARY KEY,
  at           INTEGER NOT NULL,
  principal    TEXT NOT NULL,
  source       TEXT NOT NULL,
  action       TEXT NOT NULL,
  target       TEXT NOT NULL,
  before_state TEXT NOT NULL,
  after_state  TEXT NOT NULL,
  result       TEXT NOT NULL,
  request_id   TEXT NOT NULL,
  hash         TEXT NOT NULL
) STRICT;
CREATE TRIGGER audit_is_append_only BEFORE UPDATE ON audit
BEGIN SELECT raise(ABORT, 'audit rows are never changed'); END;
CREATE TRIGGER audit_is_kept BEFORE DELETE ON audit
BEGIN SELECT raise(ABORT, 'audit rows are never deleted'); END;

CREATE TABLE idempotency (
  principal  TEXT NOT NULL,
  key        TEXT NOT NULL,
  route      TEXT NOT NULL,
  body_hash  TEXT NOT NULL,
  status     INTEGER NOT NULL,
  answer     TEXT NOT NULL,
  run        INTEGER,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (principal, key)
) STRICT;

CREATE TABLE token (
  id         TEXT NOT NULL PRIMARY KEY,
  hash       TEXT NOT NULL UNIQUE,
  role       TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER,
  revoked_at INTEGER
) STRICT, WITHOUT ROWID;
