#!/usr/bin/env python3
"""bad_input_test.py NIGHTMILL SOURCE: everything that can be wrong with a DAG file, a
spec, a data file or a request. Each time: a message that names the place, an exit code that is not
zero, and the published tables as they were."""
import hashlib
import json
import os
import socket
import unittest

import harness

# (name, text of the file, what the message must hold: place, code, and the words that matter)
SHELL = '"type": "shell", "run": "true"'
BAD_DAGS = (
    ("unknown_operator",
     '{"dag_id": "a", "tasks": [\n  {"id": "x", "type": "shel", "run": "true"}]}',
     (":2:23: error NM207", "shel", 'did you mean "shell"?', "/tasks/0/type")),
    ("cycle", '{"dag_id": "a", "tasks": [\n  {"id": "x", %s, "depends_on": ["y"]},\n'
     '  {"id": "y", %s, "depends_on": ["x"]}]}' % (SHELL, SHELL),
     (":2:62: error NM303", "x -> y -> x", "/tasks/0/depends_on/0")),
    ("duplicate_id", '{"dag_id": "a", "tasks": [\n  {"id": "x", %s},\n  {"id": "x", %s}]}'
     % (SHELL, SHELL), (":3:10: error NM301", '"x" is there twice', "/tasks/1/id")),
    ("duplicate_key", '{"dag_id": "a",\n  "dag_id": "b", "tasks": [{"id": "x", %s}]}' % SHELL,
     (":2:3: error NM106", '"dag_id" is there twice')),
    ("bad_cron",
     '{"dag_id": "a", "schedule":\n  {"cron": "0 25 * * *", "start_date": "2026-01-01"},'
     '\n  "tasks": [{"id": "x", %s}]}' % SHELL,
     (":2:12: error NM306", "25 is not in 0-23", "/schedule/cron")),
    ("never_fires", '{"dag_id": "a", "schedule":\n  {"cron": "0 0 30 2 *", "start_date":'
     ' "2026-01-01"},\n  "tasks": [{"id": "x", %s}]}' % SHELL,
     (":2:12: error NM307", "never fires", "/schedule/cron")),
    ("no_json", '{"dag_id": "a",\n  "tasks": [}', (":2:13: error NM1",)),
    ("trailing_comma", '{"dag_id": "a",\n  "tasks": [{"id": "x", %s},]}' % SHELL,
     (":2:", "error NM1")),
    ("unknown_key", '{"dag_id": "a", "taks": [],\n  "tasks": [{"id": "x", %s}]}' % SHELL,
     (":1:17: error NM2", 'unknown key "taks"')),
    ("native_expression", '{"dag_id": "a", "tasks": [{"id": "x", "type": "aggregate", "in": "a",'
     ' "out": "b", "keys": ["k"],\n'
     '   "features": [{"name": "n", "fn": "count", "where": "v >"}]}]}',
     (":2:55: error NM327", "expected a value", "/tasks/0/features/0/where")),
    ("native_field", '{"dag_id": "a", "tasks": [{"id": "x", "type": "aggregate", "in": "a",'
     ' "out": "b", "keys": ["k"],\n   "features": [{"name": "n", "fn": "sum"}]}]}',
     (":2:17: error NM202", '"col" is missing', "sum needs it", "/tasks/0/features/0")),
    ("empty", "", (":1:1: error NM1",)),
)

SCHEMA = {"id": "int64", "user": "string", "amount": "float64"}


