"""Values of PostgreSQL arrive exactly, or as their own text."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pyarrow import parquet

from ecom_platform.datasets import RAW, Type
from ecom_platform_tests.sources.postgres_database import Database, read

if TYPE_CHECKING:
    from pathlib import Path

DAY = "2024-03-01"
NOON = "2024-03-01 12:00+00"
UUID_TEXT = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"

many_examples = hypothesis_settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def amounts(database: Database, declared: str, *values: Any) -> list[tuple[Any, Any]]:
    """Store amounts in a column of a type; return (total_amount, its text) as extracted."""
    database.create(orders_total_amount=declared)
    for number, value in enumerate(values):
        database.insert("orders", (number, None, value, NOON))
    rows = database.read("orders", DAY)
    return [(row["total_amount"], row["total_amount_text"]) for row in rows]


@pytest.mark.parametrize(
    ("declared", "stored", "read_as"),
    [
        ("bigint", 9007199254740993, 9007199254740993),
        ("bigint", -9223372036854775808, -9223372036854775808),
        ("integer", 2147483647, 2147483647),
        ("smallint", -32768, -32768),
        ("uuid", UUID(UUID_TEXT), UUID_TEXT),
        ("text", "000123", "000123"),
        ("varchar(20)", "a\nb 'c' \"d\" 日本 \\N", "a\nb 'c' \"d\" 日本 \\N"),
        ("numeric", Decimal("340282366920938463463374607431768211456.50"),
         "340282366920938463463374607431768211456.50"),
    ],
)  # fmt: skip
def test_an_id_keeps_its_type_and_is_exact(
    database: Database, declared: str, stored: Any, read_as: Any
) -> None:
    database.create(
        orders_id=declared, orders_customer_id=declared, customers_id=declared,
        payments_id=declared, payments_order_id=declared,
    )  # fmt: skip
    database.insert("customers", (stored, None, "north", DAY))
    database.insert("orders", (stored, stored, 1, NOON))
    database.insert("payments", (stored, stored, 1, "paid", NOON))
    (customer,) = database.read("customers", DAY)
    (order,) = database.read("orders", DAY)
    (payment,) = database.read("payments", DAY)
    assert [customer["id"], order["id"], payment["id"]] == [read_as] * 3
    assert [order["customer_id"], payment["order_id"], payment["customer_id"]] == [read_as] * 3
    assert order["customer_region"] == payment["customer_region"] == "north"


def test_each_id_column_decides_for_itself(database: Database) -> None:
    database.create(customers_id="uuid", orders_customer_id="uuid", payments_id="text")
    database.insert("customers", (UUID_TEXT, None, "north", DAY))
    database.insert("orders", (7, UUID_TEXT, 1, NOON))
    database.insert("payments", ("007", 7, 1, "paid", NOON))
    (payment,) = database.read("payments", DAY)
    assert (payment["id"], payment["order_id"], payment["customer_id"]) == ("007", 7, UUID_TEXT)


@pytest.mark.parametrize(
    "declared",
    ["numeric(12,2)", "numeric(18,2)", "numeric(3)", "numeric", "numeric(20,6)", "money",
     "smallint", "integer", "bigint", "real", "double precision", "amount"],
)  # fmt: skip
def test_money_of_any_number_type_becomes_a_decimal(database: Database, declared: str) -> None:
    database.execute("create domain amount as numeric(12,2) check (value > -1000)")
    found = amounts(database, declared, "12", "-3", "0", None)
    assert found == [(Decimal(12), None), (Decimal(-3), None), (Decimal(0), None), (None, None)]


@pytest.mark.parametrize(
    ("declared", "stored", "amount", "text"),
    [
        ("numeric(18,2)", "9999999999999999.99", "9999999999999999.99", None),
        ("numeric(18,2)", "-9999999999999999.99", "-9999999999999999.99", None),
        ("numeric(18,2)", "NaN", None, "NaN"),
        ("numeric(18,0)", "999999999999999999", None, "999999999999999999"),
        ("numeric(12,4)", "1.2345", None, "1.2345"),
        ("numeric(12,4)", "1.2300", "1.23", None),
        ("numeric", "9999999999999999.99", "9999999999999999.99", None),
        ("numeric", "10000000000000000", None, "10000000000000000"),
        ("numeric", "0.10000000000000000000", "0.10", None),
        ("numeric", "12.345", None, "12.345"),
        ("numeric", "0.005", None, "0.005"),
        ("numeric", "-0.001", None, "-0.001"),
        ("numeric", "NaN", None, "NaN"),
        ("numeric", "Infinity", None, "Infinity"),
        ("numeric", "-Infinity", None, "-Infinity"),
        ("numeric", "1e100", None, "1" + 100 * "0"),
        ("bigint", "9223372036854775807", None, "9223372036854775807"),
        ("bigint", "-9223372036854775808", None, "-9223372036854775808"),
        ("bigint", "9999999999999999", "9999999999999999", None),
        ("bigint", "10000000000000000", None, "10000000000000000"),
        ("bigint", "-10000000000000000", None, "-10000000000000000"),
        ("money", "92233720368547758.07", None, "92233720368547758.07"),
        ("money", "-1234.56", "-1234.56", None),
        ("real", "0.1", "0.1", None),
        ("real", "16777216", "16777216", None),
        ("double precision", "0.29", "0.29", None),
        ("double precision", "1.005", None, "1.005"),
        ("double precision", "0.30000000000000004", None, "0.30000000000000004"),
        ("double precision", "1e300", None, "1e+300"),
        ("double precision", "NaN", None, "NaN"),
        ("double precision", "-Infinity", None, "-Infinity"),
    ],
)
def test_money_is_a_decimal_where_that_is_exact_and_else_its_own_text(
    database: Database, declared: str, stored: str, amount: str | None, text: str | None
) -> None:
    assert amounts(database, declared, stored) == [(amount and Decimal(amount), text)]


@many_examples
@given(
    values=st.lists(
        st.decimals(-(10**17), 10**17, places=2)
        | st.decimals(-(10**40), 10**40)
        | st.sampled_from([Decimal("NaN"), Decimal("Infinity"), Decimal("-Infinity")]),
        min_size=1,
    )
)  # fmt: skip
def test_any_numeric_is_told_apart_to_its_last_digit(
    database: Database, values: list[Decimal]
) -> None:
    database.create(orders_total_amount="numeric")
    database.copy("orders", ((n, None, value, NOON, None) for n, value in enumerate(values)))
    for value, row in zip(values, database.read("orders", DAY), strict=True):
        exact, text = row["total_amount"], row["total_amount_text"]
        assert (exact is None) != (text is None)
        if value.is_nan():
            assert text == "NaN"
        else:
            fits = value.is_finite() and abs(value) < 10**16 and value == round(value, 2)
            assert (exact if fits else Decimal(text)) == value


@many_examples
@given(
    instants=st.lists(
        st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999999)),  # noqa: DTZ001
        min_size=1,
    ),
    kind=st.sampled_from(["timestamptz", "timestamp"]),
)
def test_any_instant_of_the_years_1_to_9999_arrives_to_the_microsecond(
    database: Database, instants: list[datetime], kind: str
) -> None:
    database.create(orders_created_at=kind)
    database.copy(
        "orders",
        ((n, None, 1, instant.replace(tzinfo=UTC), None) for n, instant in enumerate(instants)),
    )
    database.execute("insert into payments select id, id, 1, null, %s from orders", NOON)
    rows = database.read("payments", DAY)
    assert [row["order_created_at"] for row in rows] == [
        instant.replace(tzinfo=UTC) for instant in instants
    ]


@many_examples
@given(days=st.lists(st.dates(max_value=date(2024, 1, 1)), min_size=1))
def test_any_sign_up_date_arrives(database: Database, days: list[date]) -> None:
    database.create()
    database.copy("customers", ((n, None, None, day) for n, day in enumerate(days)))
    rows = database.read("customers", "2024-01-01")
    assert [row["signup_date"] for row in rows] == days


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Auckland", "America/Los_Angeles"])
@pytest.mark.parametrize("kind", ["timestamptz", "timestamp", "date"])
def test_times_at_the_ends_of_what_a_database_holds_do_not_stop_it(
    database: Database, kind: str, zone: str
) -> None:
    database.create(orders_created_at=kind, payments_paid_at=kind, customers_signup_date=kind)
    ends = ["infinity", "-infinity", "4713-01-02 BC", "0001-12-31 BC", "10000-01-03",
            "294276-12-30" if kind != "date" else "5874897-12-31"]  # fmt: skip
    inside = ["0001-01-04", "9999-12-28"]
    for number, time in enumerate([*ends, *inside]):
        database.insert("orders", (number, None, 1, time))
        database.insert("payments", (number, number, 1, "paid", time))
        database.insert("customers", (number, None, None, time))
    options = {"source_timezone": zone, "timezone": zone}
    unreadable = list(range(len(ends)))
    for table, column in (("orders", "created_at"), ("payments", "paid_at")):
        rows = database.read(table, "2024-01-01", **options)
        assert [row["id"] for row in rows] == unreadable
        assert all(row[column] is None and row[f"{column}_text"] for row in rows)
    customers = database.read("customers", "2024-01-01", **options)
    assert {row["id"] for row in customers if row["signup_date_text"]} == set(unreadable)
    assert {row["id"] for row in customers if row["signup_date"]} == {len(ends)}


@pytest.mark.parametrize(
    ("zone", "stored", "readable"),
    [
        ("Pacific/Auckland", "0001-01-01 06:00", False),
        ("Pacific/Auckland", "0001-01-01 18:00", True),
        ("America/Los_Angeles", "0001-01-01 00:00", True),
        ("America/Los_Angeles", "0001-12-31 18:00 BC", True),
        ("America/Los_Angeles", "9999-12-31 12:00", True),
        ("America/Los_Angeles", "9999-12-31 18:00", False),
        ("Pacific/Auckland", "9999-12-31 23:59:59", True),
        ("Pacific/Auckland", "10000-01-01 06:00", True),
    ],
)
def test_the_first_and_the_last_year_are_those_of_utc(
    database: Database, zone: str, stored: str, *, readable: bool
) -> None:
    database.create(orders_created_at="timestamp")
    database.insert("orders", (1, None, 1, stored))
    database.insert("payments", (1, 1, 1, "paid", NOON))
    (payment,) = database.read("payments", DAY, source_timezone=zone)
    assert (payment["order_created_at"] is not None) == readable
    assert len(database.read("orders", "2024-01-01", source_timezone=zone)) == (not readable)


@pytest.mark.parametrize(
    ("zone", "stored"),
    [
        ("America/Los_Angeles", "0001-01-01 05:00+00"),
        ("Pacific/Auckland", "9999-12-31 20:00+00"),
    ],
)
def test_a_sign_up_day_is_within_the_years_as_well(
    database: Database, zone: str, stored: str
) -> None:
    database.create(customers_signup_date="timestamptz")
    database.insert("customers", (1, None, None, stored))
    (customer,) = database.read("customers", "2024-01-01", timezone=zone)
    assert customer["signup_date"] is None
    assert customer["signup_date_text"].startswith(stored[:10])


def test_text_of_any_kind_arrives_unchanged(database: Database) -> None:
    database.execute("create type state as enum ('in transit', 'done')")
    database.create(
        orders_status="state", customers_region="char(8)", payments_status="integer",
    )  # fmt: skip
    odd = 'it\'s "quoted",\n\ttab \\. \\N ünïcödé 日本 😀 \u2028'
    database.insert("customers", (1, odd, "north", DAY), (2, "", None, DAY))
    database.insert("orders", (1, 1, 1, NOON, "in transit"), (2, 2, 1, NOON, None))
    database.insert("payments", (1, 1, 1, 42, NOON))
    customers = database.read("customers", DAY)
    assert [row["email"] for row in customers] == [odd, ""]
    assert [row["region"] for row in customers] == ["north", None]
    assert [row["status"] for row in database.read("orders", DAY)] == ["in transit", None]
    assert [row["status"] for row in database.read("payments", DAY)] == ["42"]


def test_text_of_a_database_in_another_encoding_arrives(postgres: str, database: Database) -> None:
    database.execute("create database western encoding 'LATIN1' locale 'C' template template0")
    western = Database(postgres.replace("/postgres?", "/western?"))
    western.create()
    western.insert("customers", (1, None, "Überlingen", DAY))
    assert [row["region"] for row in western.read("customers", DAY)] == ["Überlingen"]
    database.execute("drop database western with (force)")


def test_every_file_has_the_columns_and_types_of_its_dataset(
    database: Database, tmp_path: Path
) -> None:
    database.create(orders_id="uuid", payments_order_id="uuid")
    database.insert("customers", (1, None, None, DAY))
    database.insert("orders", (UUID_TEXT, 1, 1, NOON))
    database.insert("payments", (1, UUID_TEXT, 1, None, NOON))
    types = {
        Type.MONEY: "decimal128(18, 2)",
        Type.INSTANT: "timestamp[us, tz=UTC]",
        Type.DATE: "date32[day]",
        Type.TEXT: "string",
        Type.FLAG: "bool",
    }
    text_ids = {("orders", "id"), ("payments", "order_id")}
    with database.source().snapshot() as snapshot:
        for dataset in RAW:
            (file,) = snapshot.extract(
                dataset.name, date(2024, 3, 1), date(2024, 3, 1), tmp_path
            ).files
            schema = parquet.read_schema(file)
            assert {field.name: str(field.type) for field in schema} == {
                **{
                    column.name: types.get(
                        column.type,
                        "string" if (dataset.name, column.name) in text_ids else "int64",
                    )
                    for column in dataset.columns
                },
                "date": "date32[day]",
            }
            assert schema.names == [*(column.name for column in dataset.columns), "date"]


def test_sums_are_of_what_is_stored_without_what_is_no_number(database: Database) -> None:
    for declared in ("numeric", "double precision"):
        database.create(orders_total_amount=declared)
        for number, value in enumerate(["0.1", "0.2", "12.345", "NaN", "Infinity", None]):
            database.insert("orders", (number, None, value, NOON))
        with database.source().snapshot() as snapshot:
            (total,) = read(snapshot, "orders", DAY).totals.values()
        assert (total.rows, total.amount) == (6, Decimal("12.645"))
