"""One 31-day window of features per user, with output, in `nightmill op run` and in DuckDB.

Both read the same files with two threads, each run in a new process, interleaved. The results are
compared row by row before a time is printed: counts and times exactly, sums to 1e-12.
"""
import json
import pathlib
import shutil
import subprocess
import sys
import time

import duckdb

import duckdb_window
import events
import harness
from harness import NIGHTMILL, Row, median

HERE = pathlib.Path(__file__).resolve().parent
BOUGHT = "event_type = 'purchase'"
FEATURES = [
    {"name": "total_events_30d", "fn": "count"},
    {"name": "total_sessions_30d", "fn": "count_distinct", "col": "session_id"},
    {"name": "active_days_30d", "fn": "active_days", "col": "timestamp"},
    {"name": "page_views_30d", "fn": "count", "where": "event_type = 'page_view'"},
    {"name": "clicks_30d", "fn": "count", "where": "event_type = 'click'"},
    {"name": "purchases_30d", "fn": "count", "where": BOUGHT},
    {"name": "cart_adds_30d", "fn": "count", "where": "event_type = 'add_to_cart'"},
    {"name": "total_spend_30d", "fn": "sum", "col": "value", "where": BOUGHT, "otherwise": 0},
    {"name": "avg_order_value_30d", "fn": "avg", "col": "value", "where": BOUGHT},
    {"name": "last_event_at", "fn": "max", "col": "timestamp"},
    {"name": "first_event_at", "fn": "min", "col": "timestamp"},
    {"name": "unique_categories_30d", "fn": "count_distinct", "col": "product_category"},
]
DERIVED = [
    {"name": "click_through_rate",
     "expr": "if(page_views_30d > 0, clicks_30d / page_views_30d, 0.0)"},
    {"name": "purchase_rate",
     "expr": "if(total_sessions_30d > 0, purchases_30d / total_sessions_30d, 0.0)"},
    {"name": "days_since_last_event", "expr": "date_diff(as_of, date(last_event_at))"},
]
ROUNDED = ("total_spend_30d", "avg_order_value_30d", "click_through_rate", "purchase_rate")


def spec(data):
    return {
        "type": "aggregate", "as_of": duckdb_window.LAST_DAY, "threads": 2, "memory": "8GB",
        "in": {"path": str(data), "format": "parquet", "partition_by": "event_date"},
        "window": {"days": events.DAYS, "by": "event_date", "timezone": "UTC"},
        "keys": ["user_id"], "features": FEATURES, "derived": DERIVED,
        "out": {"path": "out", "partition": {"feature_date": duckdb_window.LAST_DAY}}}


def run_ours(folder, data):
    """(seconds of the whole process, CPU seconds, peak MB, its report); the output is fresh."""
    shutil.rmtree(folder / "out", ignore_errors=True)
    (folder / "spec.json").write_text(json.dumps(spec(data)))
    started = time.perf_counter()
    output, cpu, peak = harness.measured(
        [NIGHTMILL, "op", "run", "spec.json", "--memory", "8GB"], cwd=folder)
    return time.perf_counter() - started, cpu, peak, json.loads(output)


def run_duckdb(form, data, out):
    """(seconds as DuckDB's script counts them, CPU seconds, peak MB)."""
    command = [sys.executable, HERE / "duckdb_window.py", form, str(data), str(out)]
    output, cpu, peak = harness.measured(command)
    return float(output), cpu, peak


def check_equal(folder, theirs):
    """Raises unless our table and a Parquet file hold the same rows."""
    files = subprocess.run([NIGHTMILL, "table", "files", "out"], cwd=folder, check=True,
                           capture_output=True, text=True).stdout.split()
    columns = ["user_id"] + [row["name"] for row in FEATURES + DERIVED]
    differ = [
        f"abs(a.{name} - b.{name}) > 1e-12 * greatest(1, abs(b.{name})) "
        f"or (a.{name} is null) <> (b.{name} is null)"
        if name in ROUNDED else f"a.{name} is distinct from b.{name}" for name in columns]
    ours = "read_parquet([" + ", ".join(f"'{name}'" for name in files) + "])"
    rows, wrong, missing = duckdb.execute(
        f"select count(*), count(*) filter ({' or '.join(differ)}), "
        "count(*) filter (a.user_id is null or b.user_id is null) "
        f"from {ours} a full join read_parquet('{theirs}') b using (user_id)").fetchone()
    if wrong or missing or not rows:
        raise RuntimeError(f"{theirs}: {wrong} of {rows} rows differ, {missing} on one side only")
    return rows


def costs(name, found):
    """"name wall s (CPU s, peak)" by medians of (wall, CPU, peak)."""
    wall, cpu, peak = (median(column) for column in zip(*found))
    return f"{name} {wall:.2f} (CPU {cpu:.1f} s, {peak:.0f} MB)"


def measure_shape(shape, runs):
    harness.WORK.mkdir(parents=True, exist_ok=True)
    data, (rows, users, pairs) = events.generate(shape, harness.WORK / "data")
    found = {name: [] for name in ("ours", *duckdb_window.FORMS)}
    with harness.fresh_folder() as folder:
        run_ours(folder, data)
        for form in duckdb_window.FORMS:
            run_duckdb(form, data, folder / f"{form}.parquet")
            check_equal(folder, folder / f"{form}.parquet")
        for _ in range(runs):
            for form in duckdb_window.FORMS:
                found[form].append(run_duckdb(form, data, folder / "again.parquet"))
            *figures, report = run_ours(folder, data)
            found["ours"].append(figures)
    middle = {name: median([run[0] for run in some]) for name, some in found.items()}
    best = min(("pairs", "split"), key=middle.get)
    phases = ", ".join(f"{name} {value:.2f}"
                       for name, value in (report.get("phase_seconds") or {}).items())
    others = [costs("DuckDB seed", found["seed"]), costs(f"best ({best})", found[best])]
    size = f"{rows / 1e6:.1f} M rows, {users / 1e3:.0f} k users, {pairs / 1e6:.1f} M pairs"
    return [
        Row(f"31-day window, S-{shape} ({size})", middle["ours"], "s", others=others,
            note=f"{costs('ours', found['ours'])}; {phases}"),
        Row("  times faster than DuckDB's seed SQL", middle["seed"] / middle["ours"], "x", 2,
            at_most=False),
        Row("  times faster than DuckDB's best form", middle[best] / middle["ours"], "x"),
    ]


def measure(runs):
    return [row for shape in events.SHAPES for row in measure_shape(shape, runs)]
