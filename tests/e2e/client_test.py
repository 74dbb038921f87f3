#!/usr/bin/env python3
"""client_test.py NIGHTMILL SOURCE: Airflow's official client, in every release under
build/clients, plays tests/api/client_story.py against a daemon of its own."""
import os
import subprocess
import sys
import unittest

import harness

CLIENTS = sorted((harness.SOURCE / "build" / "clients").glob("*/airflow_client"))
HELLO = {"dag_id": "hello", "tags": ["demo"],
         "schedule": {"cron": "@daily", "catchup": "none"},
         "tasks": [{"id": "say", "type": "exec", "argv": ["/bin/echo", "hello there"]},
                   {"id": "end", "type": "noop", "depends_on": ["say"]}]}


class ClientTest(unittest.TestCase):
    def test_story(self):
        self.assertTrue(CLIENTS, "no client in build/clients")
        for package in CLIENTS:
            with self.subTest(package.parent.name):
                daemon = harness.Daemon()
                self.addCleanup(daemon.close)
                daemon.start()
                marker = daemon.folder / "marker"
                daemon.apply(HELLO)
                daemon.apply({"dag_id": "flaky", "tasks": [
                    {"id": "check", "type": "exec",
                     "argv": ["/bin/sh", "-c", f"test -e {marker}"]}]})
                told = subprocess.run(
                    [sys.executable, "-B", harness.SOURCE / "tests" / "api" / "client_story.py",
                     f"http://127.0.0.1:{daemon.port}", daemon.token],
                    env={**os.environ, "PYTHONPATH": str(package.parent), "MARKER": str(marker)},
                    text=True, capture_output=True, timeout=120, check=False)
                self.assertEqual(told.returncode, 0, told.stdout + told.stderr[-4000:])


if __name__ == "__main__":
    harness.main()
