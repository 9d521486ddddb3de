"""Shops for tests of the marts: a made-up one with every oddity, and how marts are compared."""

from __future__ import annotations

import csv
import random
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from ecom_platform.assets.metrics import METRICS
from ecom_platform.datasets import CLEANED, QUARANTINE
from ecom_platform.engines.duckdb import sql_type
from ecom_platform.marts import load_manifest, load_marts
from ecom_platform_tests.marts_oracle import ZERO, MartsOracle, Order, Payment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

MARTS = {mart.name: mart for mart in load_marts(load_manifest()).values()}
#: 29 February is in it, and compared with from a year later.
FIRST, LAST = date(2024, 2, 10), date(2025, 3, 30)
REGIONS = ("north", "south", "unknown")


#: Days whose orders or payments never came: alone, both together, and payments of the newest.
NO_ORDERS = frozenset({date(2024, 7, 10), date(2024, 11, 20)})
NO_PAYMENTS = frozenset({date(2024, 3, 31), date(2024, 9, 5), date(2024, 11, 20), LAST})


def odd_shop(
    no_orders: frozenset[date] = frozenset(), no_payments: frozenset[date] = frozenset()
) -> MartsOracle:
    """Make up a shop: guests, void orders, moving customers, several orders and payments a day.

    Args:
        no_orders: Days whose orders are missing.
        no_payments: Days whose payments are missing.
    """
    chance = random.Random(7)  # noqa: S311 - the same shop each time
    orders: list[Order] = []
    payments: list[Payment] = []
    span = (LAST - FIRST).days
    for number in range(900):
        # Few in spring, so that days are empty, and none in the south before summer.
        day = FIRST + timedelta(days=round(span * chance.random() ** 0.7))
        customer = f"{chance.randrange(160):04}" if chance.random() > 0.1 else None
        region = chance.choice(REGIONS) if day > date(2024, 6, 20) else "north"
        # Ties in time are broken by the id.
        at = datetime.combine(day, time(chance.randrange(3)), UTC)
        amount = Decimal(chance.randrange(20000)).scaleb(-2) if number % 30 else None
        order = Order(f"{number:05}", customer, region, day, at, amount, chance.random() < 0.15)
        orders.append(order)
        for _ in range(chance.choice((0, 1, 1, 1, 2, 3))):
            status = chance.choice(
                ("completed",) * 6 + ("pending", "pending", "failed", "failed", "refunded", "other")
            )
            paid = min(day + timedelta(days=chance.choice((0, 0, 1, 2, 3, 5, 8))), LAST)
            share = Decimal(chance.randrange(-2000, 20000)).scaleb(-2)
            payments.append(Payment(order.id, region, paid, share, status))
    return MartsOracle(
        [order for order in orders if order.day not in no_orders],
        [payment for payment in payments if payment.day not in no_payments],
        FIRST,
        LAST,
        no_orders=no_orders,
        no_payments=no_payments,
    )


def read_shop(folder: Path, first: date, last: date, void: str) -> MartsOracle:
    """Read a real shop as its files are, without the platform; its only region is `unknown`."""
    orders: list[Order] = []
    for row in _rows(folder / "orders.csv"):
        at = datetime.fromisoformat(row["created_at"]).replace(tzinfo=UTC)
        amount = Decimal(row["total_amount"]).quantize(ZERO)
        orders.append(
            Order(
                row["id"],
                row["customer_id"] or None,
                "unknown",
                at.date(),
                at,
                amount,
                row["status"] == void,
            )
        )
    days = {order.id: order.day for order in orders}
    words = {"refunded": "refunded"}
    payments = [
        Payment(
            row["order_id"],
            "unknown",
            datetime.fromisoformat(row["paid_at"]).date()
            if row["paid_at"]
            else days[row["order_id"]],
            Decimal(row["amount"]).quantize(ZERO),
            words.get(row["status"], "completed"),
        )
        for row in _rows(folder / "payments.csv")
    ]
    # Orders of one moment are in the order of their ids, which are numbers.
    orders.sort(key=lambda order: int(order.id))
    width = len(orders[-1].id)
    orders = [Order(o.id.zfill(width), *_rest(o)) for o in orders]
    payments = [
        Payment(p.order.zfill(width), p.region, p.day, p.amount, p.status) for p in payments
    ]
    return MartsOracle(orders, payments, first, last)


