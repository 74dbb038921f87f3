#!/usr/bin/env python3
"""cli_test.py NIGHTMILL SOURCE: the command line as a user types it: forms, exit codes, JSON."""
import json
import os
import pathlib
import signal
import subprocess
import unittest

import harness

RULES = ("all_success", "all_failed", "all_done", "one_success", "one_failed", "one_done",
         "none_failed", "none_skipped", "none_failed_min_one_success", "all_skipped",
         "all_done_min_one_success", "always")
TASK = {"id": "t", "type": "shell", "run": "true"}


class Offline(unittest.TestCase):
    """Verbs that need no server and no state."""

    def setUp(self):
        self.box = harness.Sandbox()
        self.addCleanup(self.box.close)

    def json_of(self, *words, code=0, **options):
        answer = self.box.cli(*words, "-o", "json", **options)
        self.assertEqual(answer.returncode, code, answer.stderr)
        return json.loads(answer.stdout)

    def test_usage(self):
        for words in (["frob"], ["dag", "frob"], ["server", "--frob"], ["dag", "validate"],
                      ["run", "trigger"], ["dag", "list", "-o", "yaml"], ["dag"], []):
            answer = self.box.cli(*words)
            self.assertEqual(answer.returncode, 2, words)
            self.assertIn("--help", answer.stdout + answer.stderr, words)
        for words in (["--help"], ["dag", "--help"], ["run", "trigger", "--help"], ["--version"]):
            self.assertEqual(self.box.cli(*words).returncode, 0, words)
        self.assertTrue(self.box.cli("--help").stdout.count("nightmill ") >= 5)
        self.assertEqual(self.box.cli("version").stdout, self.box.cli("--version").stdout)
        self.assertIn("version", self.json_of("version"))
        # Exit codes that are not those of every verb are in its help.
        self.assertIn("exit 0: yes, 1: it says no, 8: it does not answer",
                      self.box.cli("health", "--help").stdout)
        self.assertIn("exit 0 however the run ends", self.box.cli("dag", "test", "--help").stdout)

    def test_bad_configuration(self):
        """78 however the file is named; a wrong flag is wrong usage, with a file or without."""
        bad = self.box.write("bad.json", '{"listne": "127.0.0.1:0"}')
        good = self.box.write("good.json", '{"listen": "127.0.0.1:0"}')
        for words, config, code, said in (
                (["--config", str(bad)], None, 78, "listne"), ([], str(bad), 78, "listne"),
                ([], "absent.json", 78, "absent.json"),
                (["--config", str(good), "--durability", "x"], None, 2, "--durability"),
                (["--durability", "x"], str(good), 2, "--durability")):
            named = {} if config is None else {"NIGHTMILL_CONFIG": config}
            answer = harness.run("server", *words, env={**self.box.env, **named},
                                 cwd=self.box.files)
            self.assertEqual(answer.returncode, code, (words, config, answer.stderr))
            self.assertIn(said, answer.stderr)
        pools = json.dumps({"pools": {f"p{i}": 1 for i in range(1000)}})
        full = self.box.cli("server", "--dev", "--listen", "127.0.0.1:0", "--config",
                            self.box.write("full.json", pools))
        self.assertEqual(full.returncode, 2)
        self.assertIn("1001 pools with those of the configuration; the maximum is 1000",
                      full.stderr)

    def test_no_server(self):
        for words in (["health"], ["run", "list"], ["dag", "list"], ["server", "stop"],
                      ["--url", "http://127.0.0.1:1", "run", "list"]):
            answer = self.box.cli(*words)
            self.assertEqual(answer.returncode, 8, words)
            self.assertIn("nightmill server --dev", answer.stderr)

    def test_init(self):
        self.assertEqual(self.box.cli("init", "my").returncode, 0)
        hello = self.box.files / "my" / "hello.json"
        self.assertLessEqual(len(hello.read_text().splitlines()), 5)
        json.loads((self.box.files / "my/.nightmill/dag-1.schema.json").read_text())
        valid = self.box.cli("dag", "validate", hello)
        self.assertEqual((valid.returncode, valid.stderr), (0, ""))
        hello.write_text(hello.read_text().replace("greet", "mine"))
        self.assertEqual(self.box.cli("init", "my").returncode, 0)
        self.assertIn("mine", hello.read_text())
        refused = self.box.cli("init", "my/hello.json/below")
        self.assertEqual(refused.returncode, 2)
        self.assertIn("cannot make my/hello.json/below: Not a directory\n  next: name a folder",
                      refused.stderr)

    def test_validate(self):
        good = self.box.write("good.json", {"dag_id": "g", "tasks": [TASK]})
        self.assertEqual(self.json_of("dag", "validate", good), [])
        piped = self.box.cli("dag", "validate", "-", stdin=good.read_text())
        self.assertEqual(piped.returncode, 0, piped.stderr)
        self.box.write("bad.json", {"dag_id": "b", "tasks": [dict(TASK, depends_on=["u"])]})
        both = self.box.cli("dag", "validate", self.box.files)
        self.assertEqual(both.returncode, 2)
        self.assertIn("good.json: ok", both.stdout)
        self.assertIn("NM302", both.stdout)
        # What is absent or there twice does not keep the rest from being looked at.
        self.box.write("twin.json", {"dag_id": "g", "tasks": [TASK]})
        absent = self.box.cli("dag", "validate", "absent.json", "good.json", "twin.json")
        self.assertEqual(absent.returncode, 3)
        self.assertIn("good.json: ok", absent.stdout)
        self.assertIn('good.json and twin.json define the same DAG "g"', absent.stderr)
        self.assertEqual(self.json_of("explain", "NM302")["code"], "NM302")
        self.assertEqual(self.box.cli("explain", "NM999").returncode, 3)

    def test_schedule_next(self):
        lines = ['{"expr": "0 6 * * *", "tz": "Europe/Madrid", "start": "2026-03-28T00:00:00Z",'
                 ' "n": 3}', '{"expr": "x", "tz": "UTC", "start": "2026-01-01T00:00:00Z", "n": 1}',
                 "no json", '{"expr": "0 0 30 2 *", "tz": "UTC", "start": "2026-01-01T00:00:00Z",'
                 ' "n": 1}', '{"expr": "@daily", "tz": "Mars/X", "start": "2026-01-01T00:00:00Z",'
                 ' "n": 1}', "", '{"expr": "@daily", "expr": "@hourly",'
                 ' "start": "2026-01-01T00:00:00Z"}',
                 '{"expr": "@daily", "timezone": "UTC", "start": "2026-01-01T00:00:00Z"}',
                 '{"expr": "@daily", "start": "2026-01-01T00:00:00"}']
        answer = self.box.cli("schedule", "next", "--jsonl", stdin="\n".join(lines) + "\n")
        self.assertEqual(answer.returncode, 0, answer.stderr)
        answers = [json.loads(line) for line in answer.stdout.splitlines()]
        self.assertEqual(answers[0], {"next": ["2026-03-28T06:00:00+01:00",
                                               "2026-03-29T06:00:00+02:00",
                                               "2026-03-30T06:00:00+02:00"]})
        self.assertEqual([list(a) for a in answers[1:]], [["error"]] * 8)
        for one in answers[1:]:
            self.assertTrue(one["error"]["message"])
        plain = self.box.cli("schedule", "next", "0 6 * * *", "--start", "2026-01-01T06:00:00Z",
                             "-n", 2)
        self.assertEqual(plain.stdout, "2026-01-02T06:00:00+00:00\n2026-01-03T06:00:00+00:00\n")
        self.assertEqual(self.box.cli("schedule", "next", "0 0 30 2 *").returncode, 2)
        self.assertEqual(self.box.cli("schedule", "next").returncode, 2)
        early = self.box.cli("schedule", "next", "@daily", "--start", "0001-01-01T00:00:00Z")
        self.assertEqual(early.returncode, 2)
        self.assertIn("0001-01-01T00:00:00Z is before 1970", early.stderr)
        for n in (0, -1, 10001):
            refused = self.box.cli("schedule", "next", "@daily", "-n", n)
            self.assertEqual(refused.returncode, 2)
            self.assertIn(f"-n {n} is not from 1 to 10000\n  next: say how many", refused.stderr)

    def test_dag_next(self):
        dag = self.box.write("d.json", {"dag_id": "d", "schedule": "0 6 * * *", "tasks": [TASK]})
        rows = self.json_of("dag", "next", dag, "-n", 3)["next"]
        self.assertEqual(len(rows), 3)
        self.assertEqual(rows[0]["data_interval_end"], rows[0]["run_after"])
        self.assertIn("DATA INTERVAL", self.box.cli("dag", "next", dag).stdout)
        refused = self.box.cli("dag", "next", dag, "-n", 0)
        self.assertEqual(refused.returncode, 2)
        self.assertIn("-n 0 is not from 1 to 10000", refused.stderr)

    # ---- dag test

    def play(self, dag, *words):
        answer = self.json_of("dag", "test", self.box.write("flow.json", dag), *words)
        self.assertEqual(set(answer), {"run", "tasks"})
        self.assertEqual(set(answer["run"]), {"state", "makespan"})
        for task in answer["tasks"]:
            self.assertEqual(set(task), {"task_id", "map_index", "state", "tries", "start", "end"})
        return answer

    def test_dag_test(self):
        def shell(name, *after, **fields):
            return {"id": name, "type": "shell", "run": "true", "depends_on": list(after), **fields}

        flow = {"dag_id": "flow", "schedule": "0 6 * * *",
                "params": {"n": {"type": "integer", "default": 2}},
                "tasks": [shell("a", retries=2, retry_delay="10s", retry_jitter="none"),
                          shell("list", "a"), shell("m", map={"over": "{{ outputs.list }}"}),
                          {"id": "br", "type": "branch", "depends_on": ["a"], "else": ["small"],
                           "cases": [{"if": "{{ params.n > 5 }}", "then": ["big"]}]},
                          shell("big", "br"), shell("small", "br"),
                          shell("join", "big", "small", "m",
                                trigger_rule="none_failed_min_one_success"),
                          shell("alarm", "join", trigger_rule="one_failed")]}
        calm = self.play(flow, "--output", "list=[1, 2]", "--logical-date", "2026-01-05T00:00:00Z")
        self.assertEqual(calm["run"], {"state": "success", "makespan": 4})
        rows = [(t["task_id"], t["map_index"], t["state"], t["tries"], t["start"], t["end"])
                for t in calm["tasks"]]
        self.assertEqual(rows, [
            ("a", -1, "success", 1, 0, 1), ("list", -1, "success", 1, 1, 2),
            ("m", 0, "success", 1, 2, 3), ("m", 1, "success", 1, 2, 3),
            ("br", -1, "success", 1, 1, 1), ("big", -1, "skipped", 0, None, None),
            ("small", -1, "success", 1, 1, 2), ("join", -1, "success", 1, 3, 4),
            ("alarm", -1, "skipped", 0, None, None)])
        rough = self.play(flow, "--output", "list=[1]", "--conf", '{"n": 9}', "--outcome",
                          "m=failed", "--try-outcome", "a=failed,failed,success")
        states = {t["task_id"]: (t["state"], t["tries"]) for t in rough["tasks"]}
        self.assertEqual(states, {"a": ("success", 3), "list": ("success", 1), "m": ("failed", 1),
                                  "br": ("success", 1), "big": ("success", 1),
                                  "small": ("skipped", 0), "join": ("upstream_failed", 0),
                                  "alarm": ("success", 1)})
        spent = self.play(flow, "--output", "list=[1]", "--try-outcome", "a=failed")
        self.assertEqual((spent["tasks"][0]["state"], spent["tasks"][0]["tries"]), ("failed", 3))
        # The state of a run is that of its leaves: the alarm did its work.
        self.assertEqual(spent["run"]["state"], "success")
        del flow["tasks"][-1]
        self.assertEqual(self.play(flow, "--outcome", "a=failed")["run"]["state"], "failed")

    def test_dag_test_errors(self):
        dag = self.box.write("flow.json", {"dag_id": "flow", "tasks": [TASK], "params":
                                           {"n": {"type": "integer", "default": 2}}})
        for words, code, said in (
                (["--outcome", "no=failed"], 3, '"no"'), (["--outcome", "t=maybe"], 2, "maybe"),
                (["--outcome", "t"], 2, "NAME=VALUE"), (["--output", "t=["], 2, "--output t=["),
                (["--conf", '{"n": "x"}'], 2, '"n"'), (["--conf", "{"], 2, "--conf"),
                (["--logical-date", "now"], 2, '"now"')):
            answer = self.box.cli("dag", "test", dag, *words)
            self.assertEqual(answer.returncode, code, words)
            self.assertIn(said, answer.stderr)
        for text, code, said in (('{"no": 5}', 3, '"no"'), ('{"t": 5', 2, "seconds.json: line 1"),
                                 ('[]', 2, "seconds.json"), ('{"t": -1}', 2, "seconds.json: t")):
            seconds = self.box.write("seconds.json", text)
            answer = self.box.cli("dag", "test", dag, "--durations", seconds)
            self.assertEqual(answer.returncode, code, text)
            self.assertIn(said, answer.stderr)
        self.assertEqual(self.box.cli("dag", "test", "nowhere.json").returncode, 3)
        mapped = self.box.write("m.json", {"dag_id": "m", "tasks": [
            TASK, {"id": "m", "type": "shell", "run": "true", "map": {"over": "{{ outputs.t }}"}}]})
        self.assertIn("m failed: ", self.box.cli("dag", "test", mapped).stderr)

    def test_dag_test_of_the_demo(self):
        """Native operators report, so templates of their outputs hold without --output."""
        demo = harness.SOURCE / "dags" / "demo" / "user_features.json"
        answer = self.json_of("dag", "test", demo, "--logical-date", "2011-05-30T06:00:00Z")
        self.assertEqual(answer["run"]["state"], "success")

    def test_trigger_rules(self):
        """Every rule over all ends of two parents, beside the rules' definition in words."""
        def parent(name):
            return {"id": name, "type": "shell", "run": "true"}

        tasks = [parent("a"), parent("b")]
        tasks += [{"id": rule, "type": "shell", "run": "true", "depends_on": ["a", "b"],
                   "trigger_rule": rule} for rule in RULES]
        ends = ("success", "failed", "skipped")
        for a in ends:
            for b in ends:
                answer = self.play({"dag_id": "r", "tasks": tasks}, "--outcome", f"a={a}",
                                   "--outcome", f"b={b}")
                got = {t["task_id"]: t["state"] for t in answer["tasks"]}
                for rule in RULES:
                    with self.subTest(rule=rule, parents=(a, b)):
                        self.assertEqual(got[rule] == "success", runs(rule, [a, b]), got[rule])
                        if got[rule] != "success":
                            self.assertIn(got[rule], ("skipped", "upstream_failed"))


