#!/usr/bin/env python3
"""api_test.py NIGHTMILL SOURCE: what callers of the REST API rely on beside the bodies: probes
without a token, methods, orders and pages of lists, keys that make a repeated POST harmless."""
import http.client
import json
import threading

import harness
from harness import wait

NOOP = {"dag_id": "a", "max_active_runs": 1000, "tasks": [{"id": "x", "type": "noop"}]}
RUNS = "/api/v2/dags/a/dagRuns"


class ApiTest(harness.DaemonTest):
    def setUp(self):
        super().setUp()
        self.daemon.apply(NOOP)

    def answer(self, method, path, body=None, headers=None, token=True):
        """(status, headers, parsed body)"""
        sent = {"Accept": "application/json", **(headers or {})}
        if token:
            sent["Authorization"] = f"Bearer {self.daemon.token}"
        client = http.client.HTTPConnection("127.0.0.1", self.daemon.port, timeout=60)
        try:
            client.request(method, path, None if body is None else json.dumps(body), sent)
            got = client.getresponse()
            text = got.read()
        finally:
            client.close()
        return got.status, got.headers, json.loads(text) if text else None

    def test_probes(self):
        for path in ("/livez", "/readyz", "/health"):
            status, _, body = self.answer("GET", path, token=False)
            self.assertEqual((status, body["status"]), (200, "ok"), path)
        self.assertEqual(self.answer("GET", "/readyz", token=False)[2]["durability"], "full")
        d = self.daemon
        env = dict(d.env, NIGHTMILL_STATE_DIR=str(d.folder / "elsewhere"))
        bare = harness.run("--url", f"http://127.0.0.1:{d.port}", "health", env=env)
        self.assertEqual(bare.returncode, 0, bare.stderr)
        (d.state / "cli.token").rename(d.state / "gone")
        self.assertEqual(d.cli("health").returncode, 0)
        self.assertNotEqual(d.cli("run", "list").returncode, 0)

    def test_methods(self):
        for method, path, allow in (("DELETE", "/api/v2/dags", "GET, HEAD"),
                                    ("OPTIONS", "/api/v2/dags", "GET, HEAD"),
                                    ("PUT", RUNS, "GET, HEAD, POST"),
                                    ("OPTIONS", RUNS, "GET, HEAD, POST"),
                                    ("GET", "/api/v2/dags/a/source", "PUT"),
                                    ("PATCH", "/health", "GET, HEAD")):
            status, headers, body = self.answer(method, path)
            self.assertEqual((status, headers["Allow"]), (405, allow), (method, path))
            self.assertEqual((body["status"], body["code"]), (405, "not_supported"))
        self.assertEqual(self.answer("OPTIONS", "/api/v2/nothing")[0], 404)
        self.assertEqual(self.answer("OPTIONS", "/api/v2/dags", token=False)[0], 401)
        status, headers, body = self.answer("HEAD", "/api/v2/dags")
        self.assertEqual((status, body), (200, None))
        self.assertGreater(int(headers["Content-Length"]), 10)

    def test_orders(self):
        run_id = self.daemon.trigger("a")
        self.daemon.ended("a", run_id)
        tasks = f"{RUNS}/{harness.quote(run_id)}/taskInstances"
        for path, words in (("/api/v2/dags", ("dag_id",)), (RUNS, ("start_date", "state")),
                            (tasks, ("task_id", "start_date")), ("/api/v2/backfills", ("id",)),
                            ("/api/v2/pools", ("name",)), ("/api/v2/workers", ("name",)),
                            ("/api/v2/operators", ("type",)), ("/api/v2/eventLogs", ("when",)),
                            ("/api/v2/dags/a/tasks", ("task_id",)), (f"{tasks}/x/tries", ())):
            for word in words:
                for sign in ("", "-"):
                    status, _, body = self.answer("GET", f"{path}?order_by={sign}{word}")
                    self.assertEqual(status, 200, (path, sign, word, body))
            for query in ("order_by=-nope", "order_by=nope", "order_by=", "order_by=--id"):
                status, _, body = self.answer("GET", f"{path}?{query}")
                self.assertEqual(status, 400, (path, query, body))
                self.assertTrue(all(word in body["hint"] for word in words), body)
            for query in ("limit=1001", "limit=-1", "limit=x", "offset=-1", "offset=x"):
                self.assertEqual(self.answer("GET", f"{path}?{query}")[0], 400, (path, query))
        self.assertEqual(self.answer("GET", f"{RUNS}?order_by=id&order_by=state")[0], 400)
        names = [o["type"] for o in self.daemon.get("/operators?order_by=-type")["operators"]]
        self.assertEqual(names, sorted(names, reverse=True))
        self.assertEqual([o["type"] for o in self.daemon.get(
            "/operators?order_by=type&limit=2&offset=1")["operators"]], sorted(names)[1:3])

    def test_cursor(self):
        ids = [self.daemon.trigger("a") for _ in range(7)]
        for order, expected in (("-id", ids[::-1]), ("id", ids)):
            seen, cursor = [], ""
            while True:
                page = self.daemon.get(f"/dags/a/dagRuns?limit=3&order_by={order}{cursor}")
                self.assertEqual(page["total_entries"], 7)
                seen += [run["dag_run_id"] for run in page["dag_runs"]]
                if "next_cursor" not in page:
                    break
                cursor = f"&cursor={page['next_cursor']}"
            self.assertEqual(seen, expected)
        for query in ("cursor=x", "cursor=1:&offset=1", "cursor=1:&order_by=state",
                      "offset=10001"):
            status, _, body = self.answer("GET", f"{RUNS}?{query}")
            self.assertEqual(status, 400, (query, body))
        self.assertIn("next_cursor", body["hint"])

    def test_texts_of_runs(self):
        notes = ["", "plain", 'a "quoted" \\ line\n\ttab', "\u0001\x7f", "\u00fc \u6587 \U0001f600",
                 "</script>"]
        conf = {"deep": [{"x": "\u00fc\""}, None, 1.5, -3], "": {}}
        for note in notes:
            run_id = self.daemon.trigger("a", note=note, conf=conf)
            row = self.daemon.ended("a", run_id)
            self.assertEqual((row["note"], row["conf"]), (note or None, conf))
            self.assertIsInstance(row["duration"], float)
            self.assertGreaterEqual(row["duration"], 0)
        listed = self.daemon.get("/dags/a/dagRuns")["dag_runs"]
        self.assertEqual([run["note"] or "" for run in listed], notes[::-1])
        one = self.daemon.run_of("a", listed[0]["dag_run_id"])
        self.assertEqual(listed[0], one)

    def test_idempotency_key(self):
        d = self.daemon

        def post(key, body, path=RUNS):
            return self.answer("POST", path, body, {"Idempotency-Key": key})

        status, headers, first = post("k1", {"note": "n"})
        self.assertEqual((status, headers["Idempotency-Replayed"]), (200, None))
        d.ended("a", first["dag_run_id"])
        status, headers, again = post("k1", {"note": "n"})
        self.assertEqual((status, headers["Idempotency-Replayed"]), (200, "true"))
        self.assertEqual(again, first)
        self.assertEqual(d.run_count("a"), 1)
        d.kill()
        d.start()
        self.assertEqual(post("k1", {"note": "n"})[2], first)
        for body, path in (({"note": "m"}, RUNS), ({"note": "n"}, "/api/v2/dags/b/dagRuns"),
                           ({"name": "p", "slots": 1}, "/api/v2/pools")):
            status, _, problem = post("k1", body, path)
            self.assertEqual((status, problem["status"]), (422, 422), problem)
        self.assertEqual(d.run_count("a"), 1)
        self.assertNotEqual(post("k2", {"note": "n"})[2]["dag_run_id"], first["dag_run_id"])
        # What was refused has no effect to remember.
        self.assertEqual(post("k3", {"dag_run_id": first["dag_run_id"]})[0], 409)
        self.assertEqual(post("k3", {"dag_run_id": "other"})[0], 200)
        self.assertEqual(post("x" * 256, {})[0], 400)
        pool = {"name": "p", "slots": 1}
        self.assertEqual(post("k4", pool, "/api/v2/pools")[0], 201)
        self.assertEqual(post("k4", pool, "/api/v2/pools")[0], 201)

    def test_one_key_from_many_sides(self):
        answers = []

        def post():
            answers.append(self.answer("POST", RUNS, {}, {"Idempotency-Key": "same"}))
        threads = [threading.Thread(target=post) for _ in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertLessEqual({status for status, _, _ in answers}, {200, 409})
        self.assertEqual(len({body["dag_run_id"] for status, _, body in answers
                              if status == 200}), 1)
        self.assertEqual(self.daemon.run_count("a"), 1)

    def test_a_client_that_repeats_over_kills(self):
        """P8: every trigger takes effect once, whenever the daemon dies."""
        d = self.daemon
        stop = threading.Event()
        made = {}

        def client():
            while not stop.is_set():
                number = len(made)
                while number not in made:  # until it is known, whatever happens in between
                    try:
                        status, _, run = self.answer("POST", RUNS, {},
                                                     {"Idempotency-Key": f"key-{number}"})
                    except (OSError, http.client.HTTPException):
                        continue
                    if status == 200:
                        made[number] = run["dag_run_id"]
        thread = threading.Thread(target=client)
        thread.start()
        for _ in range(4):
            many = len(made) + 15
            wait(lambda: len(made) >= many, "more runs")
            d.kill()
            d.start()
        stop.set()
        thread.join()
        self.assertEqual(d.run_count("a"), len(made))
        self.assertEqual(len(set(made.values())), len(made))


if __name__ == "__main__":
    harness.main()
