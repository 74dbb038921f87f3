"""duckdb_window.py FORM DATA OUT: the 31-day window of features in DuckDB with two threads.

Written as Parquet; prints the seconds from connecting to the file on disk (the start of Python is
left out). Forms: seed, the query as one would write it; pairs, first per (user, session), then per
user; split, per user with bit masks instead of distinct counts, joined with the distinct (user,
session) pairs. All give the same rows; the bench checks that before it prints a time.
"""
import sys
import time

import duckdb

LAST_DAY = "2026-01-31"
SOURCE = "read_parquet('{data}/*/*.parquet', hive_partitioning=true)"
RATIOS = """select *,
  case when page_views_30d > 0 then clicks_30d / page_views_30d else 0.0 end as click_through_rate,
  case when total_sessions_30d > 0 then purchases_30d / total_sessions_30d else 0.0 end
    as purchase_rate,
  datediff('day', last_event_at::date, date '{last}') as days_since_last_event from ({query})"""
DAY_BIT = "1::ubigint << (datediff('day', date '2026-01-01', timestamp::date) % 64)::ubigint"
CATEGORY_BIT = "1::ubigint << replace(product_category, 'cat_', '')::ubigint"
COUNTS = """count(*) filter (event_type = 'page_view') as page_views_30d,
  count(*) filter (event_type = 'click') as clicks_30d,
  count(*) filter (event_type = 'purchase') as purchases_30d,
  count(*) filter (event_type = 'add_to_cart') as cart_adds_30d"""

SEED = """select user_id, count(*) as total_events_30d,
  count(distinct session_id) as total_sessions_30d,
  count(distinct date_trunc('day', timestamp)) as active_days_30d,
  sum(case when event_type = 'page_view' then 1 else 0 end) as page_views_30d,
  sum(case when event_type = 'click' then 1 else 0 end) as clicks_30d,
  sum(case when event_type = 'purchase' then 1 else 0 end) as purchases_30d,
  sum(case when event_type = 'add_to_cart' then 1 else 0 end) as cart_adds_30d,
  sum(case when event_type = 'purchase' then value else 0 end) as total_spend_30d,
  avg(case when event_type = 'purchase' then value end) as avg_order_value_30d,
  max(timestamp) as last_event_at, min(timestamp) as first_event_at,
  count(distinct product_category) as unique_categories_30d
from {source} group by user_id"""

PAIRS = f"""with s as (select user_id, session_id, count(*) as n, bit_or({DAY_BIT}) as days,
    {COUNTS}, sum(value) filter (event_type = 'purchase') as spend,
    count(value) filter (event_type = 'purchase') as orders, max(timestamp) as newest,
    min(timestamp) as oldest, bit_or({CATEGORY_BIT}) as categories
  from {{source}} group by user_id, session_id)
select user_id, sum(n)::bigint as total_events_30d, count(session_id) as total_sessions_30d,
  bit_count(bit_or(days)) as active_days_30d, sum(page_views_30d)::bigint as page_views_30d,
  sum(clicks_30d)::bigint as clicks_30d, sum(purchases_30d)::bigint as purchases_30d,
  sum(cart_adds_30d)::bigint as cart_adds_30d, coalesce(sum(spend), 0) as total_spend_30d,
  sum(spend) / nullif(sum(orders), 0) as avg_order_value_30d, max(newest) as last_event_at,
  min(oldest) as first_event_at, coalesce(bit_count(bit_or(categories)), 0) as unique_categories_30d
from s group by user_id"""

SPLIT = f"""select a.*, b.total_sessions_30d from (
  select user_id, count(*) as total_events_30d, bit_count(bit_or({DAY_BIT})) as active_days_30d,
    {COUNTS}, coalesce(sum(value) filter (event_type = 'purchase'), 0) as total_spend_30d,
    avg(value) filter (event_type = 'purchase') as avg_order_value_30d,
    max(timestamp) as last_event_at, min(timestamp) as first_event_at,
    coalesce(bit_count(bit_or({CATEGORY_BIT})), 0) as unique_categories_30d
  from {{source}} group by user_id) a
join (select user_id, count(*) as total_sessions_30d from (
    select distinct user_id, session_id from {{source}}) group by user_id) b using (user_id)"""

FORMS = {"seed": SEED, "pairs": PAIRS, "split": SPLIT}


def run(form, data, out):
    started = time.perf_counter()
    connection = duckdb.connect(config={"threads": 2, "preserve_insertion_order": "false"})
    query = FORMS[form].format(source=SOURCE.format(data=data))
    query = RATIOS.format(query=query, last=LAST_DAY)
    connection.execute(f"copy ({query}) to '{out}' (format parquet, compression zstd)")
    return time.perf_counter() - started


if __name__ == "__main__":
    print(run(*sys.argv[1:4]))
