"""One snapshot for three tables, several connections for many rows, and nothing left behind."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from datetime import date
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from ecom_platform.errors import SourceError, SourceUnavailableError
from ecom_platform_tests.sources.postgres_database import Database, read

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

YEAR = ("2024-01-01", "2024-12-31")
SPRING = ("2024-03-01", "2024-05-31")
ROWS = 60_000


def fill(database: Database, rows: int) -> None:
    """Make a shop with so many orders, evenly over 2024, each with a payment."""
    database.create()
    database.execute(
        "insert into customers values (1, null, 'north', '2020-01-01');"
        "insert into orders select n, 1, n / 100.0, '2024-01-01+00'::timestamptz "
        f"+ (n - 1) * interval '366 days' / {rows}, 'done' from generate_series(1, {rows}) n;"
        "insert into payments select id, id, total_amount, 'paid', created_at from orders; analyze"
    )


@pytest.fixture
def shop(database: Database) -> Database:
    """A shop with just enough orders for several connections."""
    fill(database, ROWS)
    return database


def connections(database: Database) -> int:
    """Count the platform's connections."""
    ((count,),) = database.execute(
        "select count(*)::int from pg_stat_activity "
        "where datname = current_database() and application_name = 'ecom_platform'"
    )
    return count


def wait_for_none(database: Database) -> None:
    deadline = time.monotonic() + 10
    while connections(database):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_all_tables_are_as_they_were_when_the_snapshot_was_opened(shop: Database) -> None:
    with shop.source().snapshot() as snapshot:
        shop.execute(
            "update customers set region = 'south';"
            "delete from payments where id % 2 = 0;"
            "update orders set total_amount = 0, customer_id = null;"
            "insert into orders values (0, null, 1, '2024-06-01', 'late')"
        )
        orders = read(snapshot, "orders", *YEAR)
        # Two of the three connections were opened after those changes.
        assert connections(shop) == 3
        shop.execute("delete from customers; delete from orders")
        payments = read(snapshot, "payments", *YEAR)
        customers = read(snapshot, "customers", *YEAR)
    assert [row["id"] for row in orders.rows] == list(range(1, ROWS + 1))
    assert {row["customer_region"] for row in orders.rows} == {"north"}
    assert orders.rows[-1]["total_amount"] == ROWS // 100
    assert sum(row["total_amount"] for row in orders.rows) == sum(
        total.amount or 0 for total in orders.totals.values()
    )
    assert [row["id"] for row in payments.rows] == list(range(1, ROWS + 1))
    assert {row["customer_region"] for row in payments.rows} == {"north"}
    assert [row["region"] for row in customers.rows] == ["north"]
    assert shop.read("orders", *YEAR) == []


def test_a_table_cannot_be_emptied_behind_the_snapshot(shop: Database) -> None:
    truncate = "set lock_timeout = '200ms'; truncate payments, customers"
    with shop.source().snapshot() as snapshot:
        with pytest.raises(psycopg.errors.LockNotAvailable):
            shop.execute(truncate)
        assert len(read(snapshot, "customers", "2024-01-01").rows) == 1
    wait_for_none(shop)
    shop.execute(truncate)


def test_one_day_takes_one_connection_and_a_year_takes_all(shop: Database) -> None:
    with shop.source().snapshot() as snapshot:
        for table in ("orders", "customers", "payments"):
            read(snapshot, table, "2024-03-01")
        read(snapshot, "customers", *YEAR)
        assert connections(shop) == 1
        read(snapshot, "orders", *YEAR)
        assert connections(shop) == 3
    wait_for_none(shop)


@pytest.mark.parametrize("indexed", [True, False])
def test_several_connections_read_what_one_reads(database: Database, *, indexed: bool) -> None:
    fill(database, 366 * 600)
    if indexed:
        database.execute(
            "create index on orders (created_at); create index on payments (paid_at);"
            "create index on payments (order_id); analyze"
        )
    with ExitStack() as snapshots:
        many, one = (
            snapshots.enter_context(database.source(source_connections=count).snapshot())
            for count in (5, 1)
        )
        for table in ("orders", "payments"):
            several, alone = read(many, table, *SPRING), read(one, table, *SPRING)
            # Without indexes each reads its share of the pages, and spring is on three fifths.
            assert len(several.row_groups) == (5 if indexed else 3)
            assert len(alone.row_groups) == 1
            assert several.rows == alone.rows
            assert several.totals == alone.totals
            assert len(several.rows) == 92 * 600


