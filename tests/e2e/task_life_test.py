#!/usr/bin/env python3
"""task_life_test.py NIGHTMILL SOURCE: what a task is given, what is said about it when it has
ended, and what a second run of the same date leaves of the first."""
import json
import unittest

import harness


def shell(name, run, **fields):
    return {"id": name, "type": "shell", "run": run, **fields}


class TaskLife(harness.DaemonTest):
    def run_dag(self, *tasks, trigger=None, **fields):
        """Applies the DAG "d" of these tasks and runs it to its end."""
        self.daemon.apply({"dag_id": "d", "paused_upon_creation": False, "tasks": list(tasks),
                           **fields})
        run_id = self.daemon.trigger("d", **(trigger or {}))
        return self.daemon.ended("d", run_id)

    def failure(self, task):
        return self.daemon.tasks("d")[task]["failure"]

    def explain(self, task):
        answer = self.daemon.cli("task", "explain", "d", "~latest", task)
        self.assertEqual(answer.returncode, 0, answer.stderr)
        return answer.stdout

    def notes(self):
        """{task: NOTE of `task list`}."""
        lines = self.daemon.cli("task", "list", "d").stdout.splitlines()
        at = lines[0].index("NOTE")
        return {line.split()[0]: line[at:].strip() for line in lines[1:]}

    # ---- what it is given

    def test_long_values_come_as_files(self):
        size = 300_000
        run = self.run_dag(
            shell("given", 'wc -c < "$NIGHTMILL_PARAMS_FILE" > "$NIGHTMILL_OUTPUT"'),
            shell("make", f"head -c {size} /dev/zero | tr '\\0' x | sed 's/.*/[\"&\", 1]/' "
                          '> "$NIGHTMILL_OUTPUT"'),
            shell("item", 'if [ -n "${NIGHTMILL_MAP_ITEM_FILE:-}" ]; then '
                          'wc -c < "$NIGHTMILL_MAP_ITEM_FILE"; else echo "$NIGHTMILL_MAP_ITEM"; fi '
                          '> "$NIGHTMILL_OUTPUT"', map={"over": "{{ outputs.make }}"}),
            params={"text": {"type": "string", "default": ""}},
            trigger={"conf": {"text": "p" * size}})
        self.assertEqual(run["state"], "success", self.daemon.tasks("d"))
        tasks = self.daemon.tasks("d")
        self.assertEqual(tasks["given"]["output"], size + len('{"text":""}'))
        self.assertEqual(tasks["item/0"]["output"], size + 2)
        self.assertEqual(tasks["item/1"]["output"], 1)
        left = [p for p in (self.daemon.state / "outputs").rglob("*") if p.is_file()]
        self.assertEqual(left, [])

    def test_own_values_that_no_process_can_have(self):
        self.run_dag(shell("t", "true", env={"BIG": "{{ params.text }}"}, retries=3),
                     params={"text": {"type": "string", "default": "x" * 200_000}})
        failure = self.failure("t")
        self.assertEqual(failure["kind"], "definition")
        self.assertIn("env BIG has 200004 bytes", failure["message"])
        self.assertIn("write the value to a file", failure["message"])
        self.assertEqual(self.daemon.tasks("d")["t"]["try_number"], 1)

    def test_output_that_is_no_json(self):
        self.run_dag(shell("t", "printf '{\n  oops' > $NIGHTMILL_OUTPUT"))
        message = self.failure("t")["message"]
        self.assertIn("NIGHTMILL_OUTPUT is not JSON: line 2, column 3: expected", message)
        self.assertIn('set "output" to lines', message)

    # ---- what is said of it

    def test_explain_of_what_has_ended(self):
        self.run_dag(shell("ok", "true"), shell("no", "exit 3", retries=1, retry_delay="1s"),
                     shell("after", "true", depends_on=["ok", "no"]),
                     shell("skip", "exit 99"), shell("last", "true", depends_on=["skip"]),
                     {"id": "pick", "type": "branch", "depends_on": ["ok"],
                      "cases": [{"if": "{{ false }}", "then": ["x"]}], "else": ["y"]},
                     shell("x", "true", depends_on=["pick"]),
                     shell("y", "true", depends_on=["pick"]),
                     shell("never", "true", when="{{ params.n > 1 }}"),
                     params={"n": {"type": "integer", "default": 1}})
        self.assertIn("try 1 succeeded", self.explain("ok"))
        said = self.explain("no")
        self.assertIn("no is failed", said)
        for part in ("try 2 failed: exit code 3", "all tries are used: retries is 1",
                     "tasks below: after upstream_failed"):
            self.assertIn(part, said)
        self.assertIn("rule all_success: no failed; of 2 upstream instances 1 success, 1 failed",
                      self.explain("after"))
        self.assertIn("exit code 99", self.explain("skip"))
        self.assertIn("rule all_success: skip skipped", self.explain("last"))
        self.assertIn("branch pick chose y", self.explain("x"))
        self.assertIn("its condition was false: when {{ params.n > 1 }}", self.explain("never"))

    def test_kills_are_noted(self):
        scribes = harness.Scribes(self.daemon)
        self.daemon.apply({"dag_id": "d", "paused_upon_creation": False, "tasks": [
            scribes.task("t", "gate", "t"), shell("u", "true", depends_on=["t"])]})
        run_id = self.daemon.trigger("d")
        scribes.started("t")
        self.daemon.call("POST", f"/dags/d/dagRuns/{harness.quote(run_id)}/cancel")
        self.daemon.ended("d", run_id)
        self.assertEqual(self.notes(), {"t": "the run was cancelled", "u": "cancelled"})
        self.assertIn("try 1 was ended: the run was cancelled by ", self.explain("t"))
        self.assertIn("not started: the run was cancelled by ", self.explain("u"))

        self.daemon.apply({"dag_id": "d", "run_timeout": "1s", "tasks": [
            scribes.task("t", "gate", "t")]})
        self.daemon.ended("d", self.daemon.trigger("d"))
        self.assertEqual(self.notes(), {"t": "run_timeout of the run was reached"})
        self.assertIn("run_timeout of the run was reached", self.explain("t"))

    def test_explain_of_a_run_that_never_began(self):
        self.daemon.apply({"dag_id": "d", "paused_upon_creation": True,
                           "tasks": [shell("t", "true")]})
        run_id = self.daemon.trigger("d")
        self.daemon.call("POST", f"/dags/d/dagRuns/{harness.quote(run_id)}/cancel")
        self.assertIn("its run never began: the run was cancelled by ", self.explain("t"))

    # ---- its second life

    def test_tries_go_on_counting_in_a_backfill(self):
        say = shell("t", "echo life $LIFE", env={"LIFE": "1"})
        schedule = {"cron": "@daily", "start_date": "2026-01-01", "catchup": "none"}
        self.run_dag(say, schedule=schedule, trigger={"logical_date": "2026-01-01T00:00:00Z",
                                                      "dag_run_id": "mine"})
        self.daemon.apply({"dag_id": "d", "schedule": schedule,
                           "tasks": [shell("t", "echo life $LIFE", env={"LIFE": "2"})]})
        answer = self.daemon.cli("backfill", "create", "d", "2026-01-01", "2026-01-01",
                                 "--reprocess-behavior", "completed", "--wait=1m")
        self.assertEqual(answer.returncode, 0, answer.stderr)
        path = "/dags/d/dagRuns/mine/taskInstances/t"
        self.assertEqual(self.daemon.get(path)["try_number"], 2)
        tries = self.daemon.get(f"{path}/tries")["task_instances"]
        self.assertEqual([one["try_number"] for one in tries], [1, 2])
        for number in (1, 2):
            log = json.dumps(self.daemon.get(f"{path}/logs/{number}")["content"])
            self.assertIn(f"life {number}", log)


if __name__ == "__main__":
    harness.main()
