#!/usr/bin/env python3
"""kills_test.py NIGHTMILL SOURCE: kill -9 of the daemon, a worker and a task in a running DAG, and
of the daemon again and again. Witnesses: a ledger that tasks append to, REST, and the database."""
import os
import random
import signal

import harness
from harness import wait

RETRY = {"retries": 1, "retry_delay": "200ms", "retry_jitter": "none"}


def thirty_tasks(scribes):
    """A chain, a fan-out, a mapped task, retries and three that last until their gate opens."""
    task = scribes.task
    tasks = [task("c0")]
    tasks += [task(f"c{i}", after=[f"c{i - 1}"]) for i in range(1, 8)]
    tasks += [task(f"f{i}", "nap", 0.05, after=["c1"]) for i in range(10)]
    tasks += [task("join", after=[f"f{i}" for i in range(10)])]
    tasks += [task("m", "nap", 0.05, map={"over": list(range(6))})]
    tasks += [task(f"flaky{i}", "flaky", **RETRY) for i in range(2)]
    tasks += [task(f"long{i}", "gate", f"long{i}") for i in range(3)]
    tasks += [task("victim", "gate", "victim", **RETRY)]
    tasks += [task("last", after=["c7", "join", "m", "flaky0", "flaky1", "long0", "long1", "long2",
                                  "victim"])]
    return {"dag_id": "thirty", "tasks": tasks}


