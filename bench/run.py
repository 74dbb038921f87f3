"""run.py [--runs N] [--only tasks,service,window] [--idle SECONDS]: prints one table.

Rivals that are installed run beside us in the same session, interleaved; a figure of another day
is marked `not re-run`. Medians of N runs (5). `make bench` installs the rivals and builds first.
"""
import argparse
import json
import os
import platform
import subprocess
import sys
from importlib import metadata

import harness
import orchestrators
import service


def window_rows(options):
    # DuckDB takes a while to load and is only needed here.
    import window
    return window.measure(options.runs)


PARTS = {
    "tasks": lambda options: orchestrators.measure(options.runs),
    "service": lambda options: service.measure(options.runs, options.idle),
    "window": window_rows,
}


def versions():
    """What was measured, in one line."""
    found = [f"{platform.system()} {platform.release()}", f"{os.cpu_count()} cores",
             subprocess.run([harness.NIGHTMILL, "version"], capture_output=True, text=True,
                            check=True).stdout.split("\n")[0]]
    for name in ("duckdb", "luigi", "hyperqueue"):
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            found.append(f"{name} not installed")
    make = subprocess.run(["make", "--version"], capture_output=True, text=True, check=True)
    return ", ".join(found + [make.stdout.split("\n")[0]])


def print_row(row, width):
    value = "-" if row.value is None else f"{row.value:,.4g}" if row.value < 1000 \
        else f"{row.value:,.0f}"
    target = "" if row.target is None else ("<= " if row.at_most else ">= ") + f"{row.target:g}"
    beside = "; ".join(row.others) + (f"  [{row.note}]" if row.note else "")
    print(f"{row.name:<{width}}  {value:>9} {row.unit:<6} {target:>8}  {row.verdict():<5} {beside}",
          flush=True)


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--runs", type=int, default=5)
    options.add_argument("--only", default=",".join(PARTS))
    options.add_argument("--idle", type=float, default=20.0)
    options = options.parse_args()
    print(versions(), flush=True)
    width = 62
    print(f"{'measured':<{width}}  {'median':>9} {'':<6} {'target':>8}  {'':<5} beside [spread]")
    rows = []
    for part in options.only.split(","):
        for row in PARTS[part](options):
            rows.append(row)
            print_row(row, width)
    missed = sum(row.verdict() == "MISS" for row in rows)
    result = harness.WORK / "results.json"
    result.write_text(json.dumps([vars(row) for row in rows], indent=1))
    print(f"{len(rows)} rows, {missed} miss their target; also in "
          f"{result.relative_to(harness.ROOT)}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
