-- Every warning and miss of an SLA with what was known then (core/model/alert.h). What became of it
-- is in its row of `sla`. What was warned of or missed before this migration has no entry: nothing
-- had kept its kind.
PRAGMA user_version = 6;
CREATE TABLE sla_miss (
  miss          INTEGER PRIMARY KEY,
  dag_id        TEXT NOT NULL,
  name          TEXT NOT NULL,
  slot          INTEGER NOT NULL,
  map_index     INTEGER NOT NULL,
  kind          TEXT NOT NULL,
  predicted_end INTEGER,
  holdup        TEXT NOT NULL
) STRICT;
