"""One snapshot for three tables, several connections for many rows, and nothing left behind."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import psycopg
import pytest

from ecom_platform.errors import SourceError, SourceUnavailableError
from ecom_platform_tests.sources.postgres_database import Database, read

if TYPE_CHECKING:
    from collections.abc import Callable

YEAR = ("2024-01-01", "2024-12-31")
ROWS = 60_000


@pytest.fixture
def shop(database: Database) -> Database:
    """A shop with enough orders for several connections."""
    database.create()
    database.execute(
        "insert into customers values (1, null, 'north', '2020-01-01');"
        "insert into orders select n, 1, n / 100.0, '2024-01-01+00'::timestamptz "
        f"+ n * interval '8 minutes', 'done' from generate_series(1, {ROWS}) n;"
        "insert into payments select id, id, total_amount, 'paid', created_at from orders; analyze"
    )
    return database


def connected(database: Database) -> int:
    """Count the connections of the platform."""
    ((count,),) = database.execute(
        "select count(*)::int from pg_stat_activity "
        "where datname = current_database() and application_name = 'ecom_platform'"
    )
    return count


def test_all_three_tables_are_as_they_were_when_the_snapshot_was_opened(shop: Database) -> None:
    with shop.source().snapshot() as snapshot:
        shop.execute(
            "update customers set region = 'south';"
            "delete from payments where id % 2 = 0;"
            "update orders set total_amount = 0, customer_id = null;"
            "insert into orders values (0, null, 1, '2024-06-01', 'late');"
        )
        orders = read(snapshot, "orders", *YEAR)
        shop.execute("drop table payments cascade") if False else None
        shop.execute("delete from customers; delete from orders; vacuum orders")
        payments = read(snapshot, "payments", *YEAR)
        customers = read(snapshot, "customers", *YEAR)
        # Two of the three connections were opened after the changes.
        assert connected(shop) == 3
    assert [row["id"] for row in orders.rows] == list(range(1, ROWS + 1))
    assert {row["customer_region"] for row in orders.rows} == {"north"}
    assert sum(row["total_amount"] for row in orders.rows) == sum(
        total.amount or 0 for total in orders.totals.values()
    )
    assert orders.rows[-1]["total_amount"] == ROWS // 100
    assert [row["id"] for row in payments.rows] == list(range(1, ROWS + 1))
    assert all(row["order_found"] and row["customer_region"] == "north" for row in payments.rows)
    assert [row["region"] for row in customers.rows] == ["north"]
    assert shop.read("orders", *YEAR) == []


def test_one_day_takes_one_connection_and_a_year_takes_all(shop: Database) -> None:
    with shop.source().snapshot() as snapshot:
        for table in ("orders", "customers", "payments"):
            read(snapshot, table, "2024-03-01")
        assert connected(shop) == 1
        read(snapshot, "customers", *YEAR)
        assert connected(shop) == 1
        read(snapshot, "orders", *YEAR)
        assert connected(shop) == 3
    deadline = time.monotonic() + 10
    while connected(shop) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert connected(shop) == 0


@pytest.mark.parametrize("indexed", [True, False])
def test_several_connections_read_what_one_reads(shop: Database, *, indexed: bool) -> None:
    if indexed:
        shop.execute(
            "create index on orders (created_at); create index on payments (paid_at);"
            "create index on payments (order_id);"
            # More rows of later, so that the year is a small part, worth an index.
            "insert into orders select id + 100000, 1, 1, created_at + n * interval '1 year' "
            "from orders, generate_series(1, 5) n where id % 5 = 0" if False else
            "create index on orders (created_at)"
        )
    with shop.source(source_connections=5).snapshot() as many:
        with shop.source(source_connections=1).snapshot() as one:
            for table in ("orders", "payments"):
                several, alone = read(many, table, *YEAR), read(one, table, *YEAR)
                assert (len(several.row_groups), len(alone.row_groups)) == (5, 1)
                assert several.rows == alone.rows
                assert several.totals == alone.totals
                assert len(several.rows) == ROWS


def test_a_file_is_written_in_groups_of_a_few_megabytes(shop: Database) -> None:
    shop.execute(
        "insert into orders select id + n * 100000, 1, 1, created_at, repeat('x', 200) "
        "from orders, generate_series(1, 1) n"
    )
    with shop.source(source_connections=1).snapshot() as snapshot:
        (groups,) = read(snapshot, "orders", *YEAR).row_groups
    assert len(groups) > 3
    assert max(groups) < 80_000


def test_sessions_can_only_read_and_end_by_themselves(database: Database) -> None:
    database.create()
    shown = ("transaction_read_only", "transaction_isolation", "application_name",
             "statement_timeout", "idle_in_transaction_session_timeout")  # fmt: skip
    names = " union all ".join(f"select {n} as id, '{name}' as name" for n, name in enumerate(shown))
    database.execute(
        "create view shown as select id, null::bigint as customer_id, 1 as total_amount, "
        f"timestamptz '2024-03-01' as created_at, current_setting(name) as status from ({names}) s"
    )
    rows = database.read(
        "orders", "2024-03-01", tables={"orders": "shown"}, source_statement_timeout=77
    )
    assert [row["status"] for row in rows] == [
        "on", "repeatable read", "ecom_platform", "77s", "1h",
    ]  # fmt: skip


def test_a_view_that_writes_is_refused(database: Database) -> None:
    database.create()
    database.insert("orders", (1, None, 1, "2024-03-01"))
    database.execute(
        "create function note() returns int language sql as "
        "'insert into customers values (1) returning 1';"
        "create view noting as select id, customer_id, note() as total_amount, created_at, status "
        "from orders"
    )
    with pytest.raises(SourceError, match="read-only transaction"):
        database.read("orders", "2024-03-01", tables={"orders": "noting"})
    assert database.execute("select count(*) from customers") == [(0,)]


@pytest.fixture
def slow(database: Database) -> Database:
    """A shop whose orders take ten seconds to read."""
    database.create()
    database.execute(
        "create function slowly(id bigint) returns bigint volatile language plpgsql as "
        "'begin perform pg_sleep(0.01); return id; end';"
        "insert into orders select n, null, 1, '2024-03-01', null from generate_series(1, 1000) n;"
        "create view slow as select slowly(id) as id, customer_id, total_amount, created_at, status "
        "from orders"
    )
    return database


def during(database: Database, act: Callable[[int], object]) -> threading.Thread:
    """Do something, once, to the connection that is reading the slow orders."""

    def wait_and_act() -> None:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            found = database.execute(
                "select pid from pg_stat_activity where application_name = 'ecom_platform' "
                "and datname = current_database() and query like 'COPY%%slow%%select%%'"
            )
            if found and database.execute("select pg_sleep(0.2)"):
                act(found[0][0])
                return
            time.sleep(0.02)

    thread = threading.Thread(target=wait_and_act)
    thread.start()
    return thread
