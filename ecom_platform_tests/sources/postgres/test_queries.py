"""Parents, totals, other names, views and partitions; and that a day does not read the whole."""

from __future__ import annotations

import time

import pytest

from ecom_platform_tests.sources.postgres_database import Database, read

DAY = "2024-03-01"
NOON = "2024-03-01 12:00+00"
YEAR = ("2024-01-01", "2024-12-31")


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
