"""Parents, totals, other names, views and partitions; and that a day does not read the whole."""

from __future__ import annotations

import time
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from ecom_platform.sources.base import Totals
from ecom_platform_tests.sources.postgres_database import Database, read

if TYPE_CHECKING:
    from collections.abc import Sequence

DAY = "2024-03-01"
NOON = "2024-03-01 12:00+00"
YEAR = ("2024-01-01", "2024-12-31")


def parents(rows: Sequence[dict[str, Any]], *names: str) -> dict[Any, tuple[Any, ...]]:
    return {row["id"]: tuple(row[name] for name in names) for row in rows}


def test_an_order_knows_whether_its_customer_exists_and_where_from(database: Database) -> None:
    database.create()
    database.insert("customers", (1, None, "north", "2020-01-01"), (2, None, None, None))
    database.insert("orders", (1, 1, 1, NOON), (2, 2, 1, NOON), (3, 99, 1, NOON))
    database.insert("orders", (4, None, 1, NOON))
    found = parents(database.read("orders", DAY), "customer_found", "customer_region")
    assert found == {1: (True, "north"), 2: (True, None), 3: (False, None), 4: (None, None)}


def test_a_payment_knows_its_order_and_that_orders_customer(database: Database) -> None:
    database.create()
    database.insert("customers", (5, None, "north", "2020-01-01"))
    database.insert("orders", (1, 5, 1, "2020-06-01 12:00+00"), (2, 99, 1, NOON), (3, None, 1))
    for number, order in enumerate((1, 2, 3, 99, None)):
        database.insert("payments", (number, order, 1, "paid", NOON))
    rows = database.read("payments", DAY)
    found = parents(rows, "order_found", "customer_id", "customer_region")
    assert found == {
        0: (True, 5, "north"),
        1: (True, 99, None),
        2: (True, None, None),
        3: (False, None, None),
        4: (False, None, None),
    }
    assert [str(row["order_created_at"]) for row in rows] == [
        "2020-06-01 12:00:00+00:00", "2024-03-01 12:00:00+00:00", "None", "None", "None",
    ]  # fmt: skip


@pytest.mark.parametrize("kind", ["varchar(12)", "numeric", "char(12)", "integer"])
def test_ids_of_different_types_meet(database: Database, kind: str) -> None:
    database.create(orders_customer_id=kind, payments_order_id=kind)
    database.insert("customers", (42, None, "north", "2020-01-01"))
    database.insert("orders", (42, "42", 1, NOON))
    database.insert("payments", (1, "42", 1, "paid", NOON), (2, "42", 1, "pending", None))
    assert parents(database.read("orders", DAY), "customer_found") == {42: (True,)}
    paid_and_pending = database.read("payments", DAY)
    assert parents(paid_and_pending, "customer_region") == {1: ("north",), 2: ("north",)}


def test_a_text_id_with_zeros_is_not_the_number(database: Database) -> None:
    database.create(orders_customer_id="text")
    database.insert("customers", (7, None, "north", "2020-01-01"))
    database.insert("orders", (1, "007", 1, NOON), (2, "7", 1, NOON))
    found = parents(database.read("orders", DAY), "customer_id", "customer_found")
    assert found == {1: ("007", False), 2: ("7", True)}


@pytest.mark.parametrize("days", [(DAY,), ("2024-01-01", DAY)])
def test_a_parent_that_is_there_twice_does_not_double_its_rows(
    database: Database, days: tuple[str, ...]
) -> None:
    database.create(customers_id="bigint", orders_id="bigint")
    database.insert("customers", (5, "b@example.invalid", "south"), (5, None, "north"), (5,))
    database.insert("orders", (1, 5, 10, NOON), (1, 6, 20, "2024-03-02 12:00+00"), (1, 5, 30))
    database.insert("payments", (1, 1, 1, "pending", None), (2, 1, 1, "paid", NOON))
    with database.source().snapshot() as snapshot:
        payments = read(snapshot, "payments", *days)
        (day_after) = read(snapshot, "payments", "2024-03-02").rows
        orders = read(snapshot, "orders", "2024-03-01", "2024-03-02").rows
    # The earliest order, and of its customers the region that sorts first.
    assert parents(payments.rows, "customer_id", "customer_region", "date") == {
        1: (5, "north", date(2024, 3, 1)),
        2: (5, "north", date(2024, 3, 1)),
    }
    assert payments.totals == {date(2024, 3, 1): Totals(2, Decimal(2))}
    assert day_after == []
    assert [(row["customer_id"], row["customer_region"]) for row in orders] == [
        (5, "north"), (6, None),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "index",
    [
        "create unique index on orders (id, created_at)",
        "create unique index on orders (id) where created_at < '2000-01-01'",
        (
            "alter table orders add unique (id); create table more_orders () inherits (orders);"
            "insert into more_orders select * from orders"
        ),
    ],
)
def test_only_an_index_on_all_ids_and_nothing_else_proves_them_unique(
    database: Database, index: str
) -> None:
    database.create(orders_id="bigint")
    database.insert("orders", (1, None, 1, NOON))
    database.execute(index)
    if "inherits" not in index:
        database.insert("orders", (1, None, 1, "2024-03-02 12:00+00"))
    database.insert("payments", (1, 1, 1, "paid", NOON))
    assert len(database.read("orders", *YEAR)) == 2
    assert len(database.read("payments", *YEAR)) == 1


