#!/usr/bin/env python3
"""stop_test.py NIGHTMILL SOURCE: the last rows of reliability.md 3. What stop, kill and a second
daemon do to tasks, workers and the state directory."""
import contextlib
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time
import unittest

import harness
from harness import wait

# The promise is one second; the rest is for a machine that compiles beside the test.
STOP_S = 5


class StopTest(harness.DaemonTest):
    WORDS = ("--worker-slots", "4")

    def setUp(self):
        super().setUp()
        self.scribes = harness.Scribes(self.daemon)

    def run_long(self, mode="gate", **fields):
        """Starts DAG `d`: `long` lasts until its gate opens, `after` follows it."""
        task = self.scribes.task
        self.daemon.apply({"dag_id": "d", "tasks": [task("long", mode, "long", **fields),
                                                    task("after", after=["long"])]})
        self.daemon.trigger("d")
        return self.scribes.started("long")

    def assert_stopped(self):
        """Nothing of a running daemon is left in the state directory."""
        self.assertFalse((self.daemon.state / "server.json").exists())
        self.assertEqual(self.daemon.rows("PRAGMA integrity_check"), [{"integrity_check": "ok"}])
        self.assertFalse((self.daemon.state / "worker.sock").exists())
        health = self.daemon.cli("health")
        self.assertEqual(health.returncode, 8)
        self.assertIn("no server", health.stderr)

    def check_adoption(self, stop):
        """Stops by `stop()`; the task goes on, ends while nobody listens, and counts once."""
        d = self.daemon
        long = self.run_long()
        worker = d.worker()
        stop()
        self.assert_stopped()
        self.assertTrue(harness.alive(long.pid))
        self.scribes.open("long")
        wait(lambda: self.scribes.ledger.lines("end", "long"), "the task ended by itself")
        self.assertEqual(self.scribes.ledger.lines("start", "after"), [])
        d.start()
        self.assertEqual(d.worker(), worker)
        self.assertEqual(d.ended("d")["state"], "success")
        self.assertEqual(len(self.scribes.ledger.lines("start")), 2)
        self.assertEqual(self.scribes.ledger.lines("overlap"), [])

    def test_sigterm(self):
        def stop():
            code, seconds = self.daemon.signal(signal.SIGTERM)
            self.assertEqual(code, 0, self.daemon.log.read_text())
            self.assertLess(seconds, STOP_S)
        self.check_adoption(stop)

    def test_server_stop(self):
        def stop():
            stopped = self.daemon.cli("server", "stop")
            self.assertEqual((stopped.returncode, stopped.stderr), (0, ""))
            # The verb returns when the daemon is gone, not when it has merely stopped listening.
            self.assertEqual(self.daemon.process.wait(STOP_S), 0)
        self.check_adoption(stop)

    def test_idle_workers_end_too(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            worker = self.daemon.worker()
            self.assertEqual(self.daemon.signal(number)[0], 0)
            wait(lambda: not harness.alive(worker), "the idle worker ended")
            self.assert_stopped()
            self.daemon.start()
        self.daemon.worker()

    def test_stop_and_start_at_once(self):
        # The old worker may still be on its way out when the new daemon looks for it.
        for _ in range(3):
            self.daemon.worker()
            self.assertEqual(self.daemon.signal()[0], 0)
            self.daemon.start()
        # When the verb returns, the state directory is free for the next daemon.
        for _ in range(5):
            self.daemon.worker()
            stopped = self.daemon.process
            self.assertEqual(self.daemon.cli("server", "stop").returncode, 0)
            self.daemon.start()
            self.assertEqual(stopped.wait(STOP_S), 0)
        self.daemon.worker()

    def test_a_worker_that_is_late_to_leave(self):
        d = self.daemon
        worker = d.worker()
        os.kill(worker, signal.SIGSTOP)
        self.assertEqual(d.signal()[0], 0)
        d.start()  # finds the lock of the old worker taken
        os.kill(worker, signal.SIGCONT)
        wait(lambda: not harness.alive(worker), "the old worker ended")
        self.assertNotEqual(d.worker(), worker)

    @unittest.skipIf("TSAN_OPTIONS" in os.environ, "ThreadSanitizer's own thread wakes often")
    def test_idle_daemon_and_worker_sleep(self):
        d = self.daemon
        pids = (d.process.pid, d.worker())

        def switches():
            return sum(int(line.split()[1]) for pid in pids
                       for status in pathlib.Path(f"/proc/{pid}/task").glob("*/status")
                       for line in status.read_text().splitlines()
                       if line.startswith("voluntary_ctxt_switches"))
        until = time.monotonic() + 2
        before = switches()
        wait(lambda: time.monotonic() > until, "two seconds")
        # A heartbeat and a look at the leases, every two seconds each; a poll would be hundreds.
        self.assertLess(switches() - before, 30)

    def test_several_signals(self):
        self.run_long()
        for _ in range(3):
            with contextlib.suppress(ProcessLookupError):
                self.daemon.process.send_signal(signal.SIGTERM)
        self.assertEqual(self.daemon.signal()[0], 0)

    def test_whoever_read_the_log_may_go(self):
        d = self.daemon
        d.signal()
        reader, writer = os.pipe()
        d.start(writer)
        os.close(writer)
        os.close(reader)
        self.assertEqual(d.signal()[0], 0)  # and it says that it stops

    def test_stop_with_cancel(self):
        # A task deaf to TERM is killed after its grace.
        d = self.daemon
        long = self.run_long("deaf", kill_grace="300ms")
        wait(lambda: self.scribes.ledger.lines("deaf"), "the task is deaf")
        worker = d.worker()
        stopped = d.cli("server", "stop", "--cancel")
        self.assertEqual((stopped.returncode, stopped.stderr), (0, ""))
        self.assertEqual(d.process.wait(STOP_S), 0)
        self.assertFalse(harness.alive(long.pid))
        wait(lambda: not harness.alive(worker), "the worker ended")
        self.assert_stopped()
        self.scribes.open("long")
        d.start()
        # Work that the operator ended is lost, not failed: the next daemon starts it again.
        self.assertEqual(d.ended("d")["state"], "success")
        self.assertEqual(d.tasks("d")["long"]["try_number"], 1)
        self.assertEqual(self.scribes.ledger.lines("overlap"), [])
        # The task ended well all the same; what became of its first attempt is not forgotten.
        told = d.cli("task", "explain", "d", "~latest", "long").stdout
        self.assertIn("lost_attempts: 1 attempt was lost, the last time: "
                      "the server was stopped with --cancel", told)

    def test_sigterm_to_a_worker(self):
        d = self.daemon
        long = self.run_long()
        worker = d.worker()
        os.kill(worker, signal.SIGTERM)
        again = self.scribes.started("long", 2)
        self.assertFalse(harness.alive(long.pid))
        self.assertEqual((again.try_number, again.attempt != long.attempt), (1, True))
        self.assertNotEqual(d.worker(), worker)
        self.scribes.open("long")
        self.assertEqual(d.ended("d")["state"], "success")
        self.assertEqual(self.scribes.ledger.lines("overlap"), [])

    def test_a_second_daemon(self):
        d = self.daemon
        second = harness.run("server", "--dev", "--listen", "127.0.0.1:0", env=d.env)
        self.assertEqual(second.returncode, 75)
        self.assertIn(f"another daemon (pid {d.process.pid}) owns {d.state}", second.stderr)
        self.assertIn("next:", second.stderr)
        self.assertEqual(d.cli("health").returncode, 0)

    def test_a_port_in_use(self):
        sandbox = harness.Sandbox()
        self.addCleanup(sandbox.close)
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            words = ("server", "--dev", "--listen", f"127.0.0.1:{port}")
            refused = sandbox.cli(*words)
            self.assertEqual(refused.returncode, 7, refused.stderr)
            self.assertIn(f"port {port} of 127.0.0.1 is in use", refused.stderr)
            self.assertIn("next:", refused.stderr)
            self.assertFalse(sandbox.state.exists(), "a refused start left something behind")
            self.assertEqual(sandbox.commands(), {})
            # The owner of the state is the better reason, where there is one.
            owned = self.daemon.cli(*words)
            self.assertEqual(owned.returncode, 75, owned.stderr)
            self.assertIn("another daemon", owned.stderr)

    def test_a_missing_worker(self):
        sandbox = harness.Sandbox()
        self.addCleanup(sandbox.close)
        lone = sandbox.folder / "nightmill"
        shutil.copy(harness.NIGHTMILL, lone)
        refused = subprocess.run([lone, "server", "--dev", "--listen", "127.0.0.1:0"], text=True,
                                 env=sandbox.env, capture_output=True, timeout=60, check=False)
        self.assertEqual(refused.returncode, 3, refused.stderr)
        self.assertIn("nightmill-worker", refused.stderr)
        self.assertFalse(sandbox.state.exists())

    def test_a_long_state_path(self):
        # sun_path is too short for it: the socket lies in a folder of its own below /tmp.
        d = harness.Daemon()
        self.addCleanup(d.close)
        d.state = d.folder / ("long" * 25) / "state"
        d.env["NIGHTMILL_STATE_DIR"] = str(d.state)
        before = set(pathlib.Path("/tmp").glob("nightmill-*"))
        d.start()
        d.worker()
        made = set(pathlib.Path("/tmp").glob("nightmill-*")) - before
        self.assertTrue(any((folder / "worker.sock").exists() for folder in made), made)
        self.assertEqual(d.signal()[0], 0)
        self.assertEqual([folder for folder in made if folder.exists()], [])

    def test_what_a_killed_daemon_leaves_is_no_obstacle(self):
        d = self.daemon
        worker = d.worker()
        d.kill()
        for name in ("lock", "worker.sock", "server.json"):
            self.assertTrue((d.state / name).exists(), name)
        stale = d.cli("run", "list")
        self.assertEqual(stale.returncode, 8)
        self.assertIn(f"127.0.0.1:{d.port}", stale.stderr)
        os.kill(worker, signal.SIGKILL)
        d.start()
        self.assertNotEqual(d.worker(), worker)


if __name__ == "__main__":
    harness.main()
