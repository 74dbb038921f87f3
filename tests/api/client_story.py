"""client_story.py URL TOKEN: what users of Airflow's official client do, against a live daemon.

Run with one release of apache-airflow-client on PYTHONPATH; the client is used as it is. The DAGs
are there already: `hello` (two steps, unpaused, daily) and `flaky`, whose task fails until the file
named by the environment variable MARKER is there. Ends with 0 or a traceback.
"""
import datetime
import os
import pathlib
import sys
import time

from airflow_client import client
from airflow_client.client import api, exceptions, models

URL, TOKEN = sys.argv[1:3]
SETTINGS = client.Configuration(host=URL, access_token=TOKEN)
SHARED = client.ApiClient(SETTINGS)
DAGS, RUNS = api.DAGApi(SHARED), api.DagRunApi(SHARED)
TASKS, POOLS = api.TaskInstanceApi(SHARED), api.PoolApi(SHARED)
FILLS = api.BackfillApi(SHARED)


def expect(got, wanted, what):
    assert got == wanted, f"{what}: {got!r}, not {wanted!r}"


def refused(kind, call, *words, **more):
    try:
        call(*words, **more)
    except kind:
        return
    raise AssertionError(f"{call} {words} was not refused as {kind.__name__}")


def until(look, what):
    """The first answer that is not None; looks again and again, for three minutes at most."""
    end = time.monotonic() + 180
    while (found := look()) is None:
        if time.monotonic() > end:
            raise AssertionError(f"not in time: {what}")
        time.sleep(0.05)
    return found


def ended(dag_id, run_id):
    def look():
        run = RUNS.get_dag_run(dag_id, run_id)
        return run if run.state in ("success", "failed") else None
    return until(look, f"the end of {run_id}")


def read_dags():
    listed = DAGS.get_dags(limit=10)
    assert {dag.dag_id for dag in listed.dags} >= {"hello", "flaky"}, listed
    expect(DAGS.get_dag("hello").dag_id, "hello", "one DAG")
    expect(DAGS.get_dag_details("hello").concurrency, 256, "details")
    expect([tag for tag in DAGS.get_dags(tags=["demo"]).dags][0].dag_id, "hello", "by tag")
    expect(len(api.TaskApi(SHARED).get_tasks("hello").tasks), 2, "tasks")
    api.MonitorApi(SHARED).get_health()
    expect(bool(api.VersionApi(SHARED).get_version().version), True, "version")
    expect(api.DagVersionApi(SHARED).get_dag_versions("hello").dag_versions[0].version_number, 1,
           "versions")
    assert "hello" in api.DagSourceApi(SHARED).get_dag_source("hello").content
    api.ImportErrorApi(SHARED).get_import_errors()
    api.DagStatsApi(SHARED).get_dag_stats(dag_ids=["hello"])


def trigger():
    first = RUNS.trigger_dag_run("hello", models.TriggerDAGRunPostBody(logical_date=None))
    expect(first.logical_date, None, "logical date")
    ended("hello", first.dag_run_id)
    date = datetime.datetime(2026, 1, 5, tzinfo=datetime.timezone.utc)
    second = RUNS.trigger_dag_run("hello", models.TriggerDAGRunPostBody(
        logical_date=date, dag_run_id="by_hand", conf={"a": 1}, note="from the client"))
    expect(second.logical_date, date, "logical date")
    RUNS.wait_dag_run_until_finished("hello", "by_hand", interval=1)
    run = RUNS.get_dag_run("hello", "by_hand")
    expect((run.state, run.note), ("success", "from the client"), "run")
    expect(RUNS.get_dag_runs("hello").total_entries, 2, "runs")
    refused(exceptions.ConflictException, RUNS.trigger_dag_run, "hello",
            models.TriggerDAGRunPostBody(logical_date=None, dag_run_id="by_hand"))


