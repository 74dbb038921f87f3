"""hyperqueue_tasks.py FOLDER CHAIN WIDE RUNS: both shapes in HyperQueue, one worker of two cores.

Prints {"chain": [seconds], "wide": [seconds]}. The client polls once a second, so a last task that
depends on all others writes the end time.
"""
import json
import pathlib
import sys
import time

from hyperqueue import Job, LocalCluster
from hyperqueue.cluster import WorkerConfig


def timed(client, folder, shape, count):
    stamp = pathlib.Path(folder) / "end"
    job, tasks = Job(), []
    silent = {"stdout": None, "stderr": None}
    for _ in range(count):
        before = tasks[-1:] if shape == "chain" else ()
        tasks.append(job.program(["/bin/true"], deps=before, **silent))
    job.program(["/bin/sh", "-c", f"date +%s.%N > {stamp}"],
                deps=tasks[-1:] if shape == "chain" else tasks, **silent)
    started = time.time()
    client.wait_for_jobs([client.submit(job)])
    return float(stamp.read_text()) - started


def main():
    folder, chain, wide, runs = sys.argv[1], *map(int, sys.argv[2:])
    times = {"chain": [], "wide": []}
    with LocalCluster(folder, worker_config=WorkerConfig(cores=2)) as cluster:
        client = cluster.client()
        timed(client, folder, "wide", 1)
        for _ in range(runs):
            times["chain"].append(timed(client, folder, "chain", chain))
            times["wide"].append(timed(client, folder, "wide", wide))
    print(json.dumps(times))


if __name__ == "__main__":
    main()
