-- The first run of a DAG that failed since its last success: who hears of that is told of the end.
PRAGMA user_version = 5;
ALTER TABLE dag ADD COLUMN failing TEXT NOT NULL DEFAULT '';
