"""The daemon as a service: start, answers over REST, hand-off of tasks, cost of doing nothing."""
import json
import time

import harness
import orchestrators
from harness import NIGHTMILL, Row, instant, median

IDLE_DAGS = 100


def noop_dag(dag_id):
    return {"dag_id": dag_id, "max_active_runs": 1000,
            "tasks": [{"id": "nothing", "type": "noop"}]}


def scheduled_dag(number):
    return {"dag_id": f"idle_{number:03}", "tasks": orchestrators.dag("x", 5, True)["tasks"],
            "schedule": {"cron": f"{number % 60} {number % 24} 1 1 *", "catchup": "none",
                         "timezone": "Europe/Berlin"}}


def help_time(runs):
    times = [harness.wall([NIGHTMILL, "--help"]) for _ in range(4 * runs)]
    return Row("nightmill --help", 1000 * median(times), "ms", 50)


def start_to_first_run(runs):
    """From the start of the process to the end of a run of one process task."""
    times = []
    with harness.fresh_folder() as folder:
        daemon = harness.Daemon(folder)
        with daemon:
            daemon.apply(orchestrators.dag("first", 1, False))
        for _ in range(runs):
            started = time.time()
            with daemon:
                _, run_id = daemon.run("first")
                run = daemon.client.ended_run("first", run_id)
                times.append(instant(run["end_date"]) - started)
    return Row("daemon start to first run done", median(times), "s", 0.3,
               others=["Dagu 0.33 (not re-run)"], note=harness.spread(times))


def rest_latency(daemon, runs):
    """From the request to the last byte of the answer, as the rivals were timed; reading the JSON
    is the client's own."""
    daemon.apply(noop_dag("noop"))
    triggers, lists = [], []
    for _ in range(max(60, 40 * runs)):
        started = time.perf_counter()
        daemon.client.trigger("noop")
        triggers.append(time.perf_counter() - started)
    for _ in range(100 * runs):
        started = time.perf_counter()
        answer = daemon.client.exchange("GET", "/dags/noop/dagRuns?limit=50")
        lists.append(time.perf_counter() - started)
        if len(json.loads(answer)["dag_runs"]) != 50:
            raise RuntimeError("the list of runs is short")
    return [
        Row("newest 50 runs over REST, p50", 1000 * median(lists), "ms", 1,
            others=["Dagu 0.7, Prefect 21, Airflow 22 (not re-run)"]),
        Row("trigger over REST, p50 (committed)", 1000 * median(triggers), "ms", 5,
            others=["Airflow 19, Dagu 104 (not re-run)"]),
    ]


def hand_off(daemon, runs):
    """From the end of a task to the start of the one that waited only for it, as the rows say."""
    waits = []
    daemon.apply(orchestrators.dag("handoff", orchestrators.CHAIN, True))
    for _ in range(runs):
        _, run_id = daemon.run("handoff")
        tasks = {task["task_id"]: task for task in daemon.client.tasks("handoff", run_id)}
        for number in range(1, orchestrators.CHAIN):
            waits.append(instant(tasks[f"t{number}"]["start_date"])
                         - instant(tasks[f"t{number - 1}"]["end_date"]))
    return Row("hand-off ready -> start, p50", 1000 * median(waits), "ms", 5)


def idle(seconds):
    """CPU and memory of a daemon and its worker with 100 scheduled DAGs and nothing to do."""
    with harness.fresh_folder() as folder, harness.Daemon(folder) as daemon:
        daemon.apply(*(scheduled_dag(number) for number in range(IDLE_DAGS)))
        root = daemon.process.pid
        time.sleep(3)
        tree = [root, *harness.descendants(root)]
        before, started = sum(map(harness.cpu_seconds, tree)), time.perf_counter()
        time.sleep(seconds)
        used, elapsed = sum(map(harness.cpu_seconds, tree)) - before, time.perf_counter() - started
        daemon_mb = harness.pss_mb(root)
        all_mb = sum(harness.pss_mb(pid) for pid in tree)
    cpu = 100 * used / elapsed
    return [
        Row(f"idle CPU with {IDLE_DAGS} DAGs, {seconds:.0f} s", cpu, "%", 0.15,
            others=["Dagu 0.15, Airflow 15 (not re-run)"]),
        Row("idle memory, daemon (PSS)", daemon_mb, "MB", 18),
        Row("idle memory, daemon and worker (PSS)", all_mb, "MB", 40,
            others=["Dagu 95, Prefect 317 (not re-run)"], note=f"{len(tree)} processes"),
    ]


def measure(runs, idle_seconds):
    found = [help_time(runs), start_to_first_run(runs)]
    with harness.fresh_folder() as folder, harness.Daemon(folder) as daemon:
        found.append(hand_off(daemon, runs))
        found += rest_latency(daemon, runs)
    return found + idle(idle_seconds)
