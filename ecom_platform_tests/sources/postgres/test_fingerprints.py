"""Fingerprints of PostgreSQL's own types and values; those of any database are one folder up."""

from __future__ import annotations

from collections import Counter
from datetime import date
from typing import TYPE_CHECKING

import pytest

from ecom_platform.errors import SourceTooSlowError
from ecom_platform.sources.base import NO_ROWS
from ecom_platform_tests.sources.shop_database import fingerprints

if TYPE_CHECKING:
    from ecom_platform_tests.sources.postgres_database import Database

EPOCH = date(1970, 1, 1)
DAY = "2024-03-01"
NOON = "2024-03-01 12:00+00"
ZERO_UUID = "00000000-0000-0000-0000-000000000000"

MONEY = ["NULL", "0", "1", "-1", "10", "100", "0.01", "-0.01", "12.5", "'NaN'"]
IDS = {
    "bigint": ["NULL", "0", "1", "-1", "4294967296", "-4294967296", "9223372036854775807"],
    "integer": ["NULL", "0", "1", "-1", "2147483647"],
    "uuid": ["NULL", f"'{ZERO_UUID}'", f"'{ZERO_UUID[:-1]}1'", f"'1{ZERO_UUID[1:]}'"],
    "text": ["NULL", "''", "' '", "'7'", "'007'", "'NULL'"],
    "numeric": ["NULL", "0", "7", "-7", "70", "9007199254740993"],
}
TEXTS = ["NULL", "''", "'paid'", "'Paid'", "'paid '", "'päid'", "'NULL'"]
TIMES = [
    "NULL", "'1970-01-01 00:00'", "'1970-01-01 00:00:00.000001'", "'1970-01-01 01:11:34.967296'",
    "'1970-01-02 00:00'", "'infinity'", "'-infinity'", "'12000-01-01'", "'12000-01-02'",
]  # fmt: skip
DATES = [
    "NULL", "'1970-01-01'", "'1970-01-02'", "'1969-12-31'", "'infinity'", "'-infinity'",
    "'300000-01-01'",
]  # fmt: skip
VALUES = [
    *((column, kind, values) for kind, values in IDS.items() for column in ("orders_id",)),
    *(
        (column, kind, values)
        for kind, values in IDS.items()
        for column in ("orders_customer_id", "payments_order_id")
    ),
    ("customers_id", "uuid", IDS["uuid"]),
    ("payments_id", "text", IDS["text"]),
    ("orders_total_amount", "numeric(12,2)", MONEY),
    ("orders_total_amount", "numeric", [*MONEY, "1.005", "'infinity'", "'-infinity'"]),
    ("orders_total_amount", "double precision", [*MONEY, "'infinity'", "'-infinity'"]),
    ("orders_total_amount", "money", MONEY[:-1]),
    ("orders_total_amount", "integer", ["NULL", "0", "1", "-1"]),
    ("payments_amount", "numeric(12,2)", MONEY),
    ("orders_status", "text", TEXTS),
    ("payments_status", "varchar(9)", TEXTS),
    ("customers_email", "text", TEXTS),
    ("customers_region", "text", TEXTS),
    ("orders_created_at", "timestamptz", TIMES),
    ("orders_created_at", "timestamp", TIMES),
    ("payments_paid_at", "timestamptz", TIMES),
    ("customers_signup_date", "date", DATES),
    ("customers_signup_date", "timestamptz", TIMES),
]


@pytest.mark.parametrize(("column", "kind", "values"), VALUES)
def test_every_two_values_of_a_column_are_told_apart(
    database: Database, column: str, kind: str, values: list[str]
) -> None:
    # Other types than `create` makes, without keys, so that ids may be NULL too.
    table, _, name = column.partition("_")
    plain = dict.fromkeys(("customers_id", "orders_id", "payments_id"), "bigint")
    database.create(**{**plain, column: kind})
    database.execute(f"insert into {table} (id) values (null)")
    seen: Counter[str] = Counter()
    for value in values:
        database.execute(f"update {table} set {name} = {value}")
        found = fingerprints(database, "1970-01-01", "1970-01-02", start_date=EPOCH)[table]
        assert sorted(fingerprint == NO_ROWS for fingerprint in found.values()) == [False, True]
        seen.update(fingerprint for fingerprint in found.values() if fingerprint != NO_ROWS)
    assert len(seen) == len(values)


def test_a_wider_integer_is_not_another_one(database: Database) -> None:
    database.create(orders_customer_id="integer")
    database.insert("orders", (1, 7, 1, NOON, "paid"), (2, None, 1, NOON, "paid"))
    before = fingerprints(database, DAY)
    database.execute("alter table orders alter customer_id type bigint")
    assert fingerprints(database, DAY) == before


def test_a_database_that_takes_too_long_is_stopped(database: Database) -> None:
    database.create()
    database.execute("insert into orders select n, n, 1, %s::timestamptz, 'paid' "
                     "from generate_series(1, 200000) as n", NOON)  # fmt: skip
    day = date.fromisoformat(DAY)
    with (
        database.source().snapshot() as snapshot,
        pytest.raises(SourceTooSlowError, match="takes more than 0"),
    ):
        snapshot.fingerprints(day, day, seconds=0.01)