class BadDagTest(harness.DaemonTest):
    def test_validate_and_apply(self):
        for name, text, expected in BAD_DAGS:
            path = self.daemon.write(f"{name}.json", text)
            for verb in ("validate", "apply"):
                with self.subTest(name=name, verb=verb):
                    answer = self.daemon.cli("dag", verb, path)
                    self.assertEqual(answer.returncode, 2, answer.stderr)
                    said = answer.stdout + answer.stderr
                    for words in (str(path), *expected):
                        self.assertIn(words, said)
            as_json = self.daemon.cli("dag", "validate", "-o", "json", path)
            self.assertEqual(as_json.returncode, 2)
            first = json.loads(as_json.stdout)[0]
            self.assertEqual(first["file"], str(path), name)
            self.assertGreater(first["line"] * first["col"], 0, name)
        self.assertEqual(self.daemon.get("/dags")["total_entries"], 0)

    def test_the_last_good_version_stays(self):
        good = {"dag_id": "a", "tasks": [{"id": "x", "type": "shell", "run": "true"}]}
        self.daemon.apply(good)
        over = self.daemon.over("a")
        for name, text, _ in BAD_DAGS:
            with self.subTest(name=name):
                status, problem = self.daemon.request("PUT", "/api/v2/dags/a/source", text.encode(),
                                                      over)
                self.assertEqual(status, 400, problem)
                self.assertIn("detail", problem)
        self.assertEqual(self.daemon.get("/dags/a")["version_number"], 1)
        self.daemon.trigger("a")
        self.assertEqual(self.daemon.ended("a")["state"], "success")

    def test_several_files_some_bad(self):
        good = self.daemon.write("some/good.json", '{"dag_id": "g", "tasks": [{"id": "x", %s}]}'
                                 % SHELL)
        bad = self.daemon.write("some/bad.json", '{"dag_id": "b"}')
        answer = self.daemon.cli("dag", "apply", bad, good)
        self.assertEqual(answer.returncode, 2)
        self.assertIn(str(bad), answer.stderr)
        self.assertIn("g created", answer.stdout)
        absent = self.daemon.cli("dag", "validate", "nowhere.json")
        self.assertEqual(absent.returncode, 3)
        self.assertIn("nowhere.json", absent.stderr)


class RestTest(harness.DaemonTest):
    def refused(self, status, method, path, body=None, **options):
        got, problem = self.daemon.request(method, path, body, **options)
        self.assertEqual(got, status, f"{method} {path[:60]}: {problem}")
        if isinstance(problem, dict):
            self.assertTrue(problem["detail"])
            self.assertEqual(problem["status"], status)
            self.assertNotIn(str(self.daemon.state), json.dumps(problem))
        return problem

    def test_requests(self):
        d = self.daemon
        d.apply({"dag_id": "a", "params": {"n": {"type": "integer", "default": 1}},
                 "tasks": [{"id": "x", "type": "shell", "run": "true"}]})
        runs = "/api/v2/dags/a/dagRuns"
        self.refused(400, "POST", runs, b"{")
        self.refused(400, "POST", runs, b'{"conf": {}, "conf": {}}')
        self.refused(400, "POST", runs, b"[" * 200 + b"]" * 200)
        self.refused(400, "POST", runs, b'{"note": "\xff"}')
        self.refused(400, "POST", runs, {"no_such_member": 1})
        self.refused(400, "POST", runs, {"logical_date": "yesterday"})
        self.assertIn("n", self.refused(400, "POST", runs, {"conf": {"n": "one"}})["detail"])
        self.refused(404, "POST", "/api/v2/dags/nope/dagRuns", {})
        self.refused(404, "GET", "/api/v2/dags/a/dagRuns/nope")
        self.refused(404, "GET", "/api/v2/nothing/here")
        self.refused(405, "DELETE", "/api/v2/dags")
        d.trigger("a", dag_run_id="once")
        self.refused(409, "POST", runs, {"dag_run_id": "once"})

    def test_who_may(self):
        for path in ("/api/v2/dags", "/api/v2/operators", "/api/v2/workers"):
            self.refused(401, "GET", path, token=False)
            self.refused(401, "GET", path, token=False,
                         headers={"Authorization": "Bearer " + "x" * 43})
            self.refused(401, "GET", path, token=False,
                         headers={"Authorization": self.daemon.token})
        self.refused(401, "POST", "/api/v2/shutdown", {}, token=False)
        self.assertEqual(self.daemon.request("GET", "/health", token=False)[0], 200)
        for host in ("evil.example", f"evil.example:{self.daemon.port}", "127.0.0.1.nip.io", ""):
            status, _ = self.daemon.request("GET", "/api/v2/dags", headers={"Host": host})
            self.assertIn(status, (400, 403, 421), host)
        status, _ = self.daemon.request("POST", "/api/v2/dags/a/dagRuns", {},
                                        headers={"Origin": "http://evil.example"})
        self.assertEqual(status, 403)

    def test_paths(self):
        for path in ("/../../etc/passwd", "/api/v2/../../etc/passwd", "/api/v2/dags/%2e%2e",
                     "/api/v2/dags/..%2f..%2fetc%2fpasswd", "/api/v2/dags/%00", "//etc/passwd",
                     "/api/v2/dags/a%2fdagRuns", "/api/v2/dags/" + "a" * 5000,
                     "/api/v2/dags/a/dagRuns/x/taskInstances/y/logs/..%2f1"):
            status, answer = self.daemon.request("GET", path)
            self.assertIn(status, (400, 404, 414), path[:60])
            self.assertNotIn("root:", str(answer))

    def test_size(self):
        d = self.daemon
        # Told by its length alone: nothing of the body is sent.
        for length in (2_000_000, 900_000_000):
            with socket.create_connection(("127.0.0.1", d.port), timeout=10) as stream:
                stream.sendall((f"POST /api/v2/dags/a/dagRuns HTTP/1.1\r\n"
                                f"Host: 127.0.0.1:{d.port}\r\nAuthorization: Bearer {d.token}\r\n"
                                f"Content-Length: {length}\r\n\r\n").encode())
                answer = stream.recv(1000).decode()
            self.assertTrue(answer.startswith("HTTP/1.1 413"), answer)
        status, _ = d.request("GET", "/health", headers={"X-Long": "x" * 20_000})
        self.assertEqual(status, 431)
        self.assertEqual(d.request("GET", "/health")[0], 200)


