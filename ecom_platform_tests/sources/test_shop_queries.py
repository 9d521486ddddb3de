"""What is read of a shop in any database: parents, totals, views."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from ecom_platform.sources.base import Totals
from ecom_platform_tests.sources.shop_database import ShopDatabase, read

if TYPE_CHECKING:
    from collections.abc import Sequence

DAY = "2024-03-01"
NOON = "2024-03-01 12:00+00"
YEAR = ("2024-01-01", "2024-12-31")


def parents(rows: Sequence[dict[str, Any]], *names: str) -> dict[Any, tuple[Any, ...]]:
    return {row["id"]: tuple(row[name] for name in names) for row in rows}


def test_an_order_knows_whether_its_customer_exists_and_where_from(
    shop_database: ShopDatabase,
) -> None:
    shop_database.create()
    shop_database.insert("customers", (1, None, "north", "2020-01-01"), (2, None, None, None))
    shop_database.insert("orders", (1, 1, 1, NOON), (2, 2, 1, NOON), (3, 99, 1, NOON))
    shop_database.insert("orders", (4, None, 1, NOON))
    found = parents(shop_database.read("orders", DAY), "customer_found", "customer_region")
    assert found == {1: (True, "north"), 2: (True, None), 3: (False, None), 4: (None, None)}


def test_a_payment_knows_its_order_and_that_orders_customer(shop_database: ShopDatabase) -> None:
    shop_database.create()
    shop_database.insert("customers", (5, None, "north", "2020-01-01"))
    shop_database.insert("orders", (1, 5, 1, "2020-06-01 12:00+00"), (2, 99, 1, NOON), (3, None, 1))
    for number, order in enumerate((1, 2, 3, 99, None)):
        shop_database.insert("payments", (number, order, 1, "paid", NOON))
    rows = shop_database.read("payments", DAY)
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


@pytest.mark.parametrize("kind", ["varchar(12)", "numeric(20,0)", "char(12)", "integer"])
def test_ids_of_different_types_meet(shop_database: ShopDatabase, kind: str) -> None:
    shop_database.create(orders_customer_id=kind, payments_order_id=kind)
    shop_database.insert("customers", (42, None, "north", "2020-01-01"))
    shop_database.insert("orders", (42, "42", 1, NOON))
    shop_database.insert("payments", (1, "42", 1, "paid", NOON), (2, "42", 1, "pending", None))
    assert parents(shop_database.read("orders", DAY), "customer_found") == {42: (True,)}
    paid_and_pending = shop_database.read("payments", DAY)
    assert parents(paid_and_pending, "customer_region") == {1: ("north",), 2: ("north",)}


def test_a_text_id_with_zeros_is_not_the_number(shop_database: ShopDatabase) -> None:
    shop_database.create(orders_customer_id="text")
    shop_database.insert("customers", (7, None, "north", "2020-01-01"))
    shop_database.insert("orders", (1, "007", 1, NOON), (2, "7", 1, NOON))
    found = parents(shop_database.read("orders", DAY), "customer_id", "customer_found")
    assert found == {1: ("007", False), 2: ("7", True)}


@pytest.mark.parametrize("days", [(DAY,), ("2024-01-01", DAY)])
def test_a_parent_that_is_there_twice_does_not_double_its_rows(
    shop_database: ShopDatabase, days: tuple[str, ...]
) -> None:
    shop_database.create(customers_id="bigint", orders_id="bigint")
    shop_database.insert("customers", (5, "b@example.invalid", "south"), (5, None, "north"), (5,))
    shop_database.insert("orders", (1, 5, 10, NOON), (1, 6, 20, "2024-03-02 12:00+00"), (1, 5, 30))
    shop_database.insert("payments", (1, 1, 1, "pending", None), (2, 1, 1, "paid", NOON))
    with shop_database.source().snapshot() as snapshot:
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


def test_totals_are_of_each_day_and_unrounded(shop_database: ShopDatabase) -> None:
    shop_database.create(orders_total_amount="any_number", payments_amount="any_number")
    shop_database.insert("customers", (1, None, None, "2020-01-01"), (2, None, None, None))
    shop_database.insert("customers", (3, None, None, DAY))
    shop_database.insert("orders", (1, 1, "0.125", NOON), (2, 1, "0.005", NOON), (3, 1, None, NOON))
    shop_database.insert("orders", (4, 1, None, "2024-03-02"), (5, 1, "7", None))
    shop_database.insert("payments", (1, 1, "1.5", "pending"), (2, 9, "2.5", "pending"))
    shop_database.insert("payments", (3, 1, "-3.125", "paid", "2024-03-03"))
    first, day, second, third = (date.fromisoformat(text) for text in (YEAR[0], DAY, "2024-03-02",
                                                                      "2024-03-03"))  # fmt: skip
    with shop_database.source().snapshot() as snapshot:
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


def test_views_are_read_like_tables(shop_database: ShopDatabase) -> None:
    shop_database.create()
    shop_database.insert("customers", (1, None, "north", "2020-01-01"))
    shop_database.insert("orders", (1, 1, 5, NOON, "done"))
    shop_database.insert("payments", (1, 1, 5, "paid", NOON), (2, 1, 5, "pending", None))
    tables = {}
    for table in ("customers", "orders", "payments"):
        shop_database.execute(f"create view v_{table} as select * from {table}")
        tables[table] = f"v_{table}"
    with (
        shop_database.source(tables=tables).snapshot() as views,
        shop_database.source().snapshot() as own,
    ):
        for table in tables:
            for days in (YEAR, (DAY,), ("2024-01-01",)):
                assert read(views, table, *days) == read(own, table, *days)
        assert len(read(views, "payments", DAY).rows) == 2
