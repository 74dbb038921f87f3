"""Generates the event tables of the bench: 31 days of 400,000 rows, the same bytes from every run.

Every random number is a hash of (seed, day, row), so the rows depend neither on threads nor on
order. typ: users skewed by r^3, about 8 events per UUID session. hard: users skewed by r^4, 1.15
events per session, so nearly as many (user, session) pairs as rows.
"""
import datetime
import hashlib
import pathlib

import duckdb

FIRST_DAY = datetime.date(2026, 1, 1)
DAYS = 31
ROWS = 400_000
SEED = 42

# A number in [0, 1) for a row and a purpose k.
UNIFORM = "((hash({seed}, {day}, {row}, {k}) >> 11)::double / 9007199254740992.0)"
EVENT = """case when r1 < 0.70 then 'page_view' when r1 < 0.90 then 'click'
  when r1 < 0.96 then 'add_to_cart' when r1 < 0.99 then 'purchase' else 'search' end as event_type,
 case when r1 >= 0.96 and r1 < 0.99 then round(5 + 200 * r2 * r2, 2) end as value"""
HARD = """with a as (select i, floor(1000000 * pow({u0}, 4))::bigint as u, {u1} as r1, {u2} as r2,
   {u3} as r3, (i * 86400000000.0 / {rows})::bigint as us from range({rows}) t(i))
 select i + {day} * {rows}::bigint as event_id, (u * 2654435761 % 4294967291)::bigint as user_id,
   lpad(to_hex(hash(u, {day}, us // 1800000000)), 16, '0') as session_id, {event},
   'cat_' || floor(40 * r3 * r3)::int as product_category,
   make_timestamp(epoch_us(timestamp '{date}') + us) as timestamp
 from a order by i"""
TYPICAL = """with s as (select i as s, floor(400000 * pow({u0}, 3))::bigint as u,
   ({u1} * 84000000000)::bigint as start, 1 + floor({u2} * 15)::int as n,
   floor(40 * pow({u3}, 3))::int as c, md5({day}::varchar || ' ' || i)::uuid::varchar as session_id
   from range({sessions}) t(i)),
 e as (select *, s * 16 + k as i from (select *, unnest(range(n)) as k from s)),
 a as (select *, {u4} as r1, {u5} as r2, {u6} as r3, {u7} as r4 from e)
 select row_number() over (order by start + k * 20000000 + (r2 * 1e7)::bigint, i)
     + {day} * {rows}::bigint as event_id,
   (u * 2654435761 % 4294967291)::bigint as user_id, session_id, {event},
   case when r4 < 0.99 then 'cat_' || case when r3 < 0.7 then c else floor(r3 * 40)::int end end
     as product_category,
   make_timestamp(epoch_us(timestamp '{date}') + start + k * 20000000 + (r2 * 1e7)::bigint)
     as timestamp
 from a order by event_id"""
SHAPES = {"typ": TYPICAL, "hard": HARD}


def day_sql(shape, day):
    numbers = {f"u{k}": UNIFORM.format(seed=SEED, day=day, row="i", k=k) for k in range(8)}
    return SHAPES[shape].format(rows=ROWS, sessions=ROWS // 8, day=day, event=EVENT,
                                date=FIRST_DAY + datetime.timedelta(day), **numbers)


def generate(shape, folder):
    """The folder of the table, made unless the same one is there, and its control counts."""
    mark = hashlib.sha256((day_sql(shape, 0) + duckdb.__version__).encode()).hexdigest()[:12]
    target = pathlib.Path(folder) / f"{shape}-{mark}"
    connection = duckdb.connect(config={"threads": 2})
    if not target.exists():
        unfinished = target.with_suffix(".new")
        for day in range(DAYS):
            place = unfinished / f"event_date={FIRST_DAY + datetime.timedelta(day)}"
            place.mkdir(parents=True, exist_ok=True)
            connection.execute(f"copy ({day_sql(shape, day)}) to '{place}/part-0.parquet' "
                               "(format parquet, compression zstd, row_group_size 122880)")
        unfinished.rename(target)
    counts = connection.execute(
        "select count(*), count(distinct user_id), count(distinct (user_id, session_id)) "
        f"from read_parquet('{target}/*/*.parquet')").fetchone()
    return target, counts