def test_rows_are_written_in_groups_of_a_few_megabytes(shop: Database) -> None:
    shop.execute("update orders set status = repeat('x', 300)")
    with shop.source(source_connections=1).snapshot() as snapshot:
        (groups,) = read(snapshot, "orders", *YEAR).row_groups
    assert sum(groups) == ROWS
    assert len(groups) >= 4
    assert max(groups) < 16_000


def test_a_session_can_only_read_and_ends_when_it_is_forgotten(database: Database) -> None:
    database.create()
    settings = {
        "transaction_read_only": "on",
        "transaction_isolation": "repeatable read",
        "application_name": "ecom_platform",
        "statement_timeout": "77s",
        "idle_in_transaction_session_timeout": "1h",
    }
    names = ", ".join(f"({number}, '{name}')" for number, name in enumerate(settings))
    database.execute(
        "create view shown as select id, null::bigint as customer_id, 1 as total_amount, "
        "'2024-03-01+00'::timestamptz as created_at, current_setting(name) as status "
        f"from (values {names}) as names (id, name)"
    )
    rows = database.read(
        "orders", "2024-03-01", tables={"orders": "shown"}, source_statement_timeout=77
    )
    assert [row["status"] for row in rows] == list(settings.values())


def test_a_view_that_writes_is_refused(database: Database) -> None:
    database.create()
    database.insert("orders", (1, None, 1, "2024-03-01"))
    database.execute(
        "create function note() returns int language sql as "
        "'insert into customers values (1) returning 1';"
        "create view noting as "
        "select id, customer_id, note() as total_amount, created_at, status from orders"
    )
    with pytest.raises(SourceError, match="read-only transaction") as caught:
        database.read("orders", "2024-03-01", tables={"orders": "noting"})
    assert not caught.value.transient
    assert database.execute("select count(*) from customers") == [(0,)]


@pytest.fixture
def slow(database: Database) -> Database:
    """A shop whose orders, in the view `slow`, take twenty seconds to read."""
    database.create()
    database.execute(
        "create function slowly(id bigint) returns bigint volatile language plpgsql as "
        "'begin perform pg_sleep(0.01); return id; end';"
        "insert into orders select n, null, 1, '2024-03-01', null from generate_series(1, 2000) n;"
        "create view slow as "
        "select slowly(id) as id, customer_id, total_amount, created_at, status from orders"
    )
    return database


def read_slowly(database: Database, timeout: int = 900) -> None:
    options: dict[str, Any] = {"tables": {"orders": "slow"}, "source_statement_timeout": timeout}
    database.read("orders", "2024-03-01", **options)


def while_reading(database: Database, act: Callable[[], object]) -> threading.Thread:
    """Do something once the slow orders are being read."""

    def wait_and_act() -> None:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            if database.execute(
                "select pid from pg_stat_activity where datname = current_database() "
                "and application_name = 'ecom_platform' and wait_event = 'PgSleep'"
            ):
                act()
                return
            time.sleep(0.02)

    thread = threading.Thread(target=wait_and_act)
    thread.start()
    return thread


def test_a_connection_that_is_lost_while_reading_may_be_tried_again(slow: Database) -> None:
    ended = while_reading(
        slow,
        lambda: slow.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where datname = current_database() and application_name = 'ecom_platform'"
        ),
    )
    with pytest.raises(SourceUnavailableError, match="terminating connection"):
        read_slowly(slow)
    ended.join()


