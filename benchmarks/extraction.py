"""How fast a shop is read from PostgreSQL, side by side with the usual ways: ratios, peak RSS.

Every way reads all orders and payments, in a process of its own. Ours does more: parents looked
up, days assigned, totals counted by the database.

Usage: python benchmarks/extraction.py [ORDERS] [ROUNDS]   (default: 1,000,000 3)
"""

from __future__ import annotations

import multiprocessing
import resource
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

from ecom_platform.settings import Settings
from ecom_platform.sources.database import DatabaseSource
from ecom_platform.sources.embedded_postgres import embedded_postgres

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

KILOBYTES = 1 if sys.platform == "linux" else 1024
FIRST, DAY, LAST = date(2024, 1, 1), date(2024, 7, 1), date(2024, 12, 31)
TABLES = ("orders", "payments")
ONE_DAY = "ours, one day"

SHOP = """
create table customers (id bigint primary key, email text, region text, signup_date date);
create table orders (
    id bigint primary key, customer_id bigint, total_amount numeric(12,2),
    created_at timestamptz, status text
);
create table payments (
    id bigint primary key, order_id bigint, amount numeric(12,2), status text,
    paid_at timestamptz
);
insert into customers
select n, 'c' || n || '@example.invalid', (array['north', 'south', 'east'])[1 + n % 3],
    date '2023-01-01' + (n * 5 % 730)::int
from generate_series(1, {orders} / 5) as n;
insert into orders
select n, case when n % 20 > 0 then 1 + n * 7919 % ({orders} / 5) end,
    (n * 31 % 50000)::numeric / 100,
    '2024-01-01+00'::timestamptz + (n - 1) * interval '366 days' / {orders},
    (array['completed', 'shipped', 'cancelled'])[1 + n % 3]
from generate_series(1::bigint, {orders}) as n;
insert into payments
select id, id, total_amount, (array['paid', 'failed', 'refunded'])[1 + id % 3],
    case when id % 10 > 0 then created_at + interval '1 hour' end
from orders;
create index on orders (created_at);
create index on payments (paid_at);
create index on payments (order_id);
create index on customers (signup_date);
vacuum analyze;
"""


def copy_csv(url: str, scratch: Path) -> None:
    """Let the server send CSV, as the `copy` of psql does."""
    with psycopg.connect(url) as connection:
        for table in TABLES:
            with (
                (scratch / f"{table}.csv").open("wb") as file,
                connection.cursor().copy(f"copy {table} to stdout (format csv)") as copy,
            ):
                for block in copy:
                    file.write(block)


def adbc(url: str, scratch: Path) -> None:
    """Stream one connection to Parquet; numeric arrives as text."""
    import adbc_driver_postgresql.dbapi as driver
    from pyarrow import parquet

    with driver.connect(url) as connection, connection.cursor() as cursor:
        for table in TABLES:
            cursor.execute(f"select * from {table}")
            reader = cursor.fetch_record_batch()
            path = scratch / f"{table}.parquet"
            with parquet.ParquetWriter(path, reader.schema) as writer:
                for batch in reader:
                    writer.write_batch(batch)


def pandas_read_sql(url: str, scratch: Path) -> None:
    """Read each table at once, as most scripts do."""
    import pandas as pd
    from sqlalchemy import create_engine

    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    for table in TABLES:
        pd.read_sql(f"select * from {table}", engine).to_parquet(scratch / f"{table}.parquet")


def ours(connections: int, first: date = FIRST, last: date = LAST) -> Callable[[str, Path], None]:
    """Read some days with so many connections."""

    def read(url: str, scratch: Path) -> None:
        settings = Settings.model_validate(
            {"source": url, "start_date": FIRST, "source_connections": connections}
        )
        with DatabaseSource(settings).snapshot() as snapshot:
            for table in TABLES:
                snapshot.extract(table, first, last, scratch)

    return read


WAYS: dict[str, Callable[[str, Path], None]] = {
    "COPY to CSV (psycopg)": copy_csv,
    "ADBC, 1 connection": adbc,
    "ours, 1 connection": ours(1),
    "ours, 3 connections": ours(3),
    "pandas.read_sql": pandas_read_sql,
    ONE_DAY: ours(3, DAY, DAY),
}


def measure(way: str, url: str, result: Connection) -> None:
    """Send seconds and peak megabytes of one way."""
    with tempfile.TemporaryDirectory() as scratch:
        started = time.perf_counter()
        WAYS[way](url, Path(scratch))
        seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // KILOBYTES // 1024
    result.send((seconds, peak))


def main() -> None:
    """Measure all ways in turn, round by round, so that a busy moment meets all alike."""
    numbers = [int(text) for text in sys.argv[1:]]
    orders, rounds, *_ = [*numbers, *(1_000_000, 3)[len(numbers) :]]
    spawn = multiprocessing.get_context("spawn")
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    peaks = dict.fromkeys(WAYS, 0)
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        url = stack.enter_context(embedded_postgres(Path(folder)))
        with psycopg.connect(url, autocommit=True) as connection:
            for statement in SHOP.format(orders=orders).split(";"):
                connection.execute(statement.encode())
        for _ in range(rounds):
            for way in WAYS:
                receiver, sender = spawn.Pipe(duplex=False)
                process = spawn.Process(target=measure, args=(way, url, sender))
                process.start()
                process.join()
                if process.exitcode:
                    sys.exit(process.exitcode)
                taken, peak = receiver.recv()
                seconds[way].append(taken)
                peaks[way] = max(peaks[way], peak)
    least = statistics.median(seconds["COPY to CSV (psycopg)"])
    print(f"{orders:,} orders and as many payments, median of {rounds} rounds")
    print(f"{'':<24}{'seconds':>9}{'rows/s':>11}{'to COPY':>9}{'peak MB':>9}")
    for way, taken in seconds.items():
        median = statistics.median(taken)
        pace = "-" if way == ONE_DAY else f"{2 * orders / median:,.0f}"
        print(f"{way:<24}{median:>9.2f}{pace:>11}{median / least:>9.2f}{peaks[way]:>9,}")


if __name__ == "__main__":
    main()