class BadDataTest(harness.DaemonTest):
    """Wrong input of native operators, by `op run` and by a real run, over a published table."""

    def setUp(self):
        super().setUp()
        self.data = self.daemon.state / "data"
        self.daemon.write("good.csv", "id,user,amount\n1,a,1.5\n2,b,2\n")
        self.published = self.convert("good.csv")
        answer = self.op(self.published)
        self.assertEqual(answer.returncode, 0, answer.stderr)
        self.before = self.bytes_of("table")

    def convert(self, name, **fields):
        fmt = "parquet" if name.endswith(".parquet") else "csv"
        return {"type": "convert", "in": {"path": str(self.daemon.files / name), "format": fmt},
                "schema": SCHEMA, "out": {"path": str(self.data / "table")}, **fields}

    def op(self, spec):
        text = spec if isinstance(spec, str) else json.dumps(spec)
        return self.daemon.cli("op", "run", self.daemon.write("spec.json", text))

    def bytes_of(self, folder):
        return {str(p.relative_to(self.data)): hashlib.sha256(p.read_bytes()).hexdigest()
                for p in sorted((self.data / folder).rglob("*")) if p.is_file()}

    def current(self):
        listed = self.daemon.cli("table", "files", self.data / "table")
        self.assertEqual(listed.returncode, 0, listed.stderr)
        return listed.stdout

    def cases(self):
        """(name, spec, exit code of op run, error code, words of the message)."""
        d, convert = self.daemon, self.convert
        d.write("missing.csv", "id,user\n1,a\n")
        d.write("corrupt.csv", "id,user,amount\n1,a,1\n2,b,2\n3,c,x7\n")
        d.write("short.csv", "id,user,amount\n1,a,1\n2,b\n")
        whole = self.current().split()[0]
        with open(whole, "rb") as file:
            d.write("cut.parquet", file.read()[:-20])
        d.write("empty.parquet", b"")
        d.write("plain", "a file where a folder is needed")
        nowhere = convert("good.csv", out={"path": str(d.files / "plain" / "table")})
        column = {"type": "aggregate", "in": {"path": str(self.data / "table")}, "keys": ["usr"],
                  "features": [{"name": "n", "fn": "count"}],
                  "out": {"path": str(self.data / "agg")}}
        return (
            ("missing_column", convert("missing.csv"), 2, "bad_spec",
             ("missing.csv", "column amount", "line 1")),
            ("corrupt_row", convert("corrupt.csv"), 1, "bad_input",
             ("corrupt.csv", "column amount", "line 4", "x7")),
            ("short_row", convert("short.csv"), 1, "bad_input", ("short.csv", "line 3")),
            ("cut_parquet", convert("cut.parquet"), 1, "bad_input", ("cut.parquet",)),
            ("empty_parquet", convert("empty.parquet"), 1, "bad_input", ("empty.parquet",)),
            ("absent_file", convert("absent.csv"), 3, "io", ("absent.csv", "No such file")),
            ("unwritable", nowhere, 1, "io", ("plain/table", "Not a directory")),
            ("missing_key_column", column, 2, "bad_spec", ("column usr", "columns: id, user")),
        )

    def test_op_run(self):
        for name, spec, code, word, words in self.cases():
            with self.subTest(name=name):
                answer = self.op(spec)
                self.assertEqual(answer.returncode, code, answer.stderr)
                error = json.loads(answer.stdout)["error"]
                self.assertEqual(error["code"], word)
                for part in words:
                    self.assertIn(part, answer.stderr)
                self.assertEqual(self.bytes_of("table"), self.before)

    def test_specs(self):
        good = json.dumps(self.published)
        for text, words in (
                (good[:-1], ("spec.json", "line 1")),
                (good.replace('"schema"', '"in": {}, "schema"'), ("spec.json", '"in"', "twice")),
                (good.replace("convert", "convrt"), ("convrt", "convert")),
                (good.replace('"format"', '"fromat"'), ("/in", "fromat")),
                (good.replace("float64", "flot64"), ("/schema/amount", "float64")),
                ("[]", ("object",)), ("", ("spec.json",))):
            with self.subTest(text=text[:40]):
                answer = self.op(text)
                self.assertEqual(answer.returncode, 2, answer.stderr)
                self.assertEqual(json.loads(answer.stdout)["error"]["code"], "bad_spec")
                for part in words:
                    self.assertIn(part, answer.stderr)
                self.assertEqual(self.bytes_of("table"), self.before)
        self.assertEqual(self.daemon.cli("op", "run", "nowhere.json").returncode, 3)

    def test_where_relative_paths_start(self):
        spec = self.convert("good.csv") | {"in": {"path": "absent.csv", "format": "csv"}}
        path = self.daemon.write("spec.json", json.dumps(spec))
        for words, start in (([], self.daemon.files), (["--data-root", self.data], self.data)):
            answer = harness.run("op", "run", path, *words, env=self.daemon.env,
                                 cwd=self.daemon.files)
            self.assertEqual(answer.returncode, 3, answer.stderr)
            self.assertIn(f"relative paths start at {start})", answer.stderr)
        compact = {"type": "compact", "in": "absent"}
        answer = self.op(compact)
        self.assertEqual(answer.returncode, 3, answer.stderr)
        self.assertIn("relative paths start at ", answer.stderr)
        self.daemon.apply({"dag_id": "lost", "tasks": [{"id": "x", **spec}]})
        self.daemon.cli("run", "trigger", "lost", "--wait")
        failure = self.daemon.tasks("lost")["x"]["failure"]
        self.assertIn(f"relative paths start at {self.data}", json.dumps(failure))

    def test_runs(self):
        cases = self.cases()
        tasks = [{"id": name, **spec} for name, spec, *_ in cases]
        self.daemon.apply({"dag_id": "bad", "tasks": tasks})
        answer = self.daemon.cli("run", "trigger", "bad", "--wait")
        self.assertEqual(answer.returncode, 5, answer.stderr)
        rows = self.daemon.tasks("bad")
        for name, _, _, word, words in cases:
            with self.subTest(name=name):
                self.assertEqual(rows[name]["state"], "failed")
                failure = rows[name]["failure"]
                self.assertEqual(failure["kind"], word)
                for part in words:
                    self.assertIn(part, failure["message"])
                self.assertIn(failure["message"], answer.stderr)
        self.assertEqual(self.bytes_of("table"), self.before)

    @unittest.skipIf(os.geteuid() == 0, "root may write everywhere")
    def test_no_right_to_write(self):
        folder = self.daemon.files / "closed"
        folder.mkdir(mode=0o500)
        answer = self.op(self.convert("good.csv", out={"path": str(folder / "table")}))
        self.assertEqual(answer.returncode, 1, answer.stderr)
        self.assertIn("closed/table", answer.stderr)


if __name__ == "__main__":
    harness.main()
