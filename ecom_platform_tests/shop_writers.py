"""Writing a shop to a source, as files or into PostgreSQL, and reading its files back."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any
from uuid import UUID

import psycopg

from ecom_platform_tests.oracle import Customer, Order, Payment, Shop, read_amount

if TYPE_CHECKING:
    from pathlib import Path

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


def write_postgres(shop: Shop, dsn: str) -> None:
    """Make the three tables anew, without keys, with column types that fit the values."""
    orders, customers, payments = shop
    customer_id = _id_type([row.id for row in customers] + [row.customer_id for row in orders])
    order_id = _id_type([row.id for row in orders] + [row.order_id for row in payments])
    types = {
        "orders": {
            "id": order_id,
            "customer_id": customer_id,
            "total_amount": _amount_type([row.total_amount for row in orders]),
            "created_at": _time_type([row.created_at for row in orders]),
            "status": "text",
        },
        "customers": {
            "id": customer_id, "email": "text", "region": "text", "signup_date": "date",
        },
        "payments": {
            "id": _id_type([row.id for row in payments]),
            "order_id": order_id,
            "amount": _amount_type([row.amount for row in payments]),
            "status": "text",
            "paid_at": _time_type([row.paid_at for row in payments]),
        },
    }  # fmt: skip
    with psycopg.connect(dsn) as connection, connection.cursor() as cursor:
        for table, columns in types.items():
            declared = ", ".join(f"{column} {kind}" for column, kind in columns.items())
            cursor.execute(f"drop table if exists {table}; create table {table} ({declared})")
            with cursor.copy(f"copy {table} from stdin") as copy:
                for row in getattr(shop, table):
                    copy.write_row(row)


def _id_type(values: list[Any]) -> str:
    kinds = {int: "bigint", UUID: "uuid"}
    return next((kinds.get(type(value), "text") for value in values if value is not None), "text")


def _amount_type(values: list[Any]) -> str:
    """Return a type with two decimals where all values have no more, else one without limits."""
    fits = all(value == read_amount(value) for value in values)
    return "numeric(18,2)" if fits else "numeric"


def _time_type(values: list[Any]) -> str:
    has_offset = any(value and value.tzinfo for value in values)
    return "timestamp with time zone" if has_offset else "timestamp without time zone"
