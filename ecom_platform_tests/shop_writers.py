"""Writing a shop to a source, as files or into a database, and reading its files back."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any
from uuid import UUID

from ecom_platform_tests.oracle import Customer, Order, Payment, Shop, read_amount

if TYPE_CHECKING:
    from decimal import Decimal
    from pathlib import Path

    from ecom_platform_tests.sources.shop_database import ShopDatabase

ROWS = {"orders": Order, "customers": Customer, "payments": Payment}


def write_csv(shop: Shop, folder: Path) -> None:
    """Write `orders.csv`, `customers.csv` and `payments.csv`; None is an empty field."""
    for table, rows in shop._asdict().items():
        with (folder / f"{table}.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(ROWS[table]._fields)
            writer.writerows(rows)


def read_csv(folder: Path) -> Shop:
    """Read what `write_csv` writes: texts, and None for an empty field."""

    def rows(table: str) -> list[Any]:
        with (folder / f"{table}.csv").open(newline="", encoding="utf-8") as file:
            return [
                ROWS[table](**{column: value or None for column, value in row.items()})
                for row in csv.DictReader(file)
            ]

    return Shop(rows("orders"), rows("customers"), rows("payments"))


def write_shop(shop: Shop, database: ShopDatabase) -> None:
    """Make the three tables anew, without keys, with column types that fit the values."""
    orders, customers, payments = shop
    customer_id = _id_type([row.id for row in customers] + [row.customer_id for row in orders])
    order_id = _id_type([row.id for row in orders] + [row.order_id for row in payments])
    database.create(
        orders_id=order_id,
        orders_customer_id=customer_id,
        orders_total_amount=_amount_type([row.total_amount for row in orders]),
        orders_created_at=_time_type([row.created_at for row in orders]),
        customers_id=customer_id,
        payments_id=_id_type([row.id for row in payments]),
        payments_order_id=order_id,
        payments_amount=_amount_type([row.amount for row in payments]),
        payments_paid_at=_time_type([row.paid_at for row in payments]),
    )
    for table, rows in shop._asdict().items():
        database.copy(table, rows)


def with_finite_amounts(shop: Shop) -> Shop:
    """Return a shop such as a database can hold that knows only finite numbers."""
    orders = [row._replace(total_amount=_finite(row.total_amount)) for row in shop.orders]
    payments = [row._replace(amount=_finite(row.amount)) for row in shop.payments]
    return Shop(orders, shop.customers, payments)


def _finite(amount: Decimal | None) -> Decimal | None:
    return amount if amount is not None and amount.is_finite() else None


def _id_type(values: list[Any]) -> str:
    kinds = {int: "bigint", UUID: "uuid"}
    return next((kinds.get(type(value), "text") for value in values if value is not None), "text")


def _amount_type(values: list[Any]) -> str:
    """Return a type with two decimals where all values have no more, else one without limits."""
    fits = all(value == read_amount(value) for value in values)
    return "numeric(18,2)" if fits else "any_number"


def _time_type(values: list[Any]) -> str:
    has_offset = any(value and value.tzinfo for value in values)
    return "instant" if has_offset else "naive"
