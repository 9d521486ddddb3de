"""The cost of the marts, of 1 and of 3 years in S3: getting the days, and what dbt does then.

daily    what the platform does: one object a day, many downloaded at once, read by views
copied   the same, but the rows are copied into the warehouse before dbt begins
monthly  as if something compacted each month into one object: what that could save

1,000 orders and as many payments a day in 10 regions. The server is that of remote_reads.py:
20 ms a request, 1 Gbit/s in all. Publishing is left out: it takes 16 requests.

Run: python benchmarks/marts.py [ROUNDS]   (default: 3)
"""

from __future__ import annotations

import sys
import tempfile
import time
from datetime import date
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import duckdb
from remote_reads import start_server, write_listing

from ecom_platform.assets.metrics import METRICS
from ecom_platform.datasets import CLEANED_ORDERS, CLEANED_PAYMENTS
from ecom_platform.engines.dbt import build
from ecom_platform.engines.duckdb import Engine, sql_type
from ecom_platform.lake.publish import Lake
from ecom_platform.lake.s3 import S3Storage
from ecom_platform.lake.warehouse import build_warehouse
from ecom_platform.marts import PROJECT
from ecom_platform.settings import Settings

if TYPE_CHECKING:
    from ecom_platform.datasets import Dataset

ORDERS, REGIONS = 1_000, 10
FIRST = date(2021, 1, 1)
YEARS = {"1 year": 365, "3 years": 1096}
#: What the marts read, in the order of layers.
SOURCES = (
    CLEANED_ORDERS,
    CLEANED_PAYMENTS,
    *(metric.dataset for metric in METRICS if metric.name != "payment_status"),
)

ORDER_ROWS = f"""
    SELECT DATE '{FIRST}' + (i // {ORDERS})::INT AS date, i AS id,
    CASE WHEN i % 20 > 0 THEN hash(i) % 400_000 END AS customer_id,
    'Region ' || i % {REGIONS} AS region, (i % 9000 / 100)::DECIMAL(18, 2) AS total_amount,
    (DATE '{FIRST}' + (i // {ORDERS})::INT)::TIMESTAMPTZ + to_seconds(i % {ORDERS}) AS created_at,
    'paid' AS status, i % 50 = 0 AS is_void, false AS is_orphan,
    'p' || i AS payment, i AS order_id, total_amount AS amount, status AS source_status,
    'completed' AS payment_status, created_at AS paid_at
    FROM range({{days}} * {ORDERS}) AS orders(i)
"""


def make_lake(bucket: Path, days: int) -> None:
    """Write a lake, one object a day; and beside it one with an object a month."""
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(f"CREATE TABLE made AS {ORDER_ROWS.format(days=days)}")
        for dataset in SOURCES:
            rows = _rows(dataset)
            for folder, part in (("daily", "date"), ("monthly", "date_trunc('month', date)")):
                parts = connection.execute(f"SELECT DISTINCT {part} FROM made").fetchall()
                connection.execute(f"CREATE OR REPLACE TABLE part AS {rows}")
                for (day,) in parts:
                    name = f"{dataset.path}/date={day:%Y-%m-%d}/data.parquet"
                    file = bucket.with_name(f"{bucket.name}-{folder}") / name
                    file.parent.mkdir(parents=True)
                    date_column = "" if folder == "daily" else "date AS day, "
                    columns = ", ".join(column.name for column in dataset.columns)
                    connection.execute(
                        f"COPY (SELECT {date_column}{columns} FROM part WHERE {part} = '{day}') "
                        f"TO '{file}' (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, "
                        "PARQUET_VERSION v2)"
                    )
                write_listing(bucket.with_name(f"{bucket.name}-{folder}"), dataset.path)


def _rows(dataset: Dataset) -> str:
    """Return the SQL of a dataset's rows; metrics are as large as they would be, not as true."""
    if dataset == CLEANED_ORDERS:
        return "SELECT * FROM made"
    if dataset == CLEANED_PAYMENTS:
        return "SELECT * REPLACE (payment AS id, payment_status AS status) FROM made"
    values = {
        "total_orders": "count(DISTINCT id)",
        "void_orders": "count_if(is_void)",
        "total_revenue": "sum(total_amount)",
        "total_customers": "count(DISTINCT customer_id)",
        "average_order_value": "sum(total_amount) / count(*)",
        "customer_retention_rate": "0.5",
    }
    columns = ", ".join(
        f"CAST({values.get(column.name, '1')} AS {sql_type(column)}) AS {column.name}"
        for column in dataset.columns
        if column.name != "region"
    )
    return (
        f"SELECT date, coalesce(region, 'all') AS region, {columns} "
        "FROM made GROUP BY GROUPING SETS ((date, region), (date))"
    )


def measure(way: str, bucket: str) -> tuple[float, float]:
    """Return the seconds until the warehouse is there, and those of dbt."""
    settings = Settings(lake=f"s3://{bucket}-{'monthly' if way == 'monthly' else 'daily'}")
    with tempfile.TemporaryDirectory() as folder:
        engine = Engine(settings, Path(folder), [])
        lake = Lake(S3Storage(settings.lake), settings.calendar, engine.scratch, "")
        started = time.perf_counter()
        if way == "monthly":
            warehouse = _of_months(lake, engine)
        else:
            warehouse = build_warehouse(lake, engine, SOURCES, copied=way == "copied")
        ready = time.perf_counter()
        results = build(PROJECT, warehouse, settings)
        if wrong := {key for key, found in results.items() if found.status == "error"}:
            sys.exit(f"dbt failed: {wrong}")
        return ready - started, time.perf_counter() - ready


def _of_months(lake: Lake, engine: Engine) -> Path:
    file = engine.scratch / "warehouse.duckdb"
    with duckdb.connect(str(file)) as connection:
        for dataset in SOURCES:
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {dataset.layer}")
            files = [str(path) for path in lake.everything(dataset).files.values()]
            columns = ", ".join(column.name for column in dataset.columns)
            connection.execute(
                f"CREATE VIEW {dataset.layer}.{dataset.name} AS SELECT day AS date, {columns} "
                f"FROM read_parquet({files}, hive_partitioning = false)"
            )
    return file


def main() -> None:
    """Measure in turns; print medians, and ratios to `daily`."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    with tempfile.TemporaryDirectory() as folder:
        counters = start_server(Path(folder))
        print(f"{'':20}warehouse    dbt    all  ratio  requests")
        for name, days in YEARS.items():
            bucket = f"lake-{days}"
            make_lake(Path(folder) / bucket, days)
            found: dict[str, list[tuple[float, float, float]]] = {}
            for _ in range(rounds):
                for way in ("daily", "copied", "monthly"):
                    before = counters[0]
                    seconds = measure(way, bucket)
                    found.setdefault(way, []).append((*seconds, counters[0] - before))
            for way, costs in found.items():
                warehouse, dbt, requests = (median(values) for values in zip(*costs, strict=True))
                ratio = median(
                    (mine[0] + mine[1]) / (theirs[0] + theirs[1])
                    for mine, theirs in zip(costs, found["daily"], strict=True)
                )
                print(f"{name:10}{way:10}{warehouse:9.2f}{dbt:7.2f}{warehouse + dbt:7.2f}", end="")
                print(f"{ratio:7.2f}{requests:10,.0f}")


if __name__ == "__main__":
    main()