def test_a_connection_that_was_lost_between_tables_may_be_tried_again(shop: Database) -> None:
    with shop.source().snapshot() as snapshot:
        read(snapshot, "customers", *YEAR)
        shop.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where datname = current_database() and application_name = 'ecom_platform'"
        )
        wait_for_none(shop)
        with pytest.raises(SourceUnavailableError) as caught:
            read(snapshot, "orders", *YEAR)
    assert caught.value.transient
    assert "What to do" in str(caught.value)


def test_a_statement_that_takes_too_long_is_ended_by_the_server(slow: Database) -> None:
    with pytest.raises(SourceUnavailableError, match="statement timeout") as caught:
        read_slowly(slow, timeout=1)
    assert "ECOM_SOURCE_STATEMENT_TIMEOUT" in caught.value.hint


def test_after_a_failure_the_snapshot_asks_for_another(slow: Database) -> None:
    options: dict[str, Any] = {"tables": {"orders": "slow"}, "source_statement_timeout": 1}
    with slow.source(**options).snapshot() as snapshot:
        with pytest.raises(SourceUnavailableError, match="timeout"):
            read(snapshot, "orders", "2024-03-01")
        with pytest.raises(SourceUnavailableError) as caught:
            read(snapshot, "customers", "2024-03-01")
    assert caught.value.hint == "Run the same days again."


def test_one_failure_ends_what_the_other_connections_do(slow: Database) -> None:
    slow.execute(
        "create function fail() returns int volatile language plpgsql as "
        "'begin perform pg_sleep(0.3); raise exception ''no more''; end';"
        # Enough rows, by the planner's count, to be read by several connections.
        "create function many() returns setof orders rows 1000000000 language sql as "
        "'select slowly(id), customer_id, total_amount, created_at, status from orders';"
        "create view failing as select 0::bigint as id, fail()::bigint as customer_id, "
        "1.0 as total_amount, '2024-12-31'::timestamptz as created_at, '' as status "
        "union all select id, customer_id, total_amount, created_at, status from many()"
    )
    started = time.monotonic()
    with pytest.raises(SourceError, match="no more"):
        slow.read("orders", *YEAR, tables={"orders": "failing"})
    assert time.monotonic() - started < 10
    wait_for_none(slow)


def test_a_scratch_folder_that_is_gone_is_said_to_be_gone(shop: Database, tmp_path: Path) -> None:
    days = date(2024, 1, 1), date(2024, 12, 31)
    with pytest.raises(FileNotFoundError, match="gone"), shop.source().snapshot() as snapshot:
        snapshot.extract("orders", *days, tmp_path / "gone")
    wait_for_none(shop)


def test_an_interrupted_run_does_not_leave_the_database_at_work(slow: Database) -> None:
    code = (
        "import signal, sys; from ecom_platform_tests.sources.postgres_database import Database\n"
        # Which shells have their background jobs ignore.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "Database(sys.argv[1]).read('orders', '2024-03-01', tables={'orders': 'slow'})"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, slow.url],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stderr=subprocess.PIPE,
        text=True,
    )
    interrupted = while_reading(slow, lambda: process.send_signal(2))
    _, errors = process.communicate(timeout=60)
    interrupted.join()
    assert "KeyboardInterrupt" in errors
    wait_for_none(slow)


def test_pandas_is_not_imported_to_read_a_day(database: Database) -> None:
    database.create()
    database.insert("customers", (1, None, "north", None))
    database.insert("orders", (1, 1, 1, "2024-01-01"), (2, None, None, None))
    database.insert("payments", (1, 1, 1, None, None), (2, 1, 1, None, "2024-01-01"))
    code = """
import sys, tempfile
from datetime import date
from pathlib import Path
from ecom_platform.settings import Settings
from ecom_platform.sources.database import DatabaseSource
day = date(2024, 1, 1)
with tempfile.TemporaryDirectory() as scratch:
    with DatabaseSource(Settings(source=sys.argv[1], start_date=day)).snapshot() as snapshot:
        for table in ("orders", "customers", "payments"):
            assert snapshot.extract(table, day, day, Path(scratch)).files
assert "pandas" not in sys.modules
"""
    subprocess.run(
        [sys.executable, "-c", code, database.url],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=True,
    )
