#!/usr/bin/env python3
"""alerts_test.py NIGHTMILL SOURCE: alerts reach their receivers (reliability.md P10). Some refuse,
hang, drip, flood, redirect, are gone or overloaded, beside good ones that must not feel it; the
daemon is killed in between; signatures are checked by the reference library where it is there.
"""
import base64
import collections
import hashlib
import hmac
import http.server
import json
import pathlib
import re
import shutil
import socket
import ssl
import subprocess
import threading
import time
import unittest
from urllib.parse import quote

import harness
from harness import wait

try:
    import standardwebhooks
except ImportError:
    standardwebhooks = None

KEY = bytes(range(32))
SECRET = "whsec_" + base64.b64encode(KEY).decode()
SLOW_S = 20  # a watchdog's 15 s and a machine that compiles beside the test

Message = collections.namedtuple("Message", "id timestamp signature body at headers path")


def verified(message):
    """Whether the signature is ours: by the reference library, else by our own reading of it."""
    if standardwebhooks:
        headers = {"webhook-id": message.id, "webhook-timestamp": message.timestamp,
                   "webhook-signature": message.signature}
        try:
            standardwebhooks.Webhook(SECRET).verify(message.body, headers)
        except standardwebhooks.WebhookVerificationError:
            return False
        return True
    content = f"{message.id}.{message.timestamp}.".encode() + message.body
    mac = base64.b64encode(hmac.new(KEY, content, hashlib.sha256).digest()).decode()
    return f"v1,{mac}" in message.signature.split(" ")


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        receiver = self.server.receiver
        body = self.rfile.read(int(self.headers["Content-Length"]))
        receiver.messages.append(Message(
            self.headers["webhook-id"], self.headers["webhook-timestamp"],
            self.headers["webhook-signature"], body, time.monotonic(), dict(self.headers),
            self.path))
        self.close_connection = True
        try:
            receiver.behave(self)
        except OSError:
            receiver.cut_off.append(time.monotonic())

    def reply(self, status, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


class Receiver:
    """An HTTP server on this machine that keeps what it gets and then does `behave(handler)`."""

    def __init__(self, behave, context=None):
        self.messages, self.cut_off, self.behave = [], [], behave
        self.closing = threading.Event()
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.receiver = self
        if context:
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self):
        self.closing.set()
        self.server.shutdown()
        self.server.server_close()

    def ids(self):
        return [message.id for message in self.messages]


def take(handler):
    handler.reply(204)


def hang(handler):
    handler.server.receiver.closing.wait(60)


def drip(handler):
    """One byte of an endless header every 50 ms: no single read ever times out."""
    handler.connection.sendall(b"HTTP/1.1 200 OK\r\nX-Drip: ")
    while not handler.server.receiver.closing.wait(0.05):
        handler.connection.sendall(b"x")


def flood(handler):
    handler.connection.sendall(b"HTTP/1.1 200 OK\r\n")
    while not handler.server.receiver.closing.is_set():
        handler.connection.sendall(b"X-Flood: " + b"x" * 1000 + b"\r\n")


def endless_body(handler):
    handler.connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while not handler.server.receiver.closing.is_set():
        handler.connection.sendall(b"x" * 65536)


def negative_chunk(handler):
    handler.connection.sendall(b"HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\nxx")
    handler.server.receiver.closing.wait(60)


def garbage(handler):
    handler.connection.sendall(b"\x16\x03\x01 what is this\r\n\r\n" * 100)


def die(handler):
    handler.connection.shutdown(socket.SHUT_RDWR)