def _rest(order: Order) -> tuple[Any, ...]:
    return (
        order.customer, order.region, order.day, order.at, order.amount, order.is_void,
    )  # fmt: skip


def _rows(file: Path) -> list[dict[str, str]]:
    with file.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def write_warehouse(shop: MartsOracle, file: Path) -> None:
    """Write the warehouse that a lake of a shop would have: all tables, most of them empty."""
    with duckdb.connect(str(file)) as connection:
        for layer in ("cleaned", "quarantine", "metrics"):
            connection.execute(f"CREATE SCHEMA {layer}")
        for dataset in (*CLEANED, *QUARANTINE, *(metric.dataset for metric in METRICS)):
            columns = ", ".join(f"{c.name} {sql_type(c)}" for c in dataset.columns)
            connection.execute(
                f"CREATE TABLE {dataset.layer}.{dataset.name} (date DATE, {columns})"
            )

        def insert(table: str, rows: Iterable[Mapping[str, Any]]) -> None:
            for row in rows:
                marks = ", ".join("?" for _ in row)
                connection.execute(
                    f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", [*row.values()]
                )

        connection.execute("BEGIN")
        insert(
            "cleaned.orders",
            (
                {
                    "date": o.day,
                    "id": o.id,
                    "customer_id": o.customer,
                    "region": o.region,
                    "total_amount": o.amount,
                    "created_at": o.at,
                    "is_void": o.is_void,
                }
                for o in shop.orders
            ),
        )
        insert(
            "cleaned.payments",
            (
                {
                    "date": p.day,
                    "order_id": p.order,
                    "region": p.region,
                    "amount": p.amount,
                    "status": p.status,
                }
                for p in shop.payments
            ),
        )
        for name, rows in _metrics(shop).items():
            insert(f"metrics.{name}", rows)
        connection.execute("COMMIT")


def _metrics(shop: MartsOracle) -> dict[str, list[dict[str, Any]]]:
    """Compute the metrics; regions have rows on the days on which they have something."""
    found: dict[str, list[dict[str, Any]]] = {}
    for day in shop.days:
        for region in shop.known_since:
            key = {"date": day, "region": region}
            kpis = shop.kpis(day, day, region)
            rows = {
                "total_revenue": ("total_revenue",),
                "total_orders": ("void_orders", "total_orders"),
                "total_customers": ("total_customers",),
                "average_order_value": ("total_revenue", "total_orders", "average_order_value"),
                "customer_retention_rate": ("customer_retention_rate",),
            }
            retention = shop.retention(day, region)
            is_there = {
                "total_revenue": day in shop.revenue_days,
                "average_order_value": day in shop.revenue_days and day in shop.order_days,
                "customer_retention_rate": retention is not None,
            }
            for name, columns in rows.items():
                if not is_there.get(name, day in shop.order_days):
                    continue
                row = key | {column: kpis[column] for column in columns}
                if retention and name == "customer_retention_rate":
                    row |= dict(
                        zip(("active_customers", "repeat_customers"), retention, strict=True)
                    )
                if region == "all" or any(value for value in list(row.values())[2:]):
                    found.setdefault(name, []).append(row)
    return found


def assert_equal(found: duckdb.DuckDBPyRelation, expected: MartsOracle, mart: str) -> None:
    """Compare the rows of a mart with those that the oracle makes, to the cent."""
    given = [dict(zip(found.columns, row, strict=True)) for row in found.fetchall()]
    made: Callable[[], Iterable[Mapping[str, Any]]] = getattr(expected, mart)
    key = MARTS[mart].key
    wanted = {tuple(row[name] for name in key): dict(row) for row in made()}
    rows = {tuple(row[name] for name in key): row for row in given}
    assert rows.keys() == wanted.keys()
    assert len(rows) > 1
    for where, row in rows.items():
        assert row == {name: _near(value) for name, value in wanted[where].items()}, where


def _near(value: object) -> Any:
    return pytest.approx(value, rel=1e-12) if isinstance(value, float) else value
