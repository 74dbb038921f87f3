#!/usr/bin/env python3
"""features_oracle_test.py WORKER SOURCE: the main job's features beside DuckDB, row by row.

Runs the operators of dags/demo/user_features.json by `nightmill-worker op run` on dags/sample. The
expected table is computed from the raw csv.gz files by DuckDB, from the same list of features, so
that the two cannot drift apart; sums are compared with math.fsum, which rounds once, as we do.
"""
import datetime
import json
import math
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

import duckdb
import pyarrow.parquet

WORKER, SOURCE = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
SAMPLE = SOURCE / "dags/sample"
# A Monday (compaction), both ends of the data, and two in between.
DATES = ["2011-05-07", "2011-05-09", "2011-05-15", "2011-05-21", "2011-05-30"]
DAYS = 7
TYPES = {"event_time": "timestamp", "user_id": "varchar", "session_id": "bigint",
         "event_type": "varchar", "category": "integer", "since_prev_s": "double"}
# Not in the demo: the functions that need an order, and what `otherwise` puts in.
ORDERED = [
    {"name": "first_type", "fn": "first", "col": "event_type", "order_by": "event_time"},
    {"name": "last_type", "fn": "last", "col": "event_type", "order_by": "event_time"},
    {"name": "last_gap", "fn": "last", "col": "since_prev_s", "order_by": "event_time",
     "where": "event_type = 'FINISH'"},
    {"name": "kill_gap", "fn": "sum", "col": "since_prev_s", "where": "event_type = 'KILL'",
     "otherwise": 0},
]


def load_dag():
    text = (SOURCE / "dags/demo/user_features.json").read_text()
    dag = json.loads(re.sub(r"(^|\{) *//.*$", r"\1", text, flags=re.MULTILINE))
    return {task["id"]: task for task in dag["tasks"]}


TASKS = load_dag()
DAG_ONLY = ("id", "depends_on", "map", "pool", "pool_slots", "trigger_rule", "memory", "threads")


def window(date):
    last = datetime.date.fromisoformat(date)
    return [str(last - datetime.timedelta(back)) for back in reversed(range(DAYS))]


class Lake:
    """A data root, and the operators run in it."""

    def __init__(self, threads=2):
        self._folder = tempfile.TemporaryDirectory(prefix="nm-features-")
        self.root = pathlib.Path(self._folder.name)
        self.threads = threads

    def close(self):
        self._folder.cleanup()

    def run(self, task, date, item="", **changes):
        spec = {k: v for k, v in (TASKS[task] | changes).items() if k not in DAG_ONLY}
        text = json.dumps(spec)
        for name, value in {"params.source": str(SAMPLE), "data_date": date,
                            "map.item": item}.items():
            text = text.replace("{{ " + name + " }}", value)
        path = self.root / "spec.json"
        path.write_text(text)
        done = subprocess.run([WORKER, "op", "run", path, "--data-root", self.root,
                               "--threads", str(self.threads)], capture_output=True, text=True)
        if done.returncode != 0:
            raise AssertionError(f"{task} of {date}: {done.stderr}")
        return json.loads(done.stdout)

    def features(self, date):
        """The whole chain of a date; the outcome of every step."""
        steps = [("load", day) for day in window(date)]
        steps += [("gate", ""), ("features", ""), ("publish", "")]
        return [self.run(task, date, item)["outcome"] for task, item in steps]

    def table(self, verb, path, *options):
        return subprocess.run([WORKER, "table", verb, self.root / path, "-o", "json", *options],
                              capture_output=True, text=True, check=True).stdout

    def files(self, path, *options):
        return json.loads(self.table("files", path, *options))

    def data(self, path):
        """Bytes of every data file, by its path below the table."""
        data = self.root / path / "data"
        return {str(f.relative_to(data)): f.read_bytes() for f in data.rglob("*.parquet")}


def aggregate_sql(feature):
    """A feature as DuckDB would say it; sums and means as the list of their values."""
    col, fn = feature.get("col"), feature["fn"]
    where = f" filter (where {feature['where']})" if "where" in feature else ""
    if fn == "active_days":
        return f"count(distinct {col}::date){where}"
    if fn == "count_distinct":
        return f"count(distinct {col}){where}"
    if fn in ("first", "last"):
        arg = {"first": "arg_min", "last": "arg_max"}[fn]
        return f"{arg}({col}, row(order_key, {col})){where}".replace("order_key",
                                                                     feature["order_by"])
    if fn in ("sum", "avg"):
        if "otherwise" in feature:
            col = f"case when {feature['where']} then {col} else {feature['otherwise']} end"
            where = ""
        return f"list({col}){where}"
    return f"{fn}({col or '*'}){where}"


def value_of(feature, value):
    if feature["fn"] not in ("sum", "avg"):
        return value
    values = [v for v in value or [] if v is not None]
    if not values:
        return None
    return math.fsum(values) / (len(values) if feature["fn"] == "avg" else 1)


def expected(date, features, derived):
    """{user: {column: value}} from the raw files."""
    connection = duckdb.connect()
    connection.execute("create macro day_span(a, b) as datediff('day', b, a)")
    files = [str(SAMPLE / f"{day}.csv.gz") for day in window(date)]
    ratios = "".join(
        f", {d['expr'].replace('date_diff(', 'day_span(').replace('as_of', f'''date '{date}' ''')}"
        f" as {d['name']}" for d in derived)
    columns = ", ".join(f"{aggregate_sql(f)} as {f['name']}" for f in features)
    cursor = connection.execute(
        f"select *{ratios} from (select user_id, {columns} from read_csv({files}, header=true, "
        f"columns={TYPES}) group by user_id)")
    names = [column[0] for column in cursor.description]
    table = {}
    for row in cursor.fetchall():
        values = dict(zip(names, row))
        for feature in features:
            values[feature["name"]] = value_of(feature, values[feature["name"]])
        table[values["user_id"]] = values
    return table