class AlertsTest(unittest.TestCase):
    def setUp(self):
        self.daemon = harness.Daemon()
        self.addCleanup(self.daemon.close)
        self.secret = self.daemon.write("hook.key", SECRET + "\n")
        self.config = {"notifiers": {}, "outgoing": {"allow": []}}

    def receiver(self, behave, context=None):
        receiver = Receiver(behave, context)
        self.addCleanup(receiver.close)
        self.config["outgoing"]["allow"].append(f"127.0.0.1:{receiver.port}")
        return receiver

    def webhook(self, name, behave=take, **fields):
        """A notifier and its receiver."""
        receiver = self.receiver(behave)
        self.config["notifiers"][name] = {
            "type": "webhook", "url": f"http://127.0.0.1:{receiver.port}/{name}",
            "secret": f"file:{self.secret}", **fields}
        return receiver

    def start(self):
        path = self.daemon.write("nightmill.json", self.config)
        self.daemon.words = ("--config", str(path))
        self.daemon.start()

    def sample(self, name):
        """Asks for a sample; the id of its delivery."""
        return self.daemon.call("POST", f"/notifiers/{name}/test", {})["delivery_id"]

    def deliveries(self, **query):
        words = "&".join(f"{key}={value}" for key, value in {"limit": 1000, **query}.items())
        return self.daemon.get(f"/deliveries?{words}")["deliveries"]

    def delivery(self, delivery_id):
        return self.daemon.get(f"/deliveries/{delivery_id}")

    def tried(self, delivery_id, tries=1, seconds=SLOW_S):
        """Waits for the end of so many tries of a delivery; its row."""
        def look():
            row = self.delivery(delivery_id)
            return row if row["tries"] >= tries else None
        return wait(look, lambda: f"{tries} tries of {self.delivery(delivery_id)}\n"
                                  f"{self.daemon.log.read_text()}", seconds)

    def notifier(self, name):
        found = self.daemon.get("/notifiers")["notifiers"]
        return next(one for one in found if one["name"] == name)

    # ---- one receiver

    def test_a_sample_arrives_signed(self):
        good = self.webhook("good")
        self.start()
        row = self.tried(self.sample("good"))
        self.assertEqual((row["state"], row["last_status"], row["last_error"]),
                         ("delivered", 204, None))
        self.assertTrue(row["test"])
        message, = good.messages
        self.assertTrue(verified(message))
        self.assertEqual(message.id, row["delivery_id"])
        self.assertEqual(message.path, "/good")
        body = json.loads(message.body)
        self.assertEqual(body["type"], "test")
        self.assertEqual(body["data"]["test"], True)
        self.assertEqual(row["body"], body)
        self.assertLess(len(message.body), 20_000)
        for at in range(len(message.body)):
            changed = bytearray(message.body)
            changed[at] ^= 1
            self.assertFalse(verified(message._replace(body=bytes(changed))), at)

    def test_answers_that_fail(self):
        """What each kind of answer comes to, and that none of them is tried again at once."""
        good = self.webhook("good")
        cases = {
            "die": (die, None, "ended before an answer"),
            "garbage": (garbage, None, "no HTTP|ended before an answer"),
            "error": (lambda h: h.reply(500), 500, "answered 500"),
            "redirect": (lambda h: h.reply(302, Location=f"http://127.0.0.1:{good.port}/x"), 302,
                         "a redirect, which is not followed"),
            "flood": (flood, None, "more than 256 KiB"),
            "chunk": (negative_chunk, 500, "answered 500"),
        }
        for name, (behave, _, _) in cases.items():
            self.webhook(name, behave)
        closed = self.webhook("refuse")
        closed.server.server_close()
        cases["refuse"] = (None, None, "refused")
        self.start()
        rss = self.rss()
        ids = {name: self.sample(name) for name in cases}
        for name, (_, status, error) in cases.items():
            row = self.tried(ids[name])
            self.assertEqual(row["state"], "pending", name)
            self.assertEqual(row["last_status"], status, name)
            self.assertRegex(row["last_error"], error, name)
            self.assertRegex(row["next_try_at"], "T")
        self.assertEqual(good.messages, [])  # nobody was redirected to it
        self.assertLess(self.rss() - rss, 64 << 20)
        # The second try comes after about five seconds, under the same id.
        error = self.config["notifiers"]["error"]["url"]
        row = self.tried(ids["error"], tries=2)
        self.assertEqual(row["delivery_id"], ids["error"], error)

    def rss(self):
        text = pathlib.Path(f"/proc/{self.daemon.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", text)[1]) << 10

    def test_an_answer_counts_when_its_status_came(self):
        body = self.webhook("body", endless_body)
        self.start()
        self.assertEqual(self.tried(self.sample("body"))["state"], "delivered")
        wait(lambda: body.cut_off, "the receiver is cut off")

    def test_a_stranger_beside_a_friend(self):
        """Who hangs or drips holds its own places only; the good one is as fast as ever."""
        bad = {name: self.webhook(name, behave)
               for name, behave in (("hang", hang), ("drip", drip), ("hang2", hang))}
        good = self.webhook("good")
        self.start()
        for _ in range(6):
            for name in bad:
                self.sample(name)
        wait(lambda: sum(len(r.messages) for r in bad.values()) >= 12, "four in flight for each")
        slowest = 0
        for _ in range(30):
            began = time.monotonic()
            delivery = self.sample("good")
            wait(lambda: delivery in good.ids(), "the good receiver has it", 5)
            slowest = max(slowest, time.monotonic() - began)
        self.assertLess(slowest, 3)
        # Four at once; after they have been cut off, one at a time.
        for name, receiver in bad.items():
            first = receiver.messages[0].at
            at_once = [m for m in receiver.messages if m.at < first + 14]
            self.assertEqual(len(at_once), 4, name)
        row = wait(lambda: next((r for r in self.deliveries(notifier="drip") if r["tries"]), None),
                   "the watchdog ends a try", SLOW_S)
        self.assertIn("no whole answer within 15s", row["last_error"])
        self.assertTrue(all(map(verified, good.messages)))

    def test_gone_turns_a_notifier_off(self):
        """410 once: the rest is dead without a try, others are told, a taken sample turns it on."""
        status = [410]
        gone = self.webhook("gone", lambda h: h.reply(status[0]))
        watch = self.webhook("watch", events=["notifier.*"])
        self.start()
        row = self.tried(self.sample("gone"))
        self.assertEqual((row["state"], row["last_status"]), ("dead", 410))
        wait(lambda: watch.messages, "the others are told")
        told = json.loads(watch.messages[0].body)
        self.assertEqual((told["type"], told["data"]["notifier"]), ("notifier.disabled", "gone"))
        self.assertFalse(self.notifier("gone")["enabled"])
        status_code, answer = self.daemon.request(
            "POST", f"/api/v2/deliveries/{row['delivery_id']}/redeliver", {})
        self.assertEqual(status_code, 409, answer)
        off, dead = self.attention()
        self.assertEqual((off["kind"], off["name"]), ("notifier_disabled", "gone"))
        self.assertRegex(off["message"], "410 Gone; nightmill alert test gone turns it on again")
        self.assertEqual((dead["kind"], dead["name"], dead["since"]),
                         ("delivery_dead", row["delivery_id"], row["ended_at"]))
        self.assertRegex(dead["message"], f"test did not reach gone: .* 410.*turn that notifier on"
                                          f" first.*alert redeliver {row['delivery_id']}")
        # So it stays over a restart.
        self.daemon.kill()
        self.daemon.start()
        self.assertFalse(self.notifier("gone")["enabled"])
        status[0] = 200
        self.assertEqual([item["kind"] for item in self.attention()],
                         ["notifier_disabled", "delivery_dead"])
        self.assertEqual(self.tried(self.sample("gone"))["state"], "delivered")
        self.assertTrue(self.notifier("gone")["enabled"])
        self.assertEqual([item["kind"] for item in self.attention()], ["delivery_dead"])
        self.daemon.call("POST", f"/deliveries/{row['delivery_id']}/redeliver", {})
        again = self.tried(row["delivery_id"], tries=2)
        self.assertEqual(again["state"], "delivered")
        self.assertEqual(gone.ids().count(row["delivery_id"]), 2)
        self.assertEqual(self.attention(), [])

    def attention(self):
        status, home = self.daemon.request("GET", "/ui/home")
        self.assertEqual(status, 200, home)
        self.assertEqual(home["attention_total"], len(home["attention"]))
        return home["attention"]

    def test_retry_after_is_obeyed(self):
        """429 with Retry-After: neither this nor any other message of the notifier comes before."""
        answers = iter([lambda h: h.reply(429, Retry_After="8")])
        slow = self.webhook("slow", lambda h: next(answers, take)(h))
        self.start()
        first = self.sample("slow")
        row = self.tried(first)
        self.assertEqual(row["last_status"], 429)
        second = self.sample("slow")
        row = self.tried(first, tries=2)
        self.assertEqual(row["state"], "delivered")
        self.tried(second)
        for message in slow.messages[1:]:
            self.assertGreater(message.at - slow.messages[0].at, 7.9)

    # ---- kills

    def test_kills_lose_nothing(self):
        """kill -9 while messages are on their way: each acknowledged sample arrives, under one id,
        and a message is only ever repeated, never changed."""
        met = collections.Counter()

        def slow_and_moody(handler):
            """Drops every seventh message, at first: a second failure would wait for minutes."""
            handler.server.receiver.closing.wait(0.05)
            met[handler.headers["webhook-id"]] += 1
            fresh = met[handler.headers["webhook-id"]] == 1
            (die if fresh and len(met) % 7 == 3 else take)(handler)

        receivers = {name: self.webhook(name, slow_and_moody) for name in ("a", "b", "c")}
        self.start()
        asked = {}
        for round_number in range(6):
            for _ in range(4):
                for name in receivers:
                    asked[self.sample(name)] = name
            # Before, while and after they are sent.
            time_left = time.monotonic() + 0.03 * round_number
            wait(lambda until=time_left: time.monotonic() > until, "the moment")
            self.daemon.kill()
            self.daemon.start()
        wait(lambda: not self.deliveries(state="pending"),
             lambda: f"nothing is pending\n{self.deliveries(state='pending')}")
        rows = {row["delivery_id"]: row for row in self.deliveries()}
        self.assertEqual(set(rows), set(asked))
        bodies = {}
        for name, receiver in receivers.items():
            for message in receiver.messages:
                self.assertTrue(verified(message))
                self.assertEqual(asked[message.id], name)
                self.assertEqual(bodies.setdefault(message.id, message.body), message.body)
        for delivery, row in rows.items():
            self.assertEqual(row["state"], "delivered", row)
            self.assertIn(delivery, bodies)

    def test_a_stop_ends_deliveries_within_a_second(self):
        hanging = self.webhook("hang", hang)
        self.start()
        delivery = self.sample("hang")
        wait(lambda: hanging.messages, "it is being sent")
        code, seconds = self.daemon.signal()
        self.assertEqual(code, 0, self.daemon.log.read_text())
        self.assertLess(seconds, 5)
        self.daemon.start()
        self.assertEqual(self.delivery(delivery)["tries"], 0)  # not counted, made again
        wait(lambda: hanging.ids() == [delivery, delivery], "it is sent again")

    # ---- other forms

    def test_slack_pagerduty_and_commands(self):
        slack, pager = self.receiver(take), self.receiver(lambda h: h.reply(202))
        script = self.daemon.write("mail.sh", 'cat > "$1.part" && mv "$1.part" "$1"\n')
        mail = self.daemon.folder / "mail.json"
        key = self.daemon.write("pd.key", "0123456789abcdef0123456789abcdef\n")
        url = self.daemon.write("slack.url", f"http://127.0.0.1:{slack.port}/services/T0/B0/xyz\n")
        self.config["notifiers"] = {
            "team": {"type": "slack", "url": {"secret": f"file:{url}"}, "group_window": "30s"},
            "pager": {"type": "pagerduty", "url": f"http://127.0.0.1:{pager.port}/v2/enqueue",
                      "routing_key": {"secret": f"file:{key}"}},
            "mail": {"type": "command", "argv": ["/bin/sh", str(script), str(mail)]},
            "broken": {"type": "command",
                       "argv": ["/bin/sh", "-c", "echo no mail today >&2; exit 4"]}}
        self.start()
        for name in ("team", "pager", "mail"):
            self.assertEqual(self.tried(self.sample(name))["state"], "delivered", name)
        self.assertIn("blocks", json.loads(slack.messages[0].body))
        self.assertEqual(slack.messages[0].path, "/services/T0/B0/xyz")
        event = json.loads(pager.messages[0].body)
        self.assertEqual((event["event_action"], event["routing_key"][:4]), ("trigger", "0123"))
        self.assertEqual(json.loads(mail.read_text())["type"], "test")
        row = self.tried(self.sample("broken"))
        self.assertEqual((row["last_status"], row["last_error"]), (4, "exit code 4: no mail today"))
        # No secret shows anywhere that a client can look.
        for path in ("/notifiers", "/deliveries",
                     *(f"/deliveries/{row['delivery_id']}" for row in self.deliveries())):
            text = json.dumps(self.daemon.get(path))
            for secret in ("0123456789abcdef", "/services/T0", "whsec_"):
                self.assertNotIn(secret, text)
        self.assertNotIn("0123456789abcdef", self.daemon.log.read_text())

    @unittest.skipUnless(shutil.which("openssl"), "needs the openssl program")
    def test_certificates_are_checked(self):
        def server(name, subject):
            key, cert = self.daemon.files / f"{name}.key", self.daemon.files / f"{name}.crt"
            subprocess.run(
                ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                 "-keyout", key, "-out", cert, "-subj", "/CN=receiver",
                 "-addext", f"subjectAltName={subject}"],
                check=True, capture_output=True)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(cert, key)
            return self.receiver(take, context), cert

        right, right_cert = server("right", "IP:127.0.0.1")
        wrong, wrong_cert = server("wrong", "DNS:other.example")

        def hook(receiver, **fields):
            return {"type": "webhook", "url": f"https://127.0.0.1:{receiver.port}/",
                    "secret": f"file:{self.secret}", **fields}
        self.config["notifiers"] = {
            "trusted": hook(right, ca_file=str(right_cert)), "unknown": hook(right),
            "wrong": hook(wrong, ca_file=str(wrong_cert))}
        self.start()
        self.assertEqual(self.tried(self.sample("trusted"))["state"], "delivered")
        for name in ("unknown", "wrong"):
            row = self.tried(self.sample(name))
            self.assertEqual(row["last_error"], "the certificate is not valid for this host", name)
        self.assertEqual(len(right.messages), 1)
        self.assertEqual(wrong.messages, [])

    def test_forbidden_places_are_not_called(self):
        """A configuration that names one is refused; a name that leads to one is not called."""
        spy = self.receiver(take)
        self.config["outgoing"]["allow"] = []
        hook = {"type": "webhook", "secret": f"file:{self.secret}"}
        for url in (f"http://127.0.0.1:{spy.port}/", f"https://localhost:{spy.port}/",
                    "https://2130706433/", "https://user@ops.example/"):
            self.config["notifiers"] = {"h": {**hook, "url": url}}
            path = self.daemon.write("nightmill.json", self.config)
            refused = self.daemon.cli("server", "--dev", "--listen", "127.0.0.1:0",
                                      "--config", path)
            self.assertEqual(refused.returncode, 78, url)
            self.assertIn("/notifiers/h/url: ", refused.stderr)
        self.config["notifiers"] = {"h": {**hook, "url": "https://localhost/"}}
        self.start()
        row = self.tried(self.sample("h"))
        self.assertEqual(row["last_error"], "localhost has no address that may be called")
        self.assertEqual(spy.messages, [])

    # ---- deadlines

    def test_a_deadline_is_warned_of_missed_and_resolved(self):
        """Each once, although the daemon is killed in between."""
        good = self.webhook("good")
        self.start()
        go_on = self.daemon.folder / "go_on"
        self.daemon.apply({
            "dag_id": "late",
            "sla": [{"name": "soon", "within": "6s", "from": "queued", "warn_at": 0.2,
                     "severity": "critical", "notify": ["good"]}],
            "tasks": [{"id": "work", "type": "shell",
                       "run": f"until test -e '{go_on}'; do sleep 0.1; done"},
                      {"id": "after", "type": "noop", "depends_on": ["work"]}]})
        self.assertEqual(self.sla("late")["state"], "idle")
        run = self.daemon.trigger("late")
        told = {}

        def awaited(kind):
            wait(lambda: any(json.loads(m.body)["type"] == kind for m in good.messages), kind)
            for message in good.messages:
                self.assertTrue(verified(message))
                body = json.loads(message.body)
                told.setdefault(body["type"], set()).add(message.id)
            return next(json.loads(m.body)["data"] for m in good.messages
                        if json.loads(m.body)["type"] == kind)

        warning = awaited("sla.warning")
        self.daemon.kill()
        self.assertEqual((warning["dag_run_id"], warning["severity"], warning["cause"]),
                         (run, "critical", "time"))
        self.assertEqual(warning["task_list"], ["work", "after"])
        self.assertEqual(warning["links"], {
            "run": f"http://127.0.0.1:{self.daemon.port}/dags/late/runs/{quote(run, safe='')}"})
        self.assertEqual([task["task_id"] for task in warning["blocking_task_list"]], ["work"])
        self.daemon.start()
        awaited("sla.missed")
        row = self.sla("late")
        self.assertEqual((row["state"], row["dag_run_id"], row["rule"], row["kind"]),
                         ("missed", run, "6s from queued", "within"))
        self.assertEqual(row["blocking_task_list"][0]["task_id"], "work")
        self.assertEqual(row["deadline"], warning["deadline"])
        listed = self.daemon.cli("sla", "list", "--state", "missed")
        self.assertRegex(listed.stdout, r"late +soon +6s from queued +missed +.* work")
        self.daemon.kill()
        self.daemon.start()
        go_on.touch()
        self.assertEqual(awaited("sla.resolved")["was"], "missed")
        self.assertEqual({kind: len(ids) for kind, ids in told.items()},
                         {"sla.warning": 1, "sla.missed": 1, "sla.resolved": 1})
        row = self.sla("late")
        self.assertEqual((row["state"], row["blocking_task_list"]), ("resolved", []))
        self.assertIsNotNone(row["landed_at"])
        status, answer = self.daemon.request("GET", "/api/v2/slas?state=late")
        self.assertEqual(status, 400, answer)
        self.look_back(run, warning, row["landed_at"])

    def look_back(self, run, warning, landed_at):
        """The list of misses has the one that was warned of, missed and resolved."""
        path = f"/slaMisses?dag_id=late&dag_run_id={quote(run)}&state=resolved"
        listed = self.daemon.get(path)
        self.assertEqual(listed["total_entries"], 1)
        miss, = listed["sla_misses"]
        self.assertEqual((miss["dag_run_id"], miss["sla"], miss["kind"], miss["cause"],
                          miss["severity"], miss["deadline"], miss["resolved_at"]),
                         (run, "soon", "within", "time", "critical", warning["deadline"],
                          landed_at))
        self.assertGreater(miss["late_by_seconds"], 0)
        self.assertLess(miss["warned_at"], miss["missed_at"])
        for name in ("task_list", "blocking_task_list", "predicted_finish"):
            self.assertEqual(miss[name], warning[name], name)
        event = self.daemon.get(f"/eventLogs/{miss['sla_miss_id']}")
        self.assertEqual((event["event"], event["dag_id"]), ("sla.state", "late"))
        for empty in ("/slaMisses?state=warned&state=missed", "/slaMisses?dag_id=other"):
            self.assertEqual(self.daemon.get(empty), {"sla_misses": [], "total_entries": 0})
        for bad in ("state=met", f"dag_run_id={quote(run)}", "order_by=deadline", "limit=0x"):
            status, answer = self.daemon.request("GET", f"/api/v2/slaMisses?{bad}")
            self.assertEqual(status, 400, (bad, answer))
        table = self.daemon.cli("sla", "misses", "--dag", "late", "--run", run)
        self.assertRegex(table.stdout, r"late +soon +\S+ +.* resolved +[\d.]+ +time +work")
        raw = self.daemon.cli("sla", "misses", "--output", "json")
        self.assertEqual(json.loads(raw.stdout)["sla_misses"], [miss])

    def sla(self, dag_id):
        row, = self.daemon.get(f"/slas?dag_id={dag_id}")["slas"]
        return row

    # ---- command line

    @staticmethod
    def end(process):
        process.kill()
        process.communicate()

    def test_verbs(self):
        port = harness.free_port()
        self.config["notifiers"]["hook"] = {"type": "webhook", "url": f"http://127.0.0.1:{port}/",
                                            "secret": f"file:{self.secret}", "events": ["run.*"]}
        self.config["outgoing"]["allow"].append(f"127.0.0.1:{port}")
        self.start()
        listener = subprocess.Popen(
            [harness.NIGHTMILL, "alert", "listen", "--port", str(port), "--secret",
             str(self.secret), "--count", "2"], env=self.daemon.env, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(self.end, listener)
        self.assertIn(f"http://127.0.0.1:{port}/", listener.stderr.readline())
        tested = self.daemon.cli("alert", "test", "hook", "-q")
        self.assertEqual(tested.returncode, 0, tested.stderr)
        delivery = tested.stdout.split()[0]
        self.assertIn(delivery, listener.stdout.readline())
        wait(lambda: self.delivery(delivery)["state"] == "delivered", "delivered")
        again = self.daemon.cli("alert", "redeliver", delivery)
        self.assertEqual(again.returncode, 0, again.stderr)
        self.assertIn(delivery, listener.stdout.readline())
        self.assertEqual(listener.wait(harness.PATIENCE_S), 0)
        listed = self.daemon.cli("alert", "list")
        self.assertRegex(listed.stdout, r"hook +webhook +127.0.0.1 +run\.\* +0 +0")
        shown = self.daemon.cli("alert", "deliveries", "--notifier", "hook")
        self.assertRegex(shown.stdout, rf"{delivery} +test +hook +delivered +2")
        as_json = self.daemon.cli("alert", "deliveries", "-o", "json")
        self.assertEqual(json.loads(as_json.stdout)["total_entries"], 1)
        self.assertEqual(self.daemon.cli("alert", "test", "nobody").returncode, 3)
        self.assertEqual(self.daemon.cli("alert", "redeliver", "msg_1_0").returncode, 3)
        actions = [row["action"] for row in self.daemon.rows("SELECT action FROM audit")]
        self.assertEqual(actions.count("notifier.test"), 1)
        self.assertEqual(actions.count("delivery.redeliver"), 1)

    def test_a_listener_refuses_what_is_not_signed(self):
        listener = subprocess.Popen(
            [harness.NIGHTMILL, "alert", "listen", "--port", "0"], env={"PATH": "/usr/bin:/bin"},
            text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(self.end, listener)
        port = int(re.search(r":(\d+)/", listener.stderr.readline())[1])
        self.assertRegex(listener.stderr.readline(), r"secret +whsec_")
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        self.addCleanup(client.close)
        now = str(int(time.time()))
        client.request("POST", "/", b"{}", {"webhook-id": "x", "webhook-timestamp": now,
                                            "webhook-signature": "v1,AAAA"})
        self.assertEqual(client.getresponse().status, 401)
        self.assertIn("refused a message: no signature fits", listener.stderr.readline())


if __name__ == "__main__":
    harness.main()
