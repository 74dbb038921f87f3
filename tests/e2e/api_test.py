#!/usr/bin/env python3
"""api_test.py NIGHTMILL SOURCE: what callers of the REST API rely on beside the bodies: probes
without a token, methods, orders and pages of lists, keys that make a repeated POST harmless."""
import gzip
import http.client
import json
import re
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
        harness.judge(method, path, got, text)
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
            for query in ("limit=1001", "limit=0", "limit=-1", "limit=x", "offset=-1", "offset=x"):
                self.assertEqual(self.answer("GET", f"{path}?{query}")[0], 400, (path, query))
        self.assertEqual(self.answer("GET", f"{RUNS}?order_by=id&order_by=state")[0], 400)
        names = [o["type"] for o in self.daemon.get("/operators?order_by=-type")["operators"]]
        self.assertEqual(names, sorted(names, reverse=True))
        self.assertEqual([o["type"] for o in self.daemon.get(
            "/operators?order_by=type&limit=2&offset=1")["operators"]], sorted(names)[1:3])

    def test_every_route_by_every_stranger(self):
        """Only what is declared public answers without a token, whatever is put round the path."""
        spec = json.loads((harness.SOURCE / "api" / "openapi.json").read_text())
        bad = {"Authorization": "Bearer nm_nobody"}
        cookie = {"Cookie": "nm_session=nm_nobody", "X-Nightmill": "1"}
        for template, item in spec["paths"].items():
            path = re.sub(r"\{\w+\}", "1", template)
            for method in ("get", "put", "post", "patch", "delete"):
                if method not in item:
                    continue
                public = item[method]["x-nightmill-role"] == "public"
                if public and method == "post":
                    continue  # login and token: tried elsewhere, and wrong ones are counted
                for headers in ({}, bad, cookie):
                    status = self.answer(method.upper(), path, headers=headers, token=False)[0]
                    self.assertEqual(status == 200, public, (method, path, headers, status))
                    self.assertIn(status, (200, 401), (method, path, headers))
                tricks = ["/../health", "//health", ";health", "%2fhealth"]
                if path.startswith(("/api/", "/auth/", "/ui/")):
                    tricks.append("/health")  # below others the page answers for itself
                for trick in tricks:
                    status = self.answer(method.upper(), path + trick, token=False)[0]
                    self.assertIn(status, (400, 401), (method, path + trick))

    def test_unknown_parameters(self):
        for path, known in (("/api/v2/dags", "tags_match_mode"), ("/api/v2/pools", "limit"),
                            (RUNS, "run_type"), ("/api/v2/version", "no parameters")):
            status, _, body = self.answer("GET", f"{path}?nope=1")
            self.assertEqual((status, body["title"]), (400, "Bad Request"))
            self.assertIn("nope", body["detail"])
            self.assertIn(known, body["hint"])

    def fetch(self, path, **headers):
        """(status, headers, body as it came) of a GET without a token."""
        client = http.client.HTTPConnection("127.0.0.1", self.daemon.port, timeout=60)
        try:
            client.request("GET", path, headers=headers)
            got = client.getresponse()
            return got.status, got.headers, got.read()
        finally:
            client.close()

    def test_page(self):
        status, headers, shell = self.fetch("/")
        if status == 404 or status == 401:
            self.skipTest("built without the page")
        self.assertEqual((status, headers["Cache-Control"]), (200, "no-cache"))
        self.assertIn(b"<html", shell)
        policy = headers["Content-Security-Policy"]
        self.assertTrue(policy.startswith("default-src 'none'; script-src 'self'"), policy)
        self.assertEqual(headers["X-Content-Type-Options"], "nosniff")
        for path in ("/dags/a/runs/x", "/nothing", "/backfills/1"):
            self.assertEqual(self.fetch(path)[2], shell, path)
        self.assertEqual(self.fetch("/", **{"If-None-Match": headers["ETag"]})[0], 304)
        script = re.search(rb'src="(/assets/[^"]+\.js)"', shell)[1].decode()
        status, headers, plain = self.fetch(script)
        self.assertEqual((status, headers["Cache-Control"]),
                         (200, "public, max-age=31536000, immutable"))
        self.assertTrue(headers["Content-Type"].startswith("text/javascript"), headers)
        status, headers, packed = self.fetch(script, **{"Accept-Encoding": "br, gzip"})
        self.assertEqual((status, headers["Content-Encoding"]), (200, "gzip"))
        self.assertEqual(gzip.decompress(packed), plain)
        self.assertEqual(self.fetch("/assets/nothing.js")[0], 404)
        for path in ("/api/v2/nothing", "/ui/nothing", "/auth/nothing"):
            self.assertEqual(self.fetch(path)[0], 401, path)

    def test_numbers_that_do_not_fit(self):
        for method, path, body in (
                ("POST", "/api/v2/pools", {"name": "p", "slots": 2**32 + 2}),
                ("POST", "/api/v2/pools", {"name": "p", "slots": -2**32 + 1}),
                ("POST", "/api/v2/pools", {"name": "p", "slots": 2**63}),
                ("POST", "/api/v2/dags/a/clearTaskInstances",
                 {"dry_run": True, "task_ids": [["t", 2**32]]})):
            status, _, problem = self.answer(method, path, body)
            self.assertEqual(status, 400, problem)

    def test_triggers_at_once(self):
        answers = []

        def post():
            for _ in range(10):
                answers.append(self.answer("POST", RUNS, {}))
        threads = [threading.Thread(target=post) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual([body for status, _, body in answers if status != 200], [])
        self.assertEqual(len({body["logical_date"] for _, _, body in answers}), 60)

    def test_etags(self):
        one = "/api/v2/dags/a"
        status, headers, _ = self.answer("GET", one)
        tag = headers["ETag"]
        self.assertRegex(tag, r'^"[0-9a-f]{32}"$')
        self.assertEqual(self.answer("GET", one, headers={"If-None-Match": tag})[0], 304)
        self.assertEqual(self.answer("PATCH", one, {"is_paused": True},
                                     {"If-Match": '"stale"'})[0], 412)
        self.assertEqual(self.answer("PATCH", one, {"is_paused": True}, {"If-Match": tag})[0], 200)
        self.assertEqual(self.answer("PATCH", one, {"is_paused": False}, {"If-Match": tag})[0], 412)
        self.assertEqual(self.answer("PATCH", one, {"is_paused": False})[0], 200)
        run_id = self.answer("POST", RUNS, {})[2]["dag_run_id"]
        self.daemon.ended("a", run_id)
        run = f"{RUNS}/{harness.quote(run_id)}"
        tag = self.answer("GET", run)[1]["ETag"]
        self.assertEqual(self.answer("PATCH", run, {"note": "n"}, {"If-Match": tag})[0], 200)
        self.assertEqual(self.answer("PATCH", run, {"note": "m"}, {"If-Match": tag})[0], 412)
        tag = self.answer("GET", RUNS)[1]["ETag"]
        self.assertTrue(tag.startswith("W/"), tag)
        self.assertEqual(self.answer("GET", RUNS, headers={"If-None-Match": tag})[0], 304)
        self.daemon.ended("a", self.daemon.trigger("a"))
        self.assertEqual(self.answer("GET", RUNS, headers={"If-None-Match": tag})[0], 200)

    def test_gzip(self):
        """Asked for, answers from 1 kB on come compressed; tags tell the forms apart."""
        def get(path, *more, method="GET"):
            """(status, headers, body as it came)"""
            sent = {"Authorization": f"Bearer {self.daemon.token}", **dict(more)}
            client = http.client.HTTPConnection("127.0.0.1", self.daemon.port, timeout=60)
            try:
                client.request(method, path, headers=sent)
                got = client.getresponse()
                return got.status, got.headers, got.read()
            finally:
                client.close()

        zipped = ("Accept-Encoding", "br;q=1.0, gzip;q=0.8")
        long_one = {**NOOP, "dag_id": "long", "doc_md": "word " * 2_000}
        self.daemon.apply(long_one)
        for path in ("/api/v2/dagSources/long", "/openapi.json"):
            _, headers, plain = get(path)
            self.assertEqual((headers["Vary"], headers["Content-Encoding"]),
                             ("Accept-Encoding", None))
            _, headers, packed = get(path, zipped)
            self.assertEqual((headers["Vary"], headers["Content-Encoding"]),
                             ("Accept-Encoding", "gzip"))
            self.assertLess(len(packed), len(plain))
            self.assertEqual(gzip.decompress(packed), plain)
            _, headers, nothing = get(path, zipped, method="HEAD")
            self.assertEqual((int(headers["Content-Length"]), nothing), (len(packed), b""))
        for refusal in ("identity", "gzip;q=0", "*"):
            _, headers, _ = get("/openapi.json", ("Accept-Encoding", refusal))
            self.assertIsNone(headers["Content-Encoding"], refusal)
        _, headers, short = get("/api/v2/version", zipped)
        self.assertIsNone(headers["Content-Encoding"])
        self.assertIn("nightmill", json.loads(short)["name"])
        # Each form has its strong tag, and either is good for 304 and for a change.
        source = "/api/v2/dagSources/long"
        tag = get(source)[1]["ETag"]
        packed_tag = get(source, zipped)[1]["ETag"]
        self.assertEqual(packed_tag, tag[:-1] + '-gzip"')
        for known in (tag, packed_tag):
            status, headers, body = get(source, zipped, ("If-None-Match", known))
            self.assertEqual((status, headers["ETag"], body), (304, known, b""))
        changed = {**long_one, "description": "new"}
        put = "/api/v2/dags/long/source"
        self.assertEqual(self.answer("PUT", put, changed, {"If-Match": packed_tag})[0], 200)
        self.assertEqual(self.answer("PUT", put, long_one, {"If-Match": packed_tag})[0], 412)
        # A stream stays readable as it comes.
        client = http.client.HTTPConnection("127.0.0.1", self.daemon.port, timeout=60)
        try:
            client.request("GET", "/api/v2/events?topics=runs",
                           headers={"Authorization": f"Bearer {self.daemon.token}",
                                    "Accept": "text/event-stream", "Accept-Encoding": "gzip"})
            headers = client.getresponse().headers
            self.assertEqual((headers["Content-Type"], headers["Content-Encoding"]),
                             ("text/event-stream", None))
        finally:
            client.close()

    def test_source(self):
        put = "/api/v2/dags/a/source"
        changed = {**NOOP, "description": "two"}
        self.assertEqual(self.answer("PUT", put, changed)[0], 428)
        self.assertEqual(self.answer("PUT", put, changed, {"If-None-Match": "*"})[0], 412)
        status, headers, body = self.answer("GET", "/api/v2/dagSources/a")
        first = headers["ETag"]
        self.assertEqual((status, body["version_number"]), (200, 1))
        status, headers, body = self.answer("PUT", put, changed, {"If-Match": first})
        self.assertEqual((status, body["version_number"], body["changed"]), (200, 2, True))
        self.assertEqual(self.answer("PUT", put, NOOP, {"If-Match": first})[0], 412)
        bad = {**NOOP, "tasks": [{"id": "x", "type": "noop", "depends_on": ["y"]}]}
        status, _, body = self.answer("PUT", put, bad, {"If-Match": headers["ETag"]})
        self.assertEqual((status, body["code"]), (400, "invalid"))
        self.assertTrue(body["diagnostics"])
        old = self.answer("GET", "/api/v2/dagSources/a?version_number=1")[2]
        self.assertNotIn("two", old["content"])
        self.assertEqual(self.answer("GET", "/api/v2/dagSources/a?version_number=9")[0], 404)
        self.assertEqual(self.answer("GET", "/api/v2/dagSources/a",
                                     headers={"Accept": "image/png"})[0], 406)

    def test_session(self):
        d = self.daemon
        login = json.loads((d.state / "server.json").read_text())["login"]
        status, headers, body = self.answer("POST", "/auth/login", {"code": login}, token=False)
        self.assertEqual((status, body["role"]), (200, "admin"))
        cookie = headers["Set-Cookie"]
        self.assertIn("HttpOnly", cookie)
        self.assertIn("SameSite=Strict", cookie)
        self.assertEqual(self.answer("POST", "/auth/login", {"code": login}, token=False)[0], 401)
        sent = {"Cookie": cookie.partition(";")[0]}

        def ask(method, path, body=None, **more):
            return self.answer(method, path, body, {**sent, **more}, token=False)
        self.assertEqual(ask("GET", "/auth/session")[2]["role"], "admin")
        self.assertEqual(ask("POST", RUNS, {})[0], 403)
        status, _, run = ask("POST", RUNS, {}, **{"X-Nightmill": "1"})
        self.assertEqual((status, run["triggered_by"]), (200, "ui"))
        cross = {"X-Nightmill": "1", "Origin": "http://evil.example"}
        self.assertEqual(ask("POST", RUNS, {}, **cross)[0], 403)
        self.assertEqual(ask("POST", "/auth/logout", **{"X-Nightmill": "1"})[0], 204)
        self.assertEqual(ask("GET", "/auth/session")[0], 401)
        name = d.get("/dags") and self.answer("GET", "/auth/session")[2]["principal"]
        status, _, body = self.answer("POST", "/auth/token",
                                      {"username": name, "password": d.token}, token=False)
        self.assertEqual(status, 201)
        other = {"Authorization": f"Bearer {body['access_token']}"}
        self.assertEqual(self.answer("GET", "/api/v2/dags", headers=other, token=False)[0], 200)
        status, headers, _ = self.answer("GET", "/api/v2/dags", token=False)
        self.assertEqual((status, headers["WWW-Authenticate"]), (401, "Bearer"))
        for number in range(11):
            status = self.answer("POST", "/auth/login", {"token": "nm_wrong"}, token=False)[0]
        self.assertEqual(status, 429)

    def failed_run(self):
        """A run of the DAG c whose task `flaky` failed, and the file that it needs."""
        d = self.daemon
        marker = d.folder / "marker"
        d.apply({"dag_id": "c", "tasks": [
            {"id": "first", "type": "noop"},
            {"id": "flaky", "type": "exec", "depends_on": ["first"],
             "argv": ["/bin/sh", "-c", f"test -e {marker}"]},
            {"id": "after", "type": "noop", "depends_on": ["flaky"]}]})
        run_id = d.trigger("c")
        self.assertEqual(d.ended("c", run_id)["state"], "failed")
        return run_id, marker

    def test_clear(self):
        d = self.daemon
        run_id, marker = self.failed_run()
        self.assertEqual(d.states("c", run_id), {"first": "success", "flaky": "failed",
                                                 "after": "upstream_failed"})
        marker.touch()
        body = {"dag_run_id": run_id, "task_ids": ["flaky"]}
        clear = "/dags/c/clearTaskInstances"
        preview = d.call("POST", clear, body)
        names = sorted(task["task_id"] for task in preview["task_instances"])
        self.assertEqual(names, ["after", "flaky"])
        self.assertEqual(d.run_of("c", run_id)["state"], "failed")
        done = d.call("POST", clear, {**body, "dry_run": False})
        self.assertEqual(sorted(task["task_id"] for task in done["task_instances"]), names)
        row = d.ended("c", run_id)
        self.assertEqual((row["state"], row["clear_number"]), ("success", 1))
        tasks = d.tasks("c", run_id)
        self.assertEqual({name: task["try_number"] for name, task in tasks.items()},
                         {"first": 1, "flaky": 2, "after": 1})
        tries = d.get(f"/dags/c/dagRuns/{harness.quote(run_id)}/taskInstances/flaky/tries")
        self.assertEqual([one["state"] for one in tries["task_instances"]], ["failed", "success"])
        d.call("POST", f"/dags/c/dagRuns/{harness.quote(run_id)}/clear", {"dry_run": False})
        self.assertEqual(d.ended("c", run_id)["clear_number"], 2)
        self.assertEqual(d.tasks("c", run_id)["first"]["try_number"], 2)
        self.assertEqual(d.call("PATCH", f"/dags/c/dagRuns/{harness.quote(run_id)}",
                                {"state": "failed", "note": "by hand"})["state"], "failed")

    def test_clear_outlasts_a_restart(self):
        d = self.daemon
        run_id, marker = self.failed_run()
        d.call("PATCH", "/dags/c", {"is_paused": True})
        d.call("POST", "/dags/c/clearTaskInstances",
               {"dag_run_id": run_id, "dry_run": False})
        self.assertEqual(d.run_of("c", run_id)["state"], "queued")
        d.kill()
        d.start()
        marker.touch()
        d.call("PATCH", "/dags/c", {"is_paused": False})
        self.assertEqual(d.ended("c", run_id)["state"], "success")
        self.assertEqual(d.tasks("c", run_id)["first"]["try_number"], 1)

    def test_wait(self):
        run_id = self.daemon.trigger("a")
        path = f"{RUNS}/{harness.quote(run_id)}/wait"
        status, _, body = self.answer("GET", f"{path}?interval=1&result=x")
        self.assertEqual((status, body["state"]), (200, "success"))
        self.assertEqual(body["results"], {"x": None})

    def test_events(self):
        d = self.daemon
        client = http.client.HTTPConnection("127.0.0.1", d.port, timeout=60)
        self.addCleanup(client.close)
        client.request("GET", "/api/v2/events?topics=runs,dag:a",
                       headers={"Authorization": f"Bearer {d.token}",
                                "Accept": "text/event-stream"})
        stream = client.getresponse()
        self.assertEqual(stream.headers["Content-Type"], "text/event-stream")
        self.assertEqual(stream.readline(), b": nightmill\n")
        run_id = d.trigger("a")
        seen = []
        while True:
            line = stream.readline()
            if line.startswith(b"data: "):
                seen.append(json.loads(line[6:]))
                event = seen[-1]
                if event["type"] == "run.state" and event["state"] == "success":
                    break
        self.assertEqual(seen[-1]["dag_run_id"], run_id)
        self.assertIn("task.state", {event["type"] for event in seen})
        again = http.client.HTTPConnection("127.0.0.1", d.port, timeout=60)
        self.addCleanup(again.close)
        again.request("GET", "/api/v2/events?topics=dag:a",
                      headers={"Authorization": f"Bearer {d.token}",
                               "Last-Event-ID": str(seen[0]["id"])})
        replay = again.getresponse()
        ids = []
        while not ids or ids[-1] < seen[-1]["id"]:
            line = replay.readline()
            if line.startswith(b"id: "):
                ids.append(int(line[4:]))
        self.assertEqual(ids, [event["id"] for event in seen[1:]])

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
