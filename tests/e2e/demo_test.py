#!/usr/bin/env python3
"""demo_test.py NIGHTMILL SOURCE: `nightmill demo --once` on a copy of dags/ alone, twice on the
same state: the second time all is there already, and no byte of the published tables changes."""
import hashlib
import json
import re
import shutil
import unittest
import urllib.request

import harness

# What product.md 1 tells, in this order.
LINES = (r"^nightmill  http://127\.0\.0\.1:\d+   state \S+   1 worker, \d+ slots   durability full",
         r"^dags       3 loaded, 0 errors:  user_features  flaky_export  hourly_fanout$",
         r"^run        user_features   data interval 2011-05-30 06:00 \.\. 2011-05-31 06:00 UTC$",
         r"^  ok       arrived  load\[7/7\]  gate  features  publish  weekly  compact  report ",
         r"^  times    arrived \d", r"^  features \d+ users, version \d+, (published|unchanged)$",
         r"^  publish  \d+ users, version \d+, (published|unchanged)$",
         r"^  compact  lake/events: \d+ files became \d+,", r"^  report   2011-05-30: \d+ users ",
         r"^head       nightmill table head ", r"^user_id +events_7d ", r"^5 of \d+ rows, version ",
         r"^backfill   ", r"^run        flaky_export failed \(meant\): .*strict failed",
         r"^run        flaky_export success: .*strict success",
         r"^alert      run\.failed and run\.recovered of flaky_export delivered to 127\.0\.0\.1:\d+"
         r", signatures verified$", r"^next       ")


class DemoTest(unittest.TestCase):
    def setUp(self):
        self.box = harness.Sandbox()
        self.addCleanup(self.box.close)
        shutil.copytree(harness.SOURCE / "dags", self.box.files / "dags")
        # Beside the clone, never in the state directory of a server that somebody works with.
        self.other = self.box.state
        self.box.state = self.box.files / ".demo"

    def test_the_link_to_the_page(self):
        """Without --once the server stays, and the link opens the page once."""
        done = self.box.cli("demo", "--source", self.box.files, seconds=200)
        self.addCleanup(self.box.cli, "server", "stop", "--cancel")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        url, code = re.search(r"^open +(http://127.0.0.1:\d+)/#login=(\S+)  ", done.stdout,
                              re.M).groups()
        asked = urllib.request.Request(f"{url}/auth/login", json.dumps({"code": code}).encode())
        with urllib.request.urlopen(asked) as answer:
            self.assertEqual(json.load(answer)["role"], "admin")

    def demo(self):
        done = self.box.cli("demo", "--once", "--source", self.box.files, seconds=200)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        lines = iter(done.stdout.splitlines())
        for pattern in LINES:
            self.assertTrue(any(re.search(pattern, line) for line in lines),
                            f"{pattern} is missing or out of place in\n{done.stdout}")
        harness.wait(lambda: not self.box.commands(), lambda: f"no process; {self.box.commands()}")
        self.assertFalse(self.other.exists())
        return done

    def tables(self):
        """SHA-256 of every file that readers of the two tables may see."""
        data = self.box.state / "data"
        hashes = {}
        for table in ("features/user_features", "public/user_features"):
            files = self.box.cli("table", "files", data / table)
            self.assertEqual(files.returncode, 0, files.stderr)
            for file in files.stdout.split():
                with open(file, "rb") as content:
                    hashes[file] = hashlib.sha256(content.read()).hexdigest()
            head = self.box.cli("table", "head", data / table, "-n", 3)
            hashes[table] = head.stdout
        return hashes

    def test_twice(self):
        first = self.demo()
        self.assertIn("23 to create", first.stdout)
        self.assertIn("23/23", first.stderr)
        self.assertIn("published", first.stdout)
        tables = self.tables()
        self.assertGreaterEqual(len(tables), 2 * 24)
        second = self.demo()
        self.assertIn("every date is there already", second.stdout)
        self.assertEqual(re.findall(r"^  (?:features|publish) .*, (\w+)$", second.stdout, re.M),
                         ["unchanged", "unchanged"])
        self.assertEqual(self.tables(), tables)

    def test_no_clone(self):
        missing = self.box.cli("demo", "--once", "--source", self.box.folder / "nowhere")
        self.assertEqual(missing.returncode, 3)
        self.assertIn("dags/demo/user_features.json is missing", missing.stderr)
        self.assertIn("next:", missing.stderr)
        self.assertEqual(self.box.commands(), {})


if __name__ == "__main__":
    harness.main()