def look():
    listed = TASKS.get_task_instances("hello", "by_hand")
    expect({one.task_id: one.state for one in listed.task_instances},
           {"say": "success", "end": "success"}, "task instances")
    one = TASKS.get_task_instance("hello", "by_hand", "say")
    expect(one.try_number, 1, "try")
    tries = TASKS.get_task_instance_tries("hello", "by_hand", "say")
    expect([one.state for one in tries.task_instances], ["success"], "tries")
    TASKS.get_task_instance_try_details("hello", "by_hand", "say", 1)
    TASKS.get_task_instance_dependencies("hello", "by_hand", "say")
    log = TASKS.get_log("hello", "by_hand", "say", 1)
    assert "hello" in str(log.to_dict()), log


def clear():
    run = RUNS.trigger_dag_run("flaky", models.TriggerDAGRunPostBody(logical_date=None))
    run_id = run.dag_run_id
    expect(ended("flaky", run_id).state, "failed", "first time")
    body = models.ClearTaskInstancesBody(dag_run_id=run_id, dry_run=True)
    expect(TASKS.post_clear_task_instances("flaky", body).total_entries, 1, "dry run")
    pathlib.Path(os.environ["MARKER"]).touch()
    body = models.ClearTaskInstancesBody(dag_run_id=run_id, dry_run=False)
    TASKS.post_clear_task_instances("flaky", body)
    expect(ended("flaky", run_id).state, "success", "second time")
    expect(TASKS.get_task_instance("flaky", run_id, "check").try_number, 2, "tries go on")
    RUNS.clear_dag_run("flaky", run_id, models.DAGRunClearBody(dry_run=False))
    expect(ended("flaky", run_id).state, "success", "all again")
    patched = RUNS.patch_dag_run("flaky", run_id, models.DAGRunPatchBody(note="seen"))
    expect(patched.note, "seen", "note")


def pause():
    expect(DAGS.patch_dag("hello", models.DAGPatchBody(is_paused=True)).is_paused, True, "paused")
    expect(DAGS.patch_dag("hello", models.DAGPatchBody(is_paused=False)).is_paused, False, "on")


def backfill():
    def day(number):
        return datetime.datetime(2026, 2, number, tzinfo=datetime.timezone.utc)
    body = models.BackfillPostBody(dag_id="hello", from_date=day(1), to_date=day(3),
                                   reprocess_behavior="none", max_active_runs=2)
    expect(FILLS.create_backfill_dry_run(body).total_entries, 3, "preview")
    made = FILLS.create_backfill(body)
    until(lambda: FILLS.get_backfill(made.id).completed_at, "the end of the backfill")
    assert made.id in {one.id for one in FILLS.list_backfills(dag_id="hello").backfills}
    expect(RUNS.get_dag_runs("hello", run_type=["backfill"]).total_entries, 3, "runs of it")


def pools():
    expect(POOLS.post_pool(models.PoolBody(name="small", slots=2)).slots, 2, "pool")
    expect(POOLS.get_pool("small").open_slots, 2, "pool")
    patch = models.PoolPatchBody(slots=3)
    expect(POOLS.patch_pool("small", patch, update_mask=["slots"]).slots, 3, "patched")
    assert {"default_pool", "small"} <= {one.name for one in POOLS.get_pools().pools}
    refused(exceptions.ConflictException, POOLS.post_pool, models.PoolBody(name="small", slots=2))
    POOLS.delete_pool("small")
    refused(exceptions.NotFoundException, POOLS.get_pool, "small")


def errors():
    refused(exceptions.BadRequestException, RUNS.get_dag_runs, "hello", order_by=["nope"])
    refused(exceptions.NotFoundException, DAGS.get_dag, "nothing")
    stranger = client.ApiClient(client.Configuration(host=URL, access_token="nm_nobody"))
    refused(exceptions.UnauthorizedException, api.DAGApi(stranger).get_dags)
    assert api.EventLogApi(SHARED).get_event_logs(limit=5).total_entries > 5


for chapter in (read_dags, trigger, look, clear, pause, backfill, pools, errors):
    chapter()
print("all chapters")
