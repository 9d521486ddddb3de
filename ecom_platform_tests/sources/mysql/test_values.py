"""Values of MySQL and MariaDB arrive exactly, or as their own text."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal, localcontext
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from ecom_platform.errors import SourceError
from ecom_platform.sources.base import NO_ROWS
from ecom_platform_tests.sources.shop_database import fingerprints, read

if TYPE_CHECKING:
    from ecom_platform_tests.sources.mariadb_database import MariaDatabase

DAY = "2024-03-01"
PAID = "2024-03-05"
NOON = "2024-03-01 12:00:00"
UUID_TEXT = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"
PLAIN = dict.fromkeys(("customers_id", "orders_id", "payments_id"), "bigint")

many_examples = hypothesis_settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


# -------------------------------------------------------------------------------- ids


@pytest.mark.parametrize(
    ("declared", "stored", "read_as"),
    [
        ("bigint", 9007199254740993, 9007199254740993),
        ("bigint", -9223372036854775808, -9223372036854775808),
        ("bigint unsigned", 18446744073709551615, "18446744073709551615"),
        ("bigint unsigned", 7, "7"),
        ("int unsigned", 4294967295, 4294967295),
        ("mediumint", -8388608, -8388608),
        ("tinyint(1)", 1, 1),
        ("int(8) zerofill", 42, 42),
        ("uuid", UUID_TEXT.upper(), UUID_TEXT),
        ("char(36)", UUID_TEXT, UUID_TEXT),
        ("varchar(20)", "000123", "000123"),
        ("varchar(30)", "a\nb 'c' \"d\" 日本 \\N", "a\nb 'c' \"d\" 日本 \\N"),
        ("decimal(40,0)", 340282366920938463463374607431768211456,
         "340282366920938463463374607431768211456"),
    ],
)  # fmt: skip
def test_an_id_keeps_its_type_and_is_exact(
    maria: MariaDatabase, declared: str, stored: Any, read_as: Any
) -> None:
    maria.create(
        orders_id=declared, orders_customer_id=declared, customers_id=declared,
        payments_id=declared, payments_order_id=declared,
    )  # fmt: skip
    maria.insert("customers", (stored, None, "north", DAY))
    maria.insert("orders", (stored, stored, 1, NOON))
    maria.insert("payments", (stored, stored, 1, "paid", NOON))
    (customer,) = maria.read("customers", DAY)
    (order,) = maria.read("orders", DAY)
    (payment,) = maria.read("payments", DAY)
    assert [customer["id"], order["id"], payment["id"]] == [read_as] * 3
    assert [order["customer_id"], payment["order_id"], payment["customer_id"]] == [read_as] * 3
    assert order["customer_region"] == payment["customer_region"] == "north"


def test_unsigned_ids_that_count_up_and_references_to_them_are_integers(
    maria: MariaDatabase,
) -> None:
    counting = "bigint unsigned auto_increment primary key"
    maria.create(
        customers_id=counting, orders_id=counting, payments_id="bigint unsigned",
        orders_customer_id="bigint unsigned", payments_order_id="bigint unsigned",
    )  # fmt: skip
    maria.insert("customers", (7, None, "north", DAY))
    maria.insert("orders", (8, 7, 1, NOON))
    maria.insert("payments", (9, 8, 1, "paid", NOON))
    (payment,) = maria.read("payments", DAY)
    assert (payment["id"], payment["order_id"], payment["customer_id"]) == ("9", 8, 7)
    maria.execute("update orders set customer_id = 9223372036854775808")
    with pytest.raises(SourceError, match="customer_id of the table orders counts up") as caught:
        maria.read("orders", DAY)
    assert "CHAR" in caught.value.hint


@pytest.mark.parametrize("declared", ["binary(16)", "varbinary(20)", "blob", "bit(8)"])
def test_bytes_are_no_id_and_no_text(maria: MariaDatabase, declared: str) -> None:
    maria.create(orders_customer_id=declared, payments_status=declared)
    with pytest.raises(SourceError, match=r"customer_id of the table orders is .* no text"):
        maria.read("orders", DAY)
    maria.create(payments_status=declared)
    with pytest.raises(SourceError, match="status of the table payments") as caught:
        maria.read("payments", DAY)
    assert "BIN_TO_UUID" in caught.value.hint


@pytest.mark.parametrize(
    ("reference", "identity"),
    [
        ("varchar(12) collate utf8mb4_unicode_ci", "varchar(12) collate utf8mb4_general_ci"),
        ("varchar(12) character set latin1", "varchar(20)"),
        ("varchar(12)", "varchar(20) character set latin1"),
        ("char(12) character set ascii", "text"),
        ("varchar(12)", "bigint"),
        ("bigint", "varchar(12)"),
        ("varchar(12)", "bigint unsigned"),
        ("bigint unsigned", "int"),
        ("decimal(10,0)", "varchar(12) character set latin1"),
        ("decimal(10,0)", "bigint unsigned"),
    ],
)
def test_ids_of_different_types_charsets_and_collations_meet(
    maria: MariaDatabase, reference: str, identity: str
) -> None:
    maria.create(customers_id=f"{identity}", orders_customer_id=reference)
    maria.execute("alter table customers add primary key (id(9))" if identity == "text" else
                  "alter table customers add primary key (id)")  # fmt: skip
    maria.insert("customers", (42, None, "north", DAY), (420, None, "south", DAY))
    maria.insert("orders", (1, 42, 1, NOON), (2, 43, 1, NOON), (3, None, 1, NOON))
    found = [(row["customer_found"], row["customer_region"]) for row in maria.read("orders", DAY)]
    assert found == [(True, "north"), (False, None), (None, None)]


def test_texts_that_are_no_number_refer_to_no_number(maria: MariaDatabase) -> None:
    maria.create(orders_customer_id="varchar(30)")
    maria.insert("customers", (7, None, "north", DAY), (0, None, "zero", DAY))
    texts = ["7", "007", "7.0", "7a", " 7", "7\n", "", "-0", "99999999999999999999", "abc"]
    maria.insert("orders", *[(n, text, 1, NOON) for n, text in enumerate(texts)])
    found = [row["customer_found"] for row in maria.read("orders", DAY)]
    assert found == [True] + [False] * 9


def test_ids_meet_under_the_collation_of_the_shop(maria: MariaDatabase) -> None:
    maria.create(customers_id="varchar(9) primary key", orders_customer_id="varchar(9)")
    maria.insert("customers", ("abc", None, "north", DAY))
    maria.insert("orders", (1, "ABC", 1, NOON))
    (order,) = maria.read("orders", DAY)
    assert (order["customer_id"], order["customer_region"]) == ("ABC", "north")


# ------------------------------------------------------------------------------ money


def amounts(maria: MariaDatabase, declared: str, *values: Any) -> list[tuple[Any, Any]]:
    maria.create(orders_total_amount=declared)
    maria.insert("orders", *[(n, None, value, NOON) for n, value in enumerate(values)])
    rows = maria.read("orders", DAY)
    return [(row["total_amount"], row["total_amount_text"]) for row in rows]


@pytest.mark.parametrize(
    "declared",
    ["decimal(12,2)", "decimal(18,2)", "decimal(3,0)", "decimal(20,6)", "decimal(65,30)",
     "tinyint", "int", "bigint", "float", "double", "float(10,2)"],
)  # fmt: skip
def test_money_of_any_number_type_becomes_a_decimal(maria: MariaDatabase, declared: str) -> None:
    found = amounts(maria, declared, "12", "-3", "0", None)
    assert found == [(Decimal(12), None), (Decimal(-3), None), (Decimal(0), None), (None, None)]


@pytest.mark.parametrize(
    ("declared", "stored", "amount", "text"),
    [
        ("decimal(18,2)", "9999999999999999.99", "9999999999999999.99", None),
        ("decimal(18,2)", "-9999999999999999.99", "-9999999999999999.99", None),
        ("decimal(18,0)", "999999999999999999", None, "999999999999999999"),
        ("decimal(12,4)", "1.2345", None, "1.2345"),
        ("decimal(12,4)", "1.2300", "1.23", None),
        ("decimal(30,10)", "0.005", None, "0.0050000000"),
        ("decimal(30,10)", "-0.0010000000", None, "-0.0010000000"),
        ("decimal(65,0)", "1" + 60 * "0", None, "1" + 60 * "0"),
        ("decimal(65,30)", "0." + 29 * "0" + "1", None, "0." + 29 * "0" + "1"),
        ("bigint", "9223372036854775807", None, "9223372036854775807"),
        ("bigint", "-10000000000000000", None, "-10000000000000000"),
        ("bigint", "9999999999999999", "9999999999999999", None),
        ("bigint unsigned", "18446744073709551615", None, "18446744073709551615"),
        ("double", "0.29", "0.29", None),
        ("double", "1.005", None, "1.005"),
        ("double", "0.30000000000000004", None, "0.30000000000000004"),
        ("double", "1e300", None, "1e300"),
        ("double", "1e-40", None, "1e-40"),
        ("float", "16777216", "16777216", None),
        ("float", "0.5", "0.50", None),
        # As it is stored; to round it is the cleaning's.
        ("float", "0.1", None, "0.10000000149011612"),
    ],
)
def test_money_is_a_decimal_where_that_is_exact_and_else_its_own_text(
    maria: MariaDatabase, declared: str, stored: str, amount: str | None, text: str | None
) -> None:
    assert amounts(maria, declared, stored) == [(amount and Decimal(amount), text)]


@many_examples
@given(
    st.lists(
        st.decimals(-(10**17), 10**17, places=2) | st.decimals(-(10**30), 10**30, places=20),
        min_size=1,
    )
)
def test_any_decimal_is_told_apart_to_its_last_digit(
    maria: MariaDatabase, values: list[Decimal]
) -> None:
    maria.create(orders_total_amount="decimal(65,20)")
    maria.copy("orders", [(n, None, value, NOON, None) for n, value in enumerate(values)])
    with maria.source().snapshot() as snapshot:
        found = read(snapshot, "orders", DAY)
    for value, row in zip(values, found.rows, strict=True):
        exact, text = row["total_amount"], row["total_amount_text"]
        assert (exact is None) != (text is None)
        fits = abs(value) < 10**16 and value == round(value, 2)
        assert (exact if fits else Decimal(text)) == value
    (total,) = found.totals.values()
    assert total.amount is not None
    with localcontext() as context:
        context.prec = 100
        assert total.amount == sum(values)


# ------------------------------------------------------------------------------ times


@many_examples
@given(
    instants=st.lists(
        st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999999)),  # noqa: DTZ001
        min_size=1,
    )
)
def test_any_time_of_the_years_1_to_9999_arrives_to_the_microsecond(
    maria: MariaDatabase, instants: list[datetime]
) -> None:
    maria.create(orders_created_at="naive")
    maria.copy("orders", [(n, None, 1, at, None) for n, at in enumerate(instants)])
    maria.execute("insert into payments select id, id, 1, null, %s from orders", NOON)
    rows = maria.read("payments", DAY)
    assert [row["order_created_at"] for row in rows] == [at.replace(tzinfo=UTC) for at in instants]


@many_examples
@given(days=st.lists(st.dates(max_value=date(2024, 1, 1)), min_size=1))
def test_any_sign_up_date_arrives(maria: MariaDatabase, days: list[date]) -> None:
    maria.create()
    maria.copy("customers", [(n, None, None, day) for n, day in enumerate(days)])
    rows = maria.read("customers", "2024-01-01")
    assert [row["signup_date"] for row in rows] == days


ZEROS = ["0000-00-00", "2024-00-00", "2024-03-00", "2024-02-30", "0000-05-05"]


@pytest.mark.parametrize("kind", ["datetime(6)", "datetime", "date"])
def test_a_day_that_no_calendar_has_keeps_its_text_and_belongs_to_the_first_day(
    maria: MariaDatabase, kind: str
) -> None:
    maria.create(orders_created_at=kind, customers_signup_date=kind, payments_paid_at=kind)
    for number, zero in enumerate(ZEROS):
        maria.insert("orders", (number, None, 1, zero))
        maria.insert("customers", (number, None, None, zero))
    maria.insert("orders", (9, None, 1, DAY))
    maria.insert("payments", *[(number, 9, 1, "paid", zero) for number, zero in enumerate(ZEROS)])
    for table, time in (("orders", "created_at"), ("customers", "signup_date")):
        rows = maria.read(table, "2024-01-01")
        assert {row["date"] for row in rows} == {date(2024, 1, 1)}
        assert [row[time] for row in rows] == [None] * 5
        assert [row[f"{time}_text"][:10] for row in rows] == ZEROS
    payments = maria.read("payments", DAY)
    assert [row["paid_at_text"][:10] for row in payments] == ZEROS
    assert maria.read("payments", "2024-02-28", "2024-02-29") == []
    assert len(maria.read("orders", "2024-01-02", "2024-12-31")) == 1
    counts = {
        table: sum(int(text.partition(":")[0]) for text in days.values())
        for table, days in fingerprints(maria, "2024-01-01", "2024-12-31").items()
    }
    assert counts == {"orders": 6, "customers": 5, "payments": 5}


def test_a_zero_timestamp_is_unreadable(maria: MariaDatabase) -> None:
    maria.create()
    maria.insert("orders", (1, None, 1, "0000-00-00 00:00:00"))
    (row,) = maria.read("orders", "2024-01-01")
    assert (row["created_at"], row["created_at_text"]) == (None, "0000-00-00 00:00:00.000000")


def test_the_largest_time_is_readable_where_its_instant_has_a_year(maria: MariaDatabase) -> None:
    maria.create(orders_created_at="naive")
    last = "9999-12-31 23:59:59.999999"
    maria.insert("orders", (1, None, 1, last))
    maria.insert("payments", (1, 1, 1, "paid", NOON))
    (payment,) = maria.read("payments", DAY, source_timezone="Europe/Berlin")
    assert payment["order_created_at"] == datetime(9999, 12, 31, 22, 59, 59, 999999, UTC)
    (payment,) = maria.read("payments", DAY, source_timezone="America/New_York")
    assert payment["order_created_at"] is None


# ------------------------------------------------------------------------------- text


def test_text_of_any_column_type_arrives(maria: MariaDatabase) -> None:
    maria.create(
        orders_status="enum('in transit', 'done')", customers_region="char(8)",
        customers_email="text", payments_status="int",
    )  # fmt: skip
    odd = 'it\'s "quoted",\n\ttab \\. \\N \0 ünïcödé 日本 😀 \u2028'
    maria.insert("customers", (1, odd, "north", DAY), (2, "", None, DAY))
    maria.insert("orders", (1, 1, 1, NOON, "in transit"), (2, 2, 1, NOON, None))
    maria.insert("payments", (1, 1, 1, 42, NOON))
    customers = maria.read("customers", DAY)
    assert [row["email"] for row in customers] == [odd, ""]
    assert [row["region"] for row in customers] == ["north", None]
    assert [row["status"] for row in maria.read("orders", DAY)] == ["in transit", None]
    assert [row["status"] for row in maria.read("payments", DAY)] == ["42"]


@pytest.mark.parametrize("charset", ["latin1", "utf8mb3", "utf8mb4", "ucs2", "cp1251", "sjis"])
def test_text_of_any_charset_arrives(maria: MariaDatabase, charset: str) -> None:
    word = {"cp1251": "Москва", "sjis": "東京"}.get(charset, "Überlingen")
    maria.create(customers_region=f"varchar(20) character set {charset}")
    maria.insert("customers", (1, None, word, DAY))
    assert [row["region"] for row in maria.read("customers", DAY)] == [word]
    before = fingerprints(maria, DAY)
    maria.execute("alter table customers modify region varchar(20) character set utf8mb4")
    assert fingerprints(maria, DAY) == before


@many_examples
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=300), min_size=1))
def test_any_text_arrives(maria: MariaDatabase, texts: list[str]) -> None:
    maria.create(customers_email="longtext")
    maria.copy("customers", [(n, text, None, DAY) for n, text in enumerate(texts)])
    assert [row["email"] for row in maria.read("customers", DAY)] == texts


@pytest.mark.parametrize("length", [250, 251, 65536, 16_777_100])
def test_a_text_of_any_length_arrives(maria: MariaDatabase, length: int) -> None:
    maria.create(customers_email="longtext")
    maria.execute("insert into customers values (1, repeat('x', %s), 'a', %s), (2, 'y', 'b', %s)",
                  length, DAY, DAY)  # fmt: skip
    rows = maria.read("customers", DAY)
    assert [len(row["email"]) for row in rows] == [length, 1]
    assert [row["region"] for row in rows] == ["a", "b"]


def test_a_row_that_is_longer_than_a_packet_is_an_error(maria: MariaDatabase) -> None:
    maria.execute("set global max_allowed_packet = 67108864")
    maria.create(customers_email="longtext")
    maria.execute("insert into customers values (1, repeat('x', 16777216), 'a', %s)", DAY)
    with pytest.raises(SourceError, match="more than 16 MB"):
        maria.read("customers", DAY)


# ------------------------------------------------------------------------ fingerprints

MONEY = ["NULL", "0", "1", "-1", "10", "0.01", "-0.01", "12.5"]
TEXTS = ["NULL", "''", "'paid'", "'Paid'", "'paid '", "'päid'", "'NULL'", "'''paid'", "'\\\\'"]
TIMES = ["NULL", "'1970-01-02 00:00'", "'1970-01-01 00:00:01'", "'1970-01-01 00:00:01.000001'",
         "'0000-00-00'"]  # fmt: skip
DATES = ["NULL", "'1970-01-01'", "'1970-01-02'", "'1969-12-31'", "'0000-00-00'"]


@pytest.mark.parametrize(
    ("column", "kind", "values"),
    [
        ("orders_id", "bigint", ["NULL", "0", "1", "-1", "4294967296", "9223372036854775807"]),
        ("orders_id", "bigint unsigned", ["NULL", "0", "9223372036854775808"]),
        ("orders_customer_id", "varchar(20)", ["NULL", "''", "'7'", "'007'", "'a'", "'A'"]),
        ("payments_order_id", "uuid", ["NULL", f"'{UUID_TEXT}'", f"'b{UUID_TEXT[1:]}'"]),
        ("orders_total_amount", "decimal(12,2)", MONEY),
        ("orders_total_amount", "double", [*MONEY, "1e300", "0.1", "0.30000000000000004"]),
        ("payments_amount", "float", [*MONEY, "16777216", "16777215"]),
        ("orders_status", "varchar(9)", TEXTS),
        ("customers_email", "text", TEXTS),
        ("customers_region", "varchar(9) character set latin1", TEXTS),
        ("orders_created_at", "datetime(6)", TIMES),
        ("payments_paid_at", "timestamp(6) null", TIMES),
        ("customers_signup_date", "date", DATES),
    ],
)
def test_every_two_values_of_a_column_are_told_apart(
    maria: MariaDatabase, column: str, kind: str, values: list[str]
) -> None:
    table, _, name = column.partition("_")
    maria.create(**{**PLAIN, column: kind})
    maria.execute(f"insert into {table} (id) values (null)")
    seen: set[str] = set()
    for value in values:
        maria.execute(f"update {table} set {name} = {value}")
        days = fingerprints(maria, "1970-01-01", "1970-01-02", start_date=date(1970, 1, 1))[table]
        assert sorted(found == NO_ROWS for found in days.values()) == [False, True]
        seen |= {found for found in days.values() if found != NO_ROWS}
    assert len(seen) == len(values)


@pytest.mark.parametrize(
    ("change", "days"),
    [
        ("insert into orders values (9, 1, 5, '2024-03-01 23:59:59', 'late')", {"orders": [DAY]}),
        ("delete from orders", {"orders": [DAY], "payments": ["2024-01-01", DAY, PAID]}),
        ("update orders set id = 9", {"orders": [DAY], "payments": ["2024-01-01", DAY, PAID]}),
        ("update orders set customer_id = null", {"orders": [DAY], "payments": [DAY, PAID]}),
        ("update orders set total_amount = -total_amount", {"orders": [DAY]}),
        ("update orders set status = 'DONE'", {"orders": [DAY]}),
        ("update orders set created_at = created_at + interval 1 microsecond",
         {"orders": [DAY], "payments": [DAY, PAID]}),
        ("update customers set email = 'b@example.invalid'", {"customers": ["2024-02-01"]}),
        ("update customers set region = 'south'", {"customers": ["2024-02-01"]}),
        ("update customers set signup_date = signup_date + interval 1 day",
         {"customers": ["2024-02-01", "2024-02-02"]}),
        ("delete from payments where id = 2", {"payments": [PAID]}),
        ("update payments set order_id = 7 where id = 2", {"payments": [PAID]}),
        ("update payments set paid_at = '2024-03-07 12:00' where id = 1",
         {"payments": [DAY, "2024-03-07"]}),
        ("update payments set paid_at = '2024-03-07 12:00' where id = 2",
         {"payments": [PAID, "2024-03-07"]}),
        ("update orders set created_at = '2024-03-09 12:00'",
         {"orders": [DAY, "2024-03-09"], "payments": [DAY, PAID, "2024-03-09"]}),
    ],
)  # fmt: skip
def test_each_change_of_a_row_changes_its_days_and_no_others(
    maria: MariaDatabase, change: str, days: dict[str, list[str]]
) -> None:
    maria.create()
    maria.insert("customers", (1, "a@example.invalid", "north", "2024-02-01"))
    maria.insert("orders", (1, 1, 5, NOON, "done"))
    maria.insert("payments", (1, 1, 5, "pending", None), (2, 1, 5, "paid", f"{PAID} 12:00:00"))
    before = fingerprints(maria, "2024-01-01", "2024-12-31")
    maria.execute(change)
    after = fingerprints(maria, "2024-01-01", "2024-12-31")
    changed = {
        table: [str(day) for day in found if found[day] != before[table][day]]
        for table, found in after.items()
    }
    assert {table: found for table, found in changed.items() if found} == days