def runs(rule, parents):
    good, bad, skipped = (parents.count(end) for end in ("success", "failed", "skipped"))
    return {"all_success": good == 2, "all_failed": bad == 2, "all_done": True,
            "one_success": good > 0, "one_failed": bad > 0, "one_done": good + bad > 0,
            "none_failed": bad == 0, "none_skipped": skipped == 0,
            "none_failed_min_one_success": bad == 0 and good > 0, "all_skipped": skipped == 2,
            "all_done_min_one_success": good > 0 and skipped == 0, "always": True}[rule]


class Online(harness.DaemonTest):
    WORDS = ("--worker-slots", "4")

    def cli(self, code, *words, **options):
        answer = self.daemon.cli(*words, **options)
        self.assertEqual(answer.returncode, code, f"{words}: {answer.stdout}{answer.stderr}")
        return answer

    def json_of(self, code, *words):
        return json.loads(self.cli(code, *words, "-o", "json").stdout)

    def setUp(self):
        super().setUp()
        self.scribes = harness.Scribes(self.daemon)
        good = {"dag_id": "good", "params": {"n": {"type": "integer", "default": 1}},
                "schedule": {"cron": "0 6 * * *", "start_date": "2026-01-01", "catchup": "none"},
                "tasks": [{"id": "hi", "type": "shell",
                           "run": 'echo "n is $NIGHTMILL_PARAMS"; echo oops >&2'}]}
        bad = {"dag_id": "bad", "tasks": [{"id": "no", "type": "shell", "run": "exit 3"},
                                          {"id": "after", "type": "noop", "depends_on": ["no"]}]}
        slow = {"dag_id": "slow", "tasks": [self.scribes.task("long", "gate", "long")]}
        for dag in (good, bad, slow):
            self.cli(0, "dag", "apply", self.daemon.write(f"{dag['dag_id']}.json", dag))

    def test_five_lines_of_a_new_user(self):
        self.cli(0, "init", "my_dags")
        self.assertIn("hello created, version 1", self.cli(0, "dag", "apply",
                                                           "my_dags/hello.json").stdout)
        waited = self.cli(0, "run", "trigger", "hello", "--wait")
        self.assertIn("hello from manual__", waited.stdout)
        self.assertIn("success", self.cli(0, "run", "watch", "hello").stderr)
        self.assertIn("hello from", self.cli(0, "run", "logs", "hello").stdout)
        self.assertIn("unchanged", self.cli(0, "dag", "apply", "my_dags/hello.json").stdout)
        self.assertIn("ok", self.cli(0, "health").stdout)

    def test_names_are_refused_with_their_rule(self):
        for run_id in ("a b", "a/b", "../x", "~x"):
            said = self.cli(2, "run", "trigger", "good", "--run-id", run_id).stderr
            self.assertIn("A-Z a-z 0-9 _ . ~ : + -", said, run_id)
        for prefix in ("scheduled__", "backfill__", "asset_triggered__"):
            said = self.cli(2, "run", "trigger", "good", "--run-id", f"{prefix}x").stderr
            self.assertIn(f"ids that begin with {prefix} are given by the scheduler", said)
        for pool in ("my pool", "a/b", ".x"):
            said = self.cli(2, "pool", "set", pool, "3").stderr
            self.assertIn("begins with a letter, digit or _", said, pool)
        self.assertEqual(self.json_of(0, "run", "list", "good")["total_entries"], 0)

    def test_runs(self):
        run_id = self.cli(0, "run", "trigger", "good", "--run-id", "r1").stdout.strip()
        self.assertEqual(run_id, "r1")
        done = self.json_of(0, "run", "watch", "good", "r1")
        self.assertEqual(done["state"], "success")
        self.cli(7, "run", "trigger", "good", "--run-id", "r1")
        conf = self.daemon.write("conf.json", {"n": 7})
        said = self.cli(0, "run", "trigger", "good", "--conf", f"@{conf}", "--wait=1m")
        self.assertIn('{"n":7}', said.stdout)
        self.assertIn('"n"', self.cli(2, "run", "trigger", "good", "--conf", '{"n": "x"}').stderr)
        self.assertIn("--conf", self.cli(2, "run", "trigger", "good", "--conf", "{").stderr)
        for words in (["--wait", "foo"], ["--wait=foo"]):
            said = self.cli(2, "run", "trigger", "good", *words).stderr
            self.assertIn('"foo" is not a duration', said, words)
            self.assertIn("write 90s, 1h30m", said, words)
        self.assertEqual(self.json_of(5, "run", "trigger", "bad", "--wait")["state"], "failed")
        listed = self.json_of(0, "run", "list", "good")["dag_runs"]
        self.assertEqual([row["state"] for row in listed], ["success", "success"])
        self.assertEqual(self.json_of(0, "run", "list", "--state", "failed")["total_entries"], 1)
        logs = self.json_of(0, "run", "logs", "good", "r1")["logs"]
        self.assertEqual((logs[0]["task_id"], logs[0]["try_number"]), ("hi", 1))
        self.assertIn("oops", logs[0]["content"])
        for words in (["run", "trigger", "no"], ["run", "list", "no"],
                      ["run", "watch", "good", "x"], ["task", "list", "no"],
                      ["run", "logs", "good", "r1", "--task", "x"],
                      ["dag", "pause", "no"], ["task", "explain", "good", "r1", "x"]):
            answer = self.cli(3, *words)
            self.assertIn("next:", answer.stderr, words)
        self.assertIn('no DAG "no"', self.cli(3, "task", "list", "no").stderr)

    def test_waiting(self):
        late = self.cli(6, "run", "trigger", "slow", "--run-id", "r", "--wait=50ms")
        self.assertIn("nightmill run watch slow r", late.stderr)
        self.cli(6, "run", "watch", "slow", "r", "--timeout", "50ms")
        why = self.json_of(0, "task", "explain", "slow", "r", "long")
        self.assertEqual(why["state"], "running")
        self.assertTrue(why["reasons"])
        self.cli(0, "run", "cancel", "slow", "r")
        self.assertEqual(self.daemon.ended("slow")["state_reason"], "cancelled")
        self.cli(7, "run", "cancel", "slow", "r")
        self.scribes.open("long")

    def follow(self, *words):
        """Starts a verb that waits; stopped with the test."""
        verb = subprocess.Popen([harness.NIGHTMILL, *words], env=self.daemon.env, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(verb.communicate)
        self.addCleanup(verb.kill)
        return verb

    def wait_until_following(self, *verbs):
        """Until each has slept some times between two looks."""
        def looked(verb):
            status = pathlib.Path(f"/proc/{verb.pid}/status").read_text()
            return int(status.rpartition("\nvoluntary_ctxt_switches:")[2].split()[0]) > 15
        harness.wait(lambda: all(map(looked, verbs)), "all verbs have looked at the server")

    def restart(self):
        """Another daemon on another port, some time after the first is gone."""
        self.daemon.kill()
        self.daemon.port = 0
        harness.wait(lambda: self.daemon.cli("health").returncode == 8, "no server")
        self.daemon.start()

    def test_a_restart_while_waiting(self):
        scheduled = {"dag_id": "range", "schedule": {"cron": "0 6 * * *", "catchup": "none",
                                                     "start_date": "2026-01-01"},
                     "tasks": [self.scribes.task("wide", "gate", "long")]}
        failing = {"dag_id": "failing", "tasks": [self.scribes.task("late", "gate", "long"),
                                                  {"id": "no", "type": "shell", "run": "exit 3",
                                                   "depends_on": ["late"]}]}
        for dag in (scheduled, failing):
            self.cli(0, "dag", "apply", self.daemon.write(f"{dag['dag_id']}.json", dag))
        self.cli(0, "run", "trigger", "slow", "--run-id", "r")
        made = self.json_of(0, "backfill", "create", "range", "2026-01-01", "2026-01-02")
        verbs = [(0, self.follow("run", "watch", "slow", "r")),
                 (5, self.follow("run", "trigger", "failing", "--wait")),
                 (0, self.follow("run", "watch", "slow", "r", "-o", "json")),
                 (0, self.follow("backfill", "watch", str(made["id"])))]
        for task in ("long", "late", "wide"):
            self.scribes.started(task)
        self.wait_until_following(*(verb for _, verb in verbs))
        self.restart()
        self.scribes.open("long")
        for code, verb in verbs:
            out, err = verb.communicate(timeout=harness.PATIENCE_S)
            with self.subTest(words=verb.args):
                self.assertEqual(verb.returncode, code, out + err)
                quiet = "json" in verb.args
                self.assertEqual(err.count("does not answer"), 0 if quiet else 1, err)
                if quiet:
                    self.assertEqual(json.loads(out)["state"], "success")

    def test_no_server_for_long(self):
        self.cli(0, "run", "trigger", "slow", "--run-id", "r")
        late = self.follow("run", "watch", "slow", "r", "--timeout", "700ms")
        endless = self.follow("run", "watch", "slow", "r")
        self.scribes.started("long")
        self.wait_until_following(late, endless)
        self.daemon.kill()
        self.assertIn("nightmill run watch slow r", late.communicate(timeout=60)[1])
        self.assertEqual(late.returncode, 6)
        endless.send_signal(signal.SIGINT)
        self.assertIn("detached", endless.communicate(timeout=60)[1])
        self.assertEqual(endless.returncode, 130)
        self.daemon.start()
        self.scribes.open("long")

    def test_long_lists(self):
        for number in range(7):
            self.cli(0, "run", "trigger", "good", "--run-id", f"r{number}", "--logical-date",
                     f"2026-01-0{number + 1}T00:00:00Z")
        self.cli(5, "run", "trigger", "bad", "--wait")
        for words, shown, last in (
                ([], 8, None), (["--limit", "0"], 8, None),
                (["--limit", "3"], 3, "3 of 8 runs; --limit 0 or --offset 3 for more"),
                (["--limit", "3", "--offset", "3"], 3,
                 "3 of 8 runs; --limit 0 or --offset 6 for more"),
                (["--limit", "3", "--offset", "5"], 3, None), (["--offset", "9"], 0, None)):
            with self.subTest(words=words):
                lines = self.cli(0, "run", "list", *words).stdout.splitlines()
                self.assertEqual(len(lines), 1 + shown + (last is not None), lines)
                if last:
                    self.assertEqual(lines[-1], last)
                answer = self.json_of(0, "run", "list", *words)
                self.assertEqual((len(answer["dag_runs"]), answer["total_entries"]), (shown, 8))
        for _ in range(3):
            self.cli(0, "backfill", "create", "good", "2026-01-11", "2026-01-11",
                     "--reprocess-behavior", "completed", "--wait")
        self.assertIn("2 of 3 backfills; --limit 0 or --offset 2 for more",
                      self.cli(0, "backfill", "list", "--limit", "2").stdout)

    def test_names_of_task_instances(self):
        mapped = {"dag_id": "mapped", "tasks": [
            {"id": "m", "type": "shell", "run": "echo item $NIGHTMILL_MAP_INDEX",
             "map": {"over": [7, 8, 9]}}]}
        self.cli(0, "dag", "apply", self.daemon.write("mapped.json", mapped))
        self.cli(0, "run", "trigger", "mapped", "--wait", "60s")
        for name, lines in (("m", 3), ("m:1", 1), ("m[1]", 1)):
            said = self.cli(0, "run", "logs", "mapped", "--task", name).stdout
            self.assertEqual(said.count("item"), lines, said)
        self.assertIn("m[1]", self.cli(0, "task", "explain", "mapped", "~latest", "m[1]").stdout)
        for name, code in (("m:3", 3), ("m:x", 2), ("m[1", 2), ("m[]", 2), ("m:-1", 2)):
            for words in (["run", "logs", "mapped", "--task", name],
                          ["task", "explain", "mapped", "~latest", name]):
                self.assertIn("next:", self.cli(code, *words).stderr, words)

    def test_forms_of_waiting(self):
        for wait in (["--wait=50ms"], ["--wait", "50ms"], ["--wait", "PT0.05S"]):
            late = self.cli(6, "run", "trigger", "slow", *wait)
            self.assertIn("nightmill run watch slow", late.stderr)
        self.cli(0, "run", "trigger", "--wait", "good")
        before = self.daemon.run_count("good")
        bad = self.cli(2, "run", "trigger", "good", "--wait=soon")
        self.assertIn("next:", bad.stderr)
        self.assertEqual(self.daemon.run_count("good"), before, "started in spite of the error")
        self.scribes.open("long")

    def test_times_without_a_zone(self):
        for given, utc in (("2026-02-01", "2026-02-01T00:00:00Z"),
                           ("2026-02-02T06:30", "2026-02-02T06:30:00Z"),
                           ("2026-02-03 06:30:15", "2026-02-03T06:30:15Z"),
                           ("2026-02-04T06:30:00+02:00", "2026-02-04T04:30:00Z")):
            run_id = self.cli(0, "run", "trigger", "good", "--logical-date", given)
            self.assertEqual(self.daemon.run_of("good")["logical_date"], utc)
            self.assertEqual("taken as UTC" in run_id.stderr, "+" not in given, run_id.stderr)
        self.assertIn("(UTC)", self.cli(0, "run", "list").stdout)
        said = self.cli(0, "run", "trigger", "good", "--logical-date", "2026-02-05T00:00:00Z",
                        "--interval", "2026-02-01T00:00", "2026-02-02T00:00")
        self.assertEqual(said.stderr.count("taken as UTC"), 2)
        self.assertEqual(self.daemon.run_of("good")["data_interval_end"], "2026-02-02T00:00:00Z")
        plain = self.cli(0, "schedule", "next", "0 6 * * *", "--start", "2026-01-01T06:00", "-n",
                         "1")
        self.assertEqual(plain.stdout, "2026-01-02T06:00:00+00:00\n")
        self.cli(0, "dag", "test", "good.json", "--logical-date", "2026-02-01T00:00")
        self.assertIn("UTC", self.cli(0, "backfill", "create", "good", "2026-03-01T00:00",
                                      "2026-03-02", "--dry-run").stderr)
        for given in ("yesterday", "2026-02-30", "2026-02-01T25:00", "2026-02-01T06:00 CET"):
            for words in (["run", "trigger", "good", "--logical-date", given],
                          ["schedule", "next", "0 6 * * *", "--start", given]):
                self.assertIn("UTC", self.cli(2, *words).stderr)

    def test_lost_attempts(self):
        self.assertNotIn("lost", self.cli(0, "health").stdout)
        self.cli(0, "run", "trigger", "slow", "--run-id", "r")
        self.scribes.started("long")
        os.kill(self.daemon.worker(), signal.SIGKILL)
        self.scribes.started("long", 2)
        self.assertIn("1 attempt lost, the last time: ", self.cli(0, "task", "list", "slow").stdout)
        row = self.json_of(0, "task", "list", "slow")["task_instances"][0]
        self.assertEqual(row["lost_attempts"], 1)
        self.assertTrue(row["lost_reason"])
        self.assertIn("LOST ATTEMPTS", self.cli(0, "run", "list").stdout)
        self.assertEqual(self.json_of(0, "run", "list")["dag_runs"][0]["lost_attempts"], 1)
        self.assertIn("lost attempts: 1", self.cli(0, "health").stdout)
        self.scribes.open("long")
        self.assertEqual(self.daemon.ended("slow")["lost_attempts"], 1)

    def test_tasks(self):
        self.cli(5, "run", "trigger", "bad", "--wait")
        table = self.cli(0, "task", "list", "bad").stdout
        self.assertIn("exit code 3", table)
        rows = self.json_of(0, "task", "list", "bad")["task_instances"]
        self.assertEqual([(r["task_id"], r["state"]) for r in rows],
                         [("no", "failed"), ("after", "upstream_failed")])
        self.assertIn("upstream_failed",
                      self.cli(0, "task", "explain", "bad", "~latest", "after").stdout)

    def test_pausing(self):
        self.cli(0, "dag", "pause", "good")
        late = self.cli(6, "run", "trigger", "good", "--wait=50ms")
        self.assertIn("nightmill dag resume good", late.stderr)
        row = next(d for d in self.json_of(0, "dag", "list")["dags"] if d["dag_id"] == "good")
        self.assertTrue(row["is_paused"])
        self.cli(0, "dag", "resume", "good")
        self.assertEqual(self.daemon.ended("good")["state"], "success")

    def test_backfills(self):
        dates = ("good", "2026-01-01", "2026-01-03")
        preview = self.json_of(0, "backfill", "create", *dates, "--dry-run")["backfills"]
        self.assertEqual([row["verdict"] for row in preview], ["create"] * 3)
        self.assertEqual(self.daemon.run_count("good"), 0)
        created = self.json_of(0, "backfill", "create", *dates, "--max-active-runs", "1")
        watched = self.json_of(0, "backfill", "watch", created["id"])
        self.assertEqual((watched["state"], watched["counts"]), ("completed",
                         {"planned": 0, "queued": 0, "running": 0, "success": 3, "failed": 0,
                          "skipped": 0, "cancelled": 0}))
        self.assertEqual(self.daemon.run_count("good"), 3)
        self.cli(7, "backfill", "create", *dates)
        again = self.json_of(0, "backfill", "create", *dates, "--reprocess-behavior", "completed",
                             "--wait")
        self.assertEqual(again["outcome"], "success")
        self.cli(2, "backfill", "create", "good", "2026-01-03", "2026-01-01")
        self.cli(2, "backfill", "create", "good")
        for words in (["create", "no", "2026-01-01", "2026-01-02"], ["watch", "77"],
                      ["pause", "77"], ["cancel", "77"]):
            self.cli(3, "backfill", *words)

    def test_backfill_pause_and_cancel(self):
        slow = {"dag_id": "slow", "schedule": {"cron": "0 6 * * *", "start_date": "2026-01-01",
                                               "catchup": "none"},
                "tasks": [self.scribes.task("long", "gate", "long")]}
        self.cli(0, "dag", "apply", self.daemon.write("slow.json", slow))
        made = self.json_of(0, "backfill", "create", "slow", "2026-01-01", "2026-01-05",
                            "--max-active-runs", "1")["id"]
        self.scribes.started("long")
        self.assertEqual(self.json_of(0, "backfill", "pause", made)["state"], "paused")
        self.scribes.open("long")
        harness.wait(lambda: self.daemon.run_count("slow", "success") == 1, "the first run's end")
        self.assertEqual(self.daemon.run_count("slow"), 1)
        self.scribes.gate("long").unlink()
        watch = self.follow("backfill", "watch", str(made))
        lines = [watch.stderr.readline(), watch.stderr.readline()]
        self.assertIn(f"backfill {made} is paused, no further run starts; go on: "
                      f"nightmill backfill resume {made}\n", lines)
        self.cli(0, "backfill", "resume", made)
        lines = [watch.stderr.readline(), watch.stderr.readline()]
        self.assertIn(f"backfill {made} goes on\n", lines)
        self.scribes.started("long", 2)
        self.cli(0, "backfill", "cancel", made)
        watch.communicate(timeout=30)
        self.assertEqual(watch.returncode, 5)
        self.scribes.open("long")
        self.cli(5, "backfill", "watch", made)
        self.assertLessEqual(self.daemon.run_count("slow"), 2)
        self.assertIn("cancelled", self.cli(0, "backfill", "list").stdout)

    def test_json_everywhere(self):
        self.cli(0, "run", "trigger", "good", "--run-id", "r1", "--wait")
        for words in (["health"], ["version"], ["dag", "list"], ["run", "list"],
                      ["run", "list", "good"], ["run", "watch", "good", "r1"],
                      ["run", "logs", "good", "r1"], ["task", "list", "good", "r1"],
                      ["task", "explain", "good", "r1", "hi"], ["pool", "list"],
                      ["pool", "set", "p", "3"], ["backfill", "list"], ["dag", "pause", "good"],
                      ["dag", "resume", "good"], ["dag", "next", "good.json"], ["schema", "dag"],
                      ["dag", "validate", "good.json"], ["dag", "apply", "good.json"],
                      ["server", "stop"]):
            with self.subTest(words=words):
                self.json_of(0, *words)


if __name__ == "__main__":
    harness.main()
