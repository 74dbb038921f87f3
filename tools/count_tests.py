#!/usr/bin/env python3
"""count_tests.py FOLDER...: sums up test results and ends with the line `N passed, N failed`.

A folder holds ctest.xml (JUnit, one entry per test program) and, for each GoogleTest program that
ended, PROGRAM.json. Counted are GoogleTest cases; any other test program counts as one case. A
program that failed without a failed case (a crash, a timeout, a sanitizer's report at exit) is one
failed case more, and so is a folder without results. Exit code 1 if anything failed.
"""
import json
import pathlib
import sys
import xml.etree.ElementTree as ElementTree


def count_program(folder, entry):
    """Returns (passed, failed, skipped) of one ctest entry."""
    status = entry.get("status")
    ok = status == "run"
    cases = folder / f"{entry.get('name')}.json"
    if cases.exists():
        report = json.loads(cases.read_text())
        left_out = sum(1 for suite in report["testsuites"] for case in suite["testsuite"]
                       if case.get("result") == "SKIPPED")
        failed = report["failures"] + report["errors"]
        passed = report["tests"] - failed - report["disabled"] - left_out
        if not ok and failed == 0:
            failed = 1
        return passed, failed, left_out
    # "notrun" is a test that said so itself, or one whose program is not there: a failure.
    reason = entry.find("skipped")
    asked = reason is not None and reason.get("message", "").startswith("SKIP_")
    if status == "disabled" or (status == "notrun" and asked):
        return 0, 0, 1
    return (1, 0, 0) if ok else (0, 1, 0)


def main():
    passed = failed = skipped = 0
    for name in sys.argv[1:]:
        folder = pathlib.Path(name)
        try:
            entries = ElementTree.parse(folder / "ctest.xml").getroot().iter("testcase")
        except (OSError, ElementTree.ParseError):
            print(f"failed     {name}: no results (it did not build, or ctest did not run)")
            failed += 1
            continue
        for entry in entries:
            good, bad, left_out = count_program(folder, entry)
            passed, failed, skipped = passed + good, failed + bad, skipped + left_out
            if bad:
                print(f"failed     {name.split('/')[-2]}: {entry.get('name')} ({bad})")
    if skipped:
        print(f"skipped    {skipped} (each says why)")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