def test_totals_are_of_each_day_and_unrounded(database: Database) -> None:
    database.create(orders_total_amount="numeric", payments_amount="numeric")
    database.insert("customers", (1, None, None, "2020-01-01"), (2, None, None, None))
    database.insert("customers", (3, None, None, DAY))
    database.insert("orders", (1, 1, "0.125", NOON), (2, 1, "0.005", NOON), (3, 1, None, NOON))
    database.insert("orders", (4, 1, "NaN", "2024-03-02"), (5, 1, "7", None))
    database.insert("payments", (1, 1, "1.5", "pending"), (2, 9, "2.5", "pending"))
    database.insert("payments", (3, 1, "-3.125", "paid", "2024-03-03"))
    first, day, second, third = (date.fromisoformat(text) for text in (YEAR[0], DAY, "2024-03-02",
                                                                      "2024-03-03"))  # fmt: skip
    with database.source().snapshot() as snapshot:
        assert read(snapshot, "customers", *YEAR).totals == {
            first: Totals(2, None),
            day: Totals(1, None),
        }
        assert read(snapshot, "orders", *YEAR).totals == {
            first: Totals(1, Decimal(7)),
            day: Totals(3, Decimal("0.130")),
            second: Totals(1, Decimal(0)),
        }
        assert read(snapshot, "payments", *YEAR).totals == {
            first: Totals(1, Decimal("2.5")),
            day: Totals(1, Decimal("1.5")),
            third: Totals(1, Decimal("-3.125")),
        }


def test_tables_and_columns_can_have_other_names(database: Database) -> None:
    database.create()
    database.insert("customers", (1, None, "north", "2020-01-01"))
    database.insert("orders", (1, 1, 5, NOON, "done"))
    database.execute(
        "create schema shop; alter table orders set schema shop; "
        'alter table shop.orders rename to "Order"; '
        'alter table shop."Order" rename created_at to "select"; '
        'alter table shop."Order" rename id to "orderId"; '
        "alter table customers rename region to area"
    )
    (row,) = database.read(
        "orders",
        DAY,
        tables={"orders": "shop.Order"},
        columns={
            "orders.created_at": "select",
            "orders.id": "orderId",
            "customers.region": "area",
        },
    )
    assert (row["id"], row["status"], row["customer_region"]) == (1, "done", "north")


def test_views_are_read_like_tables(database: Database) -> None:
    database.create()
    database.insert("customers", (1, None, "north", "2020-01-01"))
    database.insert("orders", (1, 1, 5, NOON, "done"))
    database.insert("payments", (1, 1, 5, "paid", NOON), (2, 1, 5, "pending", None))
    tables = {}
    for table in ("customers", "orders", "payments"):
        database.execute(f"create view v_{table} as select * from {table}")
        tables[table] = f"v_{table}"
    with database.source(tables=tables).snapshot() as views, database.source().snapshot() as own:
        for table in tables:
            for days in (YEAR, (DAY,), ("2024-01-01",)):
                assert read(views, table, *days) == read(own, table, *days)
        assert len(read(views, "payments", DAY).rows) == 2


def _fill(database: Database, orders: int) -> None:
    """Add orders all over the year, each with a payment, every tenth of them unpaid."""
    database.execute(
        f"insert into customers select n, null, 'region ' || n % 3, '2024-01-01'::date + n % 366 "
        f"from generate_series(1, {orders}) n;"
        f"insert into orders select n, 2 * n, n / 100.0, '2024-01-01+00'::timestamptz "
        f"+ n * (interval '366 days' / {orders + 1}), 'done' from generate_series(1, {orders}) n;"
        "insert into payments select id, id, total_amount, 'paid', case when id % 10 > 0 "
        "then created_at end from orders; analyze"
    )


def test_a_partitioned_table_is_read_whole_by_parts(database: Database) -> None:
    database.create(orders_id="bigint")
    database.execute(
        "alter table orders rename to template;"
        "create table orders (like template) partition by range (created_at);"
        "create table orders_1 partition of orders for values from (minvalue) to ('2024-04-01');"
        "create table orders_2 partition of orders for values from ('2024-04-01') to (maxvalue)"
    )
    _fill(database, 60_000)
    with database.source().snapshot() as snapshot:
        orders = read(snapshot, "orders", *YEAR)
        assert len(orders.row_groups) == 3
        assert [row["id"] for row in orders.rows] == list(range(1, 60_001))
        assert len(read(snapshot, "payments", *YEAR).rows) == 60_000


@pytest.mark.parametrize("ids", ["bigint primary key", "bigint"])
def test_one_day_of_a_big_table_is_looked_up_by_its_indexes(database: Database, ids: str) -> None:
    database.create(orders_id=ids, customers_id=ids)
    _fill(database, 100_000)
    database.execute(
        "create index on orders (id); create index on customers (id);"
        "create index on orders (created_at); create index on payments (paid_at);"
        "create index on payments (order_id); create index on customers (signup_date); analyze;"
        "select pg_stat_force_next_flush()"
    )
    before = _scans(database)
    with database.source().snapshot() as snapshot:
        for table in ("orders", "customers", "payments"):
            assert 20 < len(read(snapshot, table, DAY).rows) < 400
    deadline = time.monotonic() + 10
    while _scans(database)["by index"] == before["by index"] and time.monotonic() < deadline:
        time.sleep(0.05)  # a server counts when the connection has ended
    assert _scans(database)["by index"] > before["by index"]
    assert _scans(database)["whole"] == before["whole"]


def _scans(database: Database) -> dict[str, int]:
    ((whole, by_index),) = database.execute(
        "select sum(seq_scan)::int, sum(idx_scan)::int from pg_stat_user_tables"
    )
    return {"whole": whole, "by index": by_index}
