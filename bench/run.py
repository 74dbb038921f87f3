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
    beside = "; ".join(row.others) + (f"  [{row.note}]" if row.note else "")
    print(f"{row.name:<{width}}  {row.shown():>9} {row.unit:<6} {row.bound():>8}  "
          f"{row.verdict():<5} {beside}", flush=True)


def write_markdown(rows, path):
    """The table for README.md."""
    lines = ["| measured | here | target | beside it |", "|---|---|---|---|"]
    for row in rows:
        lines.append(f"| {row.name.strip()} | {row.shown()} {row.unit} | {row.bound()} | "
                     f"{'; '.join(row.others)} |")
    path.write_text("\n".join(lines) + "\n")


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--runs", type=int, default=5)
    options.add_argument("--only", default=",".join(PARTS))
    options.add_argument("--idle", type=float, default=20.0)
    options = options.parse_args()
    print(versions(), flush=True)
    print(f"load {os.getloadavg()[0]:.1f} at the start: others on the machine make figures worse")
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
    write_markdown(rows, harness.WORK / "results.md")
    print(f"{len(rows)} rows, {missed} miss their target; also in "
          f"{result.relative_to(harness.ROOT)} and, for README.md, in results.md beside it")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
