-- Attempts whose end nobody knows are few, and lists ask for them with every page.
PRAGMA user_version = 2;
CREATE INDEX task_attempt_lost ON task_attempt (run) WHERE outcome = 'lost';