class KillsTest(harness.DaemonTest):
    WORDS = ("--worker-slots", "8")

    def setUp(self):
        super().setUp()
        self.scribes = harness.Scribes(self.daemon)
        self.ledger = self.scribes.ledger

    def check_witnesses(self, dag_id, run_id):
        """What holds after any kills: see reliability.md, promises P2 to P4."""
        run = self.daemon.rows("SELECT run FROM dag_run WHERE dag_id = ? AND run_id = ?", dag_id,
                               run_id)[0]["run"]
        attempts = self.daemon.rows(
            "SELECT a.attempt, a.state, a.outcome, a.try_number, t.task_id, t.map_index"
            " FROM task_attempt a JOIN attempt_target t USING (attempt) WHERE a.run = ?"
            " ORDER BY a.attempt", run)
        starts = [l for l in self.ledger.lines("start") if l.key.startswith(f"{dag_id}/{run_id}/")]
        self.assertEqual(self.ledger.lines("overlap"), [])
        self.assertEqual([a for a in attempts if a["state"] != "ended"], [])
        self.assertEqual(len({l.attempt for l in starts}), len(starts), "an attempt started twice")
        dispatched = {str(a["attempt"]) for a in attempts}
        self.assertEqual({l.attempt for l in starts} - dispatched, set())
        for task in self.daemon.rows("SELECT * FROM task_instance WHERE run = ?", run):
            name = f"{task['task_id']}[{task['map_index']}]"
            mine = [a for a in attempts
                    if (a["task_id"], a["map_index"]) == (task["task_id"], task["map_index"])]
            good = [a for a in mine if a["outcome"] == "succeeded"]
            self.assertEqual(task["state"], "success", name)
            self.assertEqual(len(good), 1, f"{name}: {mine}")
            self.assertEqual(good[0], mine[-1], f"{name} ran again after it had succeeded")
            applied = self.daemon.rows(
                "SELECT data FROM event WHERE run = ? AND task_id = ? AND map_index = ?"
                " AND kind = 'task.state' AND data LIKE '%\"to\":\"success\"%'", run,
                task["task_id"], task["map_index"])
            self.assertEqual(len(applied), 1, name)

    def test_each_process_once(self):
        d, scribes = self.daemon, self.scribes
        d.apply(thirty_tasks(scribes))
        for gate in ("long0", "long1", "long2", "victim"):
            scribes.open(gate)
        calm = d.trigger("thirty")
        self.assertEqual(d.ended("thirty", calm)["state"], "success")
        calm_states = d.states("thirty", calm)
        self.check_witnesses("thirty", calm)
        for gate in ("long0", "long1", "long2", "victim"):
            scribes.gate(gate).unlink()
        before = len(self.ledger.lines())
        wild = d.trigger("thirty")

        def started(task, count):
            return scribes.started(f"{wild}/{task}", count)

        # The daemon: long0 ends while nobody listens, the others go on.
        longs = {name: started(name, 1) for name in ("long0", "long1", "long2", "victim")}
        worker = d.worker()
        d.kill()
        scribes.open("long0")
        wait(lambda: self.ledger.lines("end", f"{wild}/long0"), "end of long0")
        d.start()
        self.assertEqual(d.worker(), worker)
        wait(lambda: d.states("thirty", wild)["long0"] == "success", "result of long0")
        for name in ("long1", "long2", "victim"):
            self.assertEqual(d.states("thirty", wild)[name], "running")
            self.assertTrue(harness.alive(longs[name].pid))
            self.assertEqual(started(name, 1), longs[name])

        # A task: its try fails by the signal, the next one comes.
        os.kill(longs["victim"].pid, signal.SIGKILL)
        self.assertEqual(started("victim", 2).try_number, 2)
        first = d.get(f"/dags/thirty/dagRuns/{harness.quote(wild)}/taskInstances/victim/tries")
        self.assertIn("signal", str(first["task_instances"][0]["failure"]))
        scribes.open("victim")

        # A worker: its tasks die with it and come again in the same try, under a new worker.
        os.kill(worker, signal.SIGKILL)
        for name in ("long1", "long2"):
            again = started(name, 2)
            self.assertFalse(harness.alive(longs[name].pid))
            self.assertEqual((again.try_number, again.attempt == longs[name].attempt), (1, False))
        self.assertNotEqual(d.worker(), worker)
        scribes.open("long1")
        scribes.open("long2")

        self.assertEqual(d.ended("thirty", wild)["state"], "success")
        self.assertEqual(d.states("thirty", wild), calm_states)
        self.check_witnesses("thirty", wild)
        self.assertLess(before, len(self.ledger.lines()))
        tries = {name: task["try_number"] for name, task in d.tasks("thirty", wild).items()}
        self.assertEqual({n: t for n, t in tries.items() if t > 1},
                         {"flaky0": 2, "flaky1": 2, "victim": 2})

    def kill_at_random(self, seed, kills, kill):
        """One run; `kill()` whenever the ledger has grown by a random number of lines."""
        dice = random.Random(seed)
        run_id = self.daemon.trigger("thirty")
        begun = len(self.ledger.lines())
        for number in range(kills):
            lines = begun + dice.randint(number * 10, number * 10 + 9)
            looks = dice.randint(0, 3)

            def due():
                nonlocal looks
                looks -= len(self.ledger.lines()) >= lines
                return looks < 0 or self.daemon.run_of("thirty", run_id)["state"] == "success"
            wait(due, f"{lines} lines")
            kill()
        self.assertEqual(self.daemon.ended("thirty", run_id)["state"], "success")
        self.check_witnesses("thirty", run_id)
        return [line for line in self.ledger.lines("start") if f"/{run_id}/" in line.key]

    def open_all(self):
        self.daemon.apply(thirty_tasks(self.scribes))
        for gate in ("long0", "long1", "long2", "victim"):
            self.scribes.open(gate)

    def test_the_daemon_again_and_again(self):
        def kill():
            self.daemon.kill()
            self.daemon.start()

        self.open_all()
        for seed in (1, 2):
            # Nothing that was running was lost: 32 instances, two of them need a second try.
            self.assertEqual(len(self.kill_at_random(seed, 5, kill)), 32 + 2)

    def test_the_worker_again_and_again(self):
        self.open_all()
        starts = self.kill_at_random(3, 3,
                                     lambda: os.kill(self.daemon.worker(), signal.SIGKILL))
        self.assertGreaterEqual(len(starts), 32 + 2)
        again = {line.key.split("/")[2] for line in starts if line.try_number > 1}
        self.assertEqual(again, {"flaky0", "flaky1"}, "a loss used up a try")


if __name__ == "__main__":
    harness.main()
