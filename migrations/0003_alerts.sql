-- Alerts, their deliveries (the outbox) and the standing of SLAs (core/model/alert.h). Words and
-- instants as in 0001.
PRAGMA user_version = 3;

CREATE TABLE alert (
  alert     INTEGER PRIMARY KEY,
  at        INTEGER NOT NULL,
  type      TEXT NOT NULL,
  severity  TEXT NOT NULL,
  dag_id    TEXT NOT NULL,
  run       INTEGER,
  task_id   TEXT NOT NULL,
  map_index INTEGER NOT NULL,
  dedup_key TEXT NOT NULL,
  data      TEXT NOT NULL
) STRICT;
CREATE INDEX alert_key ON alert (dedup_key, alert) WHERE dedup_key <> '';
CREATE TRIGGER alert_is_append_only BEFORE UPDATE ON alert
BEGIN SELECT raise(ABORT, 'alerts are never changed'); END;

-- The outbox is what is pending: asked for by notifier, in the order of being due. The other indexes
-- hold what a list of notifiers shows of each.
CREATE TABLE delivery (
  alert       INTEGER NOT NULL,
  notifier    TEXT NOT NULL,
  state       TEXT NOT NULL,
  tries       INTEGER NOT NULL,
  next_at     INTEGER NOT NULL,
  ended_at    INTEGER,
  last_at     INTEGER,
  last_status INTEGER NOT NULL,
  last_error  TEXT NOT NULL,
  PRIMARY KEY (alert, notifier)
) STRICT, WITHOUT ROWID;
CREATE INDEX delivery_due ON delivery (notifier, next_at, alert) WHERE state = 'pending';
CREATE INDEX delivery_dead ON delivery (notifier) WHERE state = 'dead';
CREATE INDEX delivery_done ON delivery (notifier, ended_at) WHERE state = 'delivered';
CREATE INDEX delivery_refused ON delivery (notifier, last_at) WHERE last_error <> '';

CREATE TABLE sla (
  dag_id    TEXT NOT NULL,
  name      TEXT NOT NULL,
  slot      INTEGER NOT NULL,
  task_id   TEXT NOT NULL,
  map_index INTEGER NOT NULL,
  run       INTEGER,
  state     TEXT NOT NULL,
  severity  TEXT NOT NULL,
  reference INTEGER NOT NULL,
  warn_at   INTEGER,
  due_at    INTEGER,
  warned_at INTEGER,
  missed_at INTEGER,
  landed_at INTEGER,
  cause     TEXT NOT NULL,
  PRIMARY KEY (dag_id, name, slot, map_index)
) STRICT, WITHOUT ROWID;
CREATE INDEX sla_live ON sla (dag_id) WHERE state IN ('armed', 'warned', 'missed');