def published(files):
    """{user: {column: value}} as DuckDB reads our files, and the number of rows."""
    cursor = duckdb.connect().execute(
        "select * replace (make_timestamp(epoch_us(first_event_at)) as first_event_at, "
        "make_timestamp(epoch_us(last_event_at)) as last_event_at) "
        f"from read_parquet({files}, hive_partitioning=false)")
    names = [column[0] for column in cursor.description]
    rows = [dict(zip(names, row)) for row in cursor.fetchall()]
    return {row["user_id"]: row for row in rows}, len(rows)


class FeaturesOracle(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.lake = Lake()
        cls.outcomes = {date: cls.lake.features(date) for date in DATES}

    @classmethod
    def tearDownClass(cls):
        cls.lake.close()

    def compare(self, ours, rows, theirs):
        self.assertEqual(rows, len(theirs), "rows")
        self.assertEqual(set(ours), set(theirs), "users")
        for user, want in theirs.items():
            self.assertEqual(ours[user], want, user)

    def test_every_date_is_that_of_duckdb(self):
        spec = TASKS["features"]
        for date in DATES:
            with self.subTest(date):
                files = self.lake.files("public/user_features", "--partition", f"as_of={date}")
                self.assertTrue(files)
                ours, rows = published(files)
                theirs = expected(date, spec["features"], spec["derived"])
                self.assertGreater(len(theirs), 100)
                self.assertTrue(any(r["avg_gap_s_7d"] is None for r in theirs.values()), "nulls")
                self.compare(ours, rows, theirs)

    def test_functions_that_need_an_order(self):
        spec = TASKS["features"]
        features = ORDERED + [f for f in spec["features"] if f["name"].endswith("_event_at")]
        date = "2011-05-15"
        report = self.lake.run("features", date, features=features, derived=[], checks={},
                               out={"path": "features/ordered", "partition": {"as_of": date}})
        self.assertEqual(report["outcome"], "published")
        ours, rows = published(self.lake.files("features/ordered"))
        self.compare(ours, rows, expected(date, features, []))

    def test_pyarrow_reads_the_published_files(self):
        for date in DATES:
            files = self.lake.files("public/user_features", "--partition", f"as_of={date}")
            duck, rows = published(files)
            arrow = pyarrow.parquet.ParquetFile(files[0]).read()
            self.assertEqual(arrow.num_rows, rows)
            for row in arrow.select(["user_id", "events_7d", "sum_gap_s_7d"]).to_pylist():
                self.assertEqual(row, {name: duck[row["user_id"]][name] for name in row})

    def test_head_shows_the_first_rows(self):
        head = json.loads(self.lake.table("head", "public/user_features", "--partition",
                                          "as_of=2011-05-15", "-n", "5"))
        files = self.lake.files("public/user_features", "--partition", "as_of=2011-05-15")
        duck, rows = published(files)
        self.assertEqual(head["total_rows"], rows)
        self.assertEqual([row["user_id"] for row in head["rows"]], list(duck)[:5])
        for row in head["rows"]:
            self.assertEqual(row["as_of"], "2011-05-15")
            for name in ("events_7d", "avg_gap_s_7d", "kill_rate", "days_since_last_event"):
                self.assertEqual(row[name], duck[row["user_id"]][name])

    def test_a_second_run_does_nothing(self):
        before = self.lake.data("public/user_features")
        for date in DATES:
            self.assertIn("published", self.outcomes[date])
            again = self.lake.features(date)
            self.assertEqual([again[i] for i in range(len(again)) if i != DAYS],
                             ["unchanged"] * (DAYS + 2), date)
            self.assertEqual(again[DAYS], "checked")
        self.assertEqual(self.lake.data("public/user_features"), before)
        self.assertEqual(len(before), len(DATES))

    def test_other_threads_and_a_compacted_lake_give_the_same_bytes(self):
        date = "2011-05-09"
        with_one = Lake(threads=1)
        self.addCleanup(with_one.close)
        for day in reversed(window(date)):
            with_one.run("load", date, day)
        content = self.content(with_one.files("lake/events"))
        before = with_one.files("lake/events")
        compacted = with_one.run("compact", date)
        after = with_one.files("lake/events")
        self.assertEqual((compacted["files_before"], compacted["files_after"]),
                         (len(before), len(after)))
        self.assertEqual(len(after), DAYS)
        self.assertGreaterEqual(len(before), 5 * DAYS)
        self.assertEqual(self.content(after), content)
        self.assertEqual(with_one.run("compact", date)["outcome"], "unchanged")
        self.assertEqual(with_one.files("lake/events"), after)
        # What compact writes is not new data: the days need no second load.
        self.assertEqual({with_one.run("load", date, day)["outcome"] for day in window(date)},
                         {"unchanged"})
        with_one.run("features", date)
        with_one.run("publish", date)
        place = f"as_of={date}/"
        ours = {k: v for k, v in self.lake.data("public/user_features").items()
                if k.startswith(place)}
        self.assertEqual(with_one.data("public/user_features"), ours)

    @staticmethod
    def content(files):
        """Rows, and a sum over them that no order changes."""
        return duckdb.connect().execute(
            "select count(*), sum(hash(columns_of)::hugeint) from (select row(event_time::varchar, "
            "user_id, session_id, event_type, category, since_prev_s) as columns_of "
            f"from read_parquet({files}, hive_partitioning=false))").fetchone()


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
