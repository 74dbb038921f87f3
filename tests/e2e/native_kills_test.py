#!/usr/bin/env python3
"""native_kills_test.py NIGHTMILL SOURCE: kill -9 of an operator host, a worker and the daemon while
native operators work. The published table must be the one of an undisturbed run, byte for byte, and
nothing half written may be seen at any time."""
import contextlib
import hashlib
import os
import pathlib
import signal

import harness
from harness import wait

# Enough work that three tasks are caught running, also where looking is slow. ThreadSanitizer makes
# every row several times slower.
ROWS = 40_000 if "TSAN_OPTIONS" in os.environ else 200_000
PARTS = 24


def csv_bytes(rows):
    lines = [f"{i},u{i % 977},{(i * 7919) % 1000 / 8}" for i in range(rows)]
    return ("id,user,amount\n" + "\n".join(lines) + "\n").encode()


def native_dag(sandbox, dag_id):
    """Parts converted one after the other, then counted per user."""
    tasks = []
    for i in range(PARTS):
        tasks.append({"id": f"load{i}", "type": "convert",
                      "depends_on": [f"load{i - 1}"] if i else [],
                      "in": {"path": str(sandbox.files / "big.csv"), "format": "csv"},
                      "schema": {"id": "int64", "user": "string", "amount": "float64"},
                      "out": {"path": f"{dag_id}/lake", "partition": {"part": f"p{i}"}}})
    tasks.append({"id": "users", "type": "aggregate", "depends_on": [f"load{PARTS - 1}"],
                  "in": {"path": f"{dag_id}/lake"}, "keys": ["user"],
                  "features": [{"name": "n", "fn": "count"},
                               {"name": "total", "fn": "sum", "col": "amount"}],
                  "out": {"path": f"{dag_id}/users"}})
    return {"dag_id": dag_id, "tasks": tasks}


class NativeKillsTest(harness.DaemonTest):
    def table(self, path):
        """SHA-256 of each current file of a table, as `table files` lists them."""
        listed = self.daemon.cli("table", "files", self.daemon.state / "data" / path)
        self.assertEqual(listed.returncode, 0, listed.stderr)
        files = listed.stdout.split()
        self.assertTrue(files)
        return sorted(hashlib.sha256(pathlib.Path(f).read_bytes()).hexdigest() for f in files)

    def frozen(self, dag_id):
        """Stops the operator hosts in the middle of a native task; the task's name. A report that
        was already under way would have arrived within the looks taken here."""
        while True:
            def running():
                states = self.daemon.states(dag_id)
                return next((name for name in states if states[name] == "running"), "")
            task = wait(running, "a running task: more rows are needed")
            hosts = self.daemon.hosts(self.daemon.worker())
            for pid in hosts:
                os.kill(pid, signal.SIGSTOP)
            if all(self.daemon.states(dag_id)[task] == "running" for _ in range(30)):
                return task, hosts
            for pid in hosts:
                os.kill(pid, signal.SIGCONT)

    def tries(self, dag_id, task):
        rows = self.daemon.rows(
            "SELECT a.outcome, a.try_number FROM task_attempt a JOIN attempt_target t"
            " USING (attempt) JOIN dag_run r ON r.run = a.run WHERE r.dag_id = ? AND t.task_id = ?"
            " ORDER BY a.attempt", dag_id, task)
        return [(row["outcome"], row["try_number"]) for row in rows]

    def test_host_worker_and_daemon(self):
        d = self.daemon
        d.write("big.csv", csv_bytes(ROWS))
        d.apply(native_dag(d, "calm"))
        d.trigger("calm")
        self.assertEqual(d.ended("calm")["state"], "success")

        d.apply(native_dag(d, "wild"))
        d.trigger("wild")
        lost = {}
        for who in ("host", "daemon", "worker"):
            task, hosts = self.frozen("wild")
            worker = d.worker()
            if who == "worker":
                os.kill(worker, signal.SIGKILL)
                wait(lambda: not any(map(harness.alive, hosts)), "the hosts die with their worker")
            elif who == "daemon":
                d.kill()
                d.start()
                self.assertEqual(d.worker(), worker)
            for pid in hosts:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL if who == "host" else signal.SIGCONT)
            wait(lambda: d.states("wild")[task] == "success", f"{task} after the {who}'s death")
            lost[who] = [outcome for outcome, _ in self.tries("wild", task)]
        self.assertEqual(d.ended("wild")["state"], "success", d.tasks("wild"))
        # A lost attempt does not use up a try; the daemon's death loses nothing.
        for name in d.states("wild"):
            tries = self.tries("wild", name)
            self.assertEqual([outcome for outcome, _ in tries].count("succeeded"), 1, name)
            self.assertEqual(tries[-1], ("succeeded", 1), name)
        self.assertEqual(lost, {"host": ["lost", "succeeded"], "daemon": ["succeeded"],
                                "worker": ["lost", "succeeded"]})
        self.assertEqual(self.table("wild/users"), self.table("calm/users"))
        self.assertEqual(self.table("wild/lake"), self.table("calm/lake"))
        # What the killed attempts left lies where no reader looks.
        listed = d.cli("table", "files", d.state / "data" / "wild" / "lake").stdout.split()
        visible = [p for p in (d.state / "data" / "wild" / "lake").rglob("*.parquet")
                   if "_staging" not in p.parts]
        self.assertEqual(sorted(map(str, visible)), sorted(listed))


if __name__ == "__main__":
    harness.main()
