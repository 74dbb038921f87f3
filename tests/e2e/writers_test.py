#!/usr/bin/env python3
"""writers_test.py WORKER SOURCE: several `op run` on one table, one killed in the middle, and one
on a full disk. Whatever happens, readers see whole versions, and no attempt's leftovers stay."""
import contextlib
import ctypes
import json
import os
import pathlib
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
import unittest

WORKER = pathlib.Path(sys.argv[1])
PATIENCE_S = 180
MS_DETACH = 2


def csv_bytes(rows, seed=0):
    """Rows that do not compress: a file of them is about as large as its amounts."""
    amounts = random.Random(seed)
    lines = [f"{i},u{i % 977},{amounts.random()}" for i in range(rows)]
    return ("id,user,amount\n" + "\n".join(lines) + "\n").encode()


class NoMount(Exception):
    """This user may not mount a file system."""


class WritersTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="nm-writers-")
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        (self.root / "a.csv").write_bytes(csv_bytes(20_000))
        (self.root / "b.csv").write_bytes(csv_bytes(20_000, 1))

    def start(self, source, part, table="table", layout="manifest", **options):
        """`op run` of a convert of a file into a partition of a table."""
        spec = {"type": "convert", "in": {"path": str(self.root / source), "format": "csv"},
                "schema": {"id": "int64", "user": "string", "amount": "float64"},
                "out": {"path": str(table), "layout": layout, "partition": {"part": part}}}
        self.count = getattr(self, "count", 0) + 1
        path = self.root / f"spec{self.count}.json"
        path.write_text(json.dumps(spec))
        return subprocess.Popen([WORKER, "op", "run", path, "--data-root", self.root], text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)

    def end(self, process, code=0):
        out, err = process.communicate(timeout=PATIENCE_S)
        self.assertEqual(process.returncode, code, out + err)
        return json.loads(out)

    def load(self, *words, **options):
        return self.end(self.start(*words, **options))

    def files(self, table="table"):
        """Bytes of the current data files by their names."""
        listed = subprocess.run([WORKER, "table", "files", self.root / table, "-o", "json"],
                                capture_output=True, text=True, check=True)
        return {str(pathlib.Path(p).relative_to(self.root / table)): pathlib.Path(p).read_bytes()
                for p in json.loads(listed.stdout)}

    def leftovers(self, table="table"):
        # Unlike rglob, walk does not mind a folder that goes away.
        paths = [os.path.join(folder, name) for folder, _, names in os.walk(self.root / table)
                 for name in [".", *names]]
        return sorted(path for path in paths if "/.tmp-" in path or "/_staging/" in path)

    def test_writers_of_other_partitions_all_win(self):
        for layout in ("manifest", "directory"):
            with self.subTest(layout=layout):
                started = [self.start("a.csv", f"p{i}", layout, layout) for i in range(6)]
                outcomes = [self.end(process)["outcome"] for process in started]
                self.assertEqual(outcomes, ["published"] * 6)
                parts = {name.split("part=")[1].split("/")[0]: data
                         for name, data in self.files(layout).items()}
                self.assertEqual(sorted(parts), [f"p{i}" for i in range(6)])
                self.assertEqual(len(set(parts.values())), 1)
                self.assertEqual(self.leftovers(layout), [])

    def test_writers_of_one_partition_give_one_result(self):
        self.load("a.csv", "p", "alone")
        for layout in ("manifest", "directory"):
            with self.subTest(layout=layout):
                started = [self.start("a.csv", "p", layout, layout) for _ in range(6)]
                outcomes = sorted(self.end(process)["outcome"] for process in started)
                self.assertEqual(outcomes, ["published"] + ["unchanged"] * 5)
                self.assertEqual(list(self.files(layout).values()),
                                 list(self.files("alone").values()))
                self.assertEqual(self.leftovers(layout), [])

    def test_writers_of_one_partition_with_other_data_end_with_one_of_them(self):
        self.load("a.csv", "p", "a")
        self.load("b.csv", "p", "b")
        alone = [list(self.files(name).values()) for name in ("a", "b")]
        for layout in ("manifest", "directory"):
            with self.subTest(layout=layout):
                started = [self.start(source, "p", layout, layout)
                           for source in ("a.csv", "b.csv", "a.csv", "b.csv")]
                for process in started:
                    self.assertIn(self.end(process)["outcome"], ("published", "unchanged"))
                self.assertIn(list(self.files(layout).values()), alone)
                self.assertEqual(self.leftovers(layout), [])

    def owned(self, process):
        return [p for p in self.leftovers() if f"-{process.pid}@" in p]

    def stopped_in_staging(self, source, part):
        """A run, stopped after it has begun to write."""
        process = self.start(source, part)
        until = time.monotonic() + PATIENCE_S
        while not any(p.endswith(".parquet") or ".tmp-" in p for p in self.owned(process)):
            self.assertIsNone(process.poll(), "it ended before it was seen at work")
            self.assertLess(time.monotonic(), until)
        os.kill(process.pid, signal.SIGSTOP)
        self.assertTrue(self.owned(process))
        return process

    def test_a_killed_run_leaves_nothing_to_the_next(self):
        (self.root / "big.csv").write_bytes(csv_bytes(400_000))
        self.load("a.csv", "p")
        before = self.files()
        killed = self.stopped_in_staging("big.csv", "q")
        alive = self.stopped_in_staging("big.csv", "r")
        killed.kill()
        killed.communicate()
        self.assertEqual(self.files(), before)
        self.assertTrue(self.owned(killed))

        self.load("a.csv", "s")
        self.assertEqual(self.owned(killed), [])
        self.assertTrue(self.owned(alive))
        os.kill(alive.pid, signal.SIGCONT)
        self.assertEqual(self.end(alive)["outcome"], "published")
        self.assertEqual(self.leftovers(), [])
        self.assertFalse((self.root / "table/_staging").exists())

    def refused(self, process, before, table, reason):
        error = self.end(process, 1)["error"]
        self.assertEqual((error["code"], error["reason"]), ("io", reason), error)
        self.assertTrue(error["file"].startswith(str(self.root / table)), error)
        self.assertEqual(self.files(table), before)
        self.assertEqual(self.leftovers(table), [])
        return error

    @contextlib.contextmanager
    def small_disk(self, size):
        """A file system of `size` bytes, or NoMount."""
        libc = ctypes.CDLL(None, use_errno=True)
        place = self.root / "disk"
        place.mkdir()
        if libc.mount(b"tmpfs", str(place).encode(), b"tmpfs", 0, f"size={size}".encode()) != 0:
            raise NoMount(os.strerror(ctypes.get_errno()))
        try:
            yield place
        finally:
            libc.umount2(str(place).encode(), MS_DETACH)

    def test_a_full_disk(self):
        (self.root / "big.csv").write_bytes(csv_bytes(300_000))
        try:
            with self.small_disk(1 << 20) as disk:
                self.load("a.csv", "p", "disk/table")
                before = self.files("disk/table")
                error = self.refused(self.start("big.csv", "q", "disk/table"), before,
                                     "disk/table", "no_space")
                self.assertRegex(error["message"], r"write \d+ bytes after the first \d+: No space")
                self.assertRegex(error["hint"], r"\d+ bytes are free on the file system of ")
                # At every point of a run that needs only a little more than there is.
                room, failed = 0, 0
                while True:
                    filler = disk / "filler"
                    filler.unlink(missing_ok=True)
                    space = os.statvfs(disk)
                    filler.write_bytes(b"x" * (space.f_bavail * space.f_bsize - room))
                    process = self.start("b.csv", "p", "disk/table")
                    process.wait(PATIENCE_S)
                    if process.returncode == 0:
                        break
                    self.refused(process, before, "disk/table", "no_space")
                    failed += 1
                    room += 16 << 10
                self.assertGreater(failed, 3)
                self.end(process)
                self.assertNotEqual(self.files("disk/table"), before)
        except NoMount as error:
            print(f"no right to mount ({error}): only the limit of file sizes is tested")

    def test_a_limit_of_file_sizes(self):
        def limit():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        self.load("a.csv", "p")
        before = self.files()
        (self.root / "big.csv").write_bytes(csv_bytes(300_000))
        self.refused(self.start("big.csv", "q", preexec_fn=limit), before, "table", "too_large")


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]], verbosity=2)
