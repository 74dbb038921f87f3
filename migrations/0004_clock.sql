-- How the wall clock stood to the time since boot (store/rows.h, ClockRow): spans outlast a clock
-- that was set while the daemon was down.
PRAGMA user_version = 4;

CREATE TABLE clock (
  id        INTEGER PRIMARY KEY CHECK (id = 1),
  boot_id   TEXT NOT NULL,
  booted_at INTEGER NOT NULL
) STRICT;
