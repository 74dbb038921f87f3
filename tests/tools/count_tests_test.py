#!/usr/bin/env python3
"""Tests tools/count_tests.py: what counts as a case, and that no failure goes uncounted."""
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

PROGRAM = pathlib.Path(__file__).resolve().parents[2] / "tools/count_tests.py"


def gtest(passed=0, failed=0, skipped=0):
    cases = [{"result": "COMPLETED"}] * (passed + failed) + [{"result": "SKIPPED"}] * skipped
    return {"tests": len(cases), "failures": failed, "errors": 0, "disabled": 0,
            "testsuites": [{"testsuite": cases}]}


def count(entries, reports=None):
    """(last line, exit code) for ctest entries {name: status} and GoogleTest reports by name."""
    with tempfile.TemporaryDirectory() as folder:
        results = pathlib.Path(folder) / "release/results"
        results.mkdir(parents=True)
        if entries is not None:
            rows = "".join(f'<testcase name="{name}" status="{status.partition(":")[0]}">'
                           f'<skipped message="{status.partition(":")[2]}"/></testcase>'
                           for name, status in entries.items())
            (results / "ctest.xml").write_text(f"<testsuite>{rows}</testsuite>")
        for name, report in (reports or {}).items():
            (results / f"{name}.json").write_text(json.dumps(report))
        done = subprocess.run([sys.executable, PROGRAM, results], capture_output=True, text=True,
                              check=False)
        return done.stdout.splitlines()[-1], done.returncode


class CountTest(unittest.TestCase):
    def test_cases_of_a_program_are_counted(self):
        self.assertEqual(count({"a": "run"}, {"a": gtest(passed=3)}), ("3 passed, 0 failed", 0))
        self.assertEqual(count({"a": "fail"}, {"a": gtest(passed=3, failed=2)}),
                         ("3 passed, 2 failed", 1))

    def test_other_programs_count_as_one(self):
        self.assertEqual(count({"a": "run", "b": "run"}), ("2 passed, 0 failed", 0))
        self.assertEqual(count({"a": "run", "b": "fail"}), ("1 passed, 1 failed", 1))

    def test_a_program_that_fails_after_its_cases_is_a_failure(self):
        self.assertEqual(count({"a": "fail"}, {"a": gtest(passed=3)}), ("3 passed, 1 failed", 1))

    def test_skipped_cases_count_as_neither(self):
        self.assertEqual(count({"a": "run"}, {"a": gtest(passed=1, skipped=2)}),
                         ("1 passed, 0 failed", 0))
        self.assertEqual(count({"a": "notrun:SKIP_RETURN_CODE=4", "b": "disabled"}),
                         ("0 passed, 0 failed", 0))

    def test_no_results_are_a_failure(self):
        self.assertEqual(count(None), ("0 passed, 1 failed", 1))
        self.assertEqual(count({"a": "notrun:Unable to find executable"}),
                         ("0 passed, 1 failed", 1))


if __name__ == "__main__":
    unittest.main()
