"""Tasks that cost nothing: a chain of 40 and 1,000 independent `/bin/true`.

For us, for make, Luigi and HyperQueue, and beside them the bare rate of starting processes.
"""
import json
import pathlib
import shutil
import subprocess
import sys

import harness
from harness import Row, median

CHAIN, WIDE = 40, 1000
DAGU = "Dagu 2.6.10 0.28 (not re-run)"
HERE = pathlib.Path(__file__).resolve().parent


def dag(dag_id, count, chained):
    tasks = []
    for number in range(count):
        task = {"id": f"t{number}", "type": "exec", "argv": ["/bin/true"], "output": "none"}
        if chained and number:
            task["depends_on"] = [f"t{number - 1}"]
        tasks.append(task)
    return {"dag_id": dag_id, "max_active_tasks": count, "tasks": tasks}


def ceiling(threads, folder):
    program = folder / "ceiling"
    if not program.exists():
        compiler = shutil.which("cc") or "g++"
        source = HERE / "ceiling.c"
        subprocess.run([compiler, "-O2", "-o", program, source, "-lpthread"], check=True)
    done = subprocess.run([program, "4000", str(threads)], check=True, capture_output=True)
    return float(done.stdout)


def make_file(path, count, chained):
    names = [f"t{number}" for number in range(count)]
    lines = [f".PHONY: all {' '.join(names)}", f"all: {' '.join(names)}"]
    for number, name in enumerate(names):
        before = names[number - 1] if chained and number else ""
        lines += [f"{name}: {before}", "\t@/bin/true"]
    path.write_text("\n".join(lines) + "\n")
    return ["make", "--silent", "-j2", "-f", str(path), "all"]


def luigi(folder, count, chained):
    """One run of Luigi in a process of its own, markers gone before it."""
    markers = folder / "markers"
    shutil.rmtree(markers, ignore_errors=True)
    markers.mkdir()
    program = [pathlib.Path(sys.executable).parent / "luigi", "--module", "luigi_tasks"]
    shape = ["Step", "--number", str(count - 1), "--chained"] if chained else \
        ["Wide", "--count", str(count), "--workers", "2"]
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(HERE), "MARKERS": str(markers)}
    seconds = harness.wall([*program, *shape, "--local-scheduler"], env=environment)
    if len(list(markers.iterdir())) != count:
        raise RuntimeError("Luigi left tasks undone")
    return seconds


def hyperqueue(folder, runs):
    """{"chain": [...], "wide": [...]}, or None where it is not installed."""
    try:
        import hyperqueue  # noqa: F401  only to see whether it is there
    except ImportError:
        return None
    target = folder / "hyperqueue"
    target.mkdir()
    command = [sys.executable, HERE / "hyperqueue_tasks.py", target, str(CHAIN), str(WIDE)]
    done = subprocess.run([*command, str(runs)], check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def measure(runs):
    rates = {1: [], 2: []}
    times = {name: [] for name in ("chain", "wide", "make chain", "make wide", "luigi chain",
                                   "luigi wide")}
    with harness.fresh_folder() as folder:
        chain_make = make_file(folder / "chain.mk", CHAIN, True)
        wide_make = make_file(folder / "wide.mk", WIDE, False)
        with harness.Daemon(folder) as daemon:
            daemon.apply(dag("chain", CHAIN, True), dag("wide", WIDE, False))
            daemon.run("chain")
            for _ in range(runs):
                for threads, found in rates.items():
                    found.append(ceiling(threads, folder))
                times["chain"].append(daemon.run("chain")[0])
                times["wide"].append(daemon.run("wide")[0])
                times["make chain"].append(harness.wall(chain_make))
                times["make wide"].append(harness.wall(wide_make))
        for _ in range(min(runs, 3)):
            times["luigi chain"].append(luigi(folder, CHAIN, True))
            times["luigi wide"].append(luigi(folder, WIDE, False))
        queue = hyperqueue(folder, min(runs, 3))
    return rows(rates, times, queue)


def rows(rates, times, queue):
    bare = median(rates[2])
    rate = WIDE / median(times["wide"])
    chain = [f"make {median(times['make chain']):.3f}", f"Luigi {median(times['luigi chain']):.2f}"]
    wide = [f"make -j2 {WIDE / median(times['make wide']):.0f}",
            f"Luigi {WIDE / median(times['luigi wide']):.0f}"]
    if queue:
        chain.append(f"HyperQueue {median(queue['chain']):.2f}")
        wide.append(f"HyperQueue {WIDE / median(queue['wide']):.0f}")
    return [
        Row("bare posix_spawn + wait, 1 thread", median(rates[1]), "per s"),
        Row("bare posix_spawn + wait, 2 threads", bare, "per s"),
        Row(f"chain of {CHAIN} /bin/true, durable", median(times["chain"]), "s", 0.25,
            others=chain + [DAGU], note=harness.spread(times["chain"])),
        Row(f"{WIDE} independent /bin/true", rate, "per s", others=wide,
            note=f"wall {harness.spread(times['wide'])} s"),
        Row("  share of the bare rate of 2 threads", 100 * rate / bare, "%", 35, at_most=False),
    ]
