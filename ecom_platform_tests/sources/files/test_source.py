"""Shops of files: what values mean, which day a row is filed under, whose it is."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pyarrow import parquet

from ecom_platform.datasets import RAW, Type
from ecom_platform.errors import SettingsError, SourceError, SourceUnavailableError
from ecom_platform.sources.base import Totals
from ecom_platform.sources.files.source import FilesSource
from ecom_platform_tests.sources.files.file_shop import (
    DAY,
    START,
    TYPICAL,
    Row,
    content,
    extract,
    put,
    settings,
    shop,
    snapshot,
    take,
)

if TYPE_CHECKING:
    from pathlib import Path

LAST = date(2028, 12, 31)

ARROW_TYPES = {
    Type.ID: "string",
    Type.TEXT: "string",
    Type.MONEY: "decimal128(18, 2)",
    Type.INSTANT: "timestamp[us, tz=UTC]",
    Type.DATE: "date32[day]",
    Type.FLAG: "bool",
}


def orders_of(folder: Path, column: str, values: list[Any], **options: Any) -> list[Row]:
    """Extract orders that differ in a column; return their rows in order of the values."""
    rows = [{"id": f"{at:03}", column: value} for at, value in enumerate(values)]
    return extract(shop(folder, orders=rows), "orders", START, LAST, **options).rows


# ------------------------------------------------------------------------------ values


def test_rows_have_the_declared_raw_columns_and_the_day(tmp_path: Path) -> None:
    shop(tmp_path)

    for dataset in RAW:
        found = extract(tmp_path, dataset.name)
        declared = {column.name: ARROW_TYPES[column.type] for column in dataset.columns}
        assert found.types == declared | {"date": "date32[day]"}
        assert found.column("date") == [DAY]


def test_exact_amounts_are_typed(tmp_path: Path) -> None:
    amounts = {
        "12.30": "12.30",
        "12": "12.00",
        "+5": "5.00",
        "-0.10": "-0.10",
        "12.500": "12.50",
        "000012.3": "12.30",
        "9999999999999999.99": "9999999999999999.99",
        "0." + "0" * 40: "0.00",
    }
    rows = orders_of(tmp_path, "total_amount", list(amounts))

    assert [str(row["total_amount"]) for row in rows] == list(amounts.values())
    assert {row["total_amount_text"] for row in rows} == {None}


def test_any_other_amount_is_kept_as_its_text(tmp_path: Path) -> None:
    texts = [
        "$12", "NaN", "Infinity", "1e5", "12.345", "1,000.00", "10000000000000000", " 12.30", "12.",
        ".5", "1_000", "--1", "0x10", "12,50", "\u0661\u0662", "twelve", " ",
    ]  # fmt: skip
    rows = orders_of(tmp_path, "total_amount", texts)

    assert {row["total_amount"] for row in rows} == {None}
    assert [row["total_amount_text"] for row in rows] == texts


def test_iso_8601_times_are_read_to_the_microsecond(tmp_path: Path) -> None:
    times = {
        "2026-01-05": datetime(2026, 1, 5, tzinfo=UTC),
        "2026-01-05 10:11": datetime(2026, 1, 5, 10, 11, tzinfo=UTC),
        "2026-01-05T10:11:12": datetime(2026, 1, 5, 10, 11, 12, tzinfo=UTC),
        "2026-01-05 10:11:12.5": datetime(2026, 1, 5, 10, 11, 12, 500000, tzinfo=UTC),
        "2026-01-05T10:11:12.123456Z": datetime(2026, 1, 5, 10, 11, 12, 123456, tzinfo=UTC),
        "2026-01-05 10:11:12+02": datetime(2026, 1, 5, 8, 11, 12, tzinfo=UTC),
        "2026-01-05T10:11+05:30": datetime(2026, 1, 5, 4, 41, tzinfo=UTC),
        "2026-01-05T10:11-0330": datetime(2026, 1, 5, 13, 41, tzinfo=UTC),
        "2028-02-29 00:00:00": datetime(2028, 2, 29, tzinfo=UTC),
    }
    rows = orders_of(tmp_path, "created_at", list(times))

    assert [row["created_at"] for row in rows] == list(times.values())
    assert {row["created_at_text"] for row in rows} == {None}


def test_any_other_time_is_kept_as_its_text_and_filed_under_the_first_day(tmp_path: Path) -> None:
    texts = [
        "2026-02-30", "2027-02-29 10:00", "2026-01-05 24:00:00", "2026-01-05 23:60", "0000-01-01",
        "2026-01-05 10:11:60", "2026-13-01", "2026-01-05 10", "2026-01-05 10:11:12.1234567",
        "2026-1-5", "05.01.2026", "1767600000", "2026-01-05 10:11 UTC", " 2026-01-05", "20260105",
        "2026-01-05T10:11+25:00", "infinity", "now", "2026-01-05\n", "9999-12-31 23:59:59-12:00",
    ]  # fmt: skip
    rows = orders_of(tmp_path, "created_at", texts)

    assert {(row["created_at"], row["date"]) for row in rows} == {(None, START)}
    assert [row["created_at_text"] for row in rows] == texts


def test_empty_fields_are_null_and_not_unreadable(tmp_path: Path) -> None:
    empty = {"customer_id": "", "total_amount": "", "created_at": "", "status": ""}
    shop(tmp_path, orders=[empty])
    (row,) = extract(tmp_path, "orders", START).rows

    assert {name: value for name, value in row.items() if value is not None} == {
        "id": "o1",
        "date": START,
    }


def test_a_pattern_of_timestamps_replaces_iso_8601_in_text_files(tmp_path: Path) -> None:
    texts = [
        "05/01/2026 10:11",
        "05/01/2026",
        "2026-01-05 10:11",
        "31/02/2026 10:11",
        "05/01/26 10:11",
    ]
    rows = orders_of(
        tmp_path,
        "created_at",
        texts,
        source_timestamp_format="%d/%m/%Y %H:%M",
        source_timezone="Europe/Berlin",
    )

    assert [row["created_at"] for row in rows] == [
        datetime(2026, 1, 5, 9, 11, tzinfo=UTC),
        datetime(2026, 1, 4, 23, 0, tzinfo=UTC),
        None,
        None,
        None,
    ]
    assert [row["created_at_text"] for row in rows] == [None, None, *texts[2:]]


def test_a_pattern_with_a_zone_honours_the_offset_and_z(tmp_path: Path) -> None:
    rows = orders_of(
        tmp_path,
        "created_at",
        ["05 Jan 2026 10:11:12 +0130", "05 Jan 2026 10:11:12 Z", "05 Jan 2026"],
        source_timestamp_format="%d %b %Y %H:%M:%S %z",
        source_timezone="Asia/Kolkata",
    )

    assert [row["created_at"] for row in rows] == [
        datetime(2026, 1, 5, 8, 41, 12, tzinfo=UTC),
        datetime(2026, 1, 5, 10, 11, 12, tzinfo=UTC),
        datetime(2026, 1, 4, 18, 30, tzinfo=UTC),
    ]


def test_a_pattern_does_not_concern_parquet(tmp_path: Path) -> None:
    shop(tmp_path)
    (tmp_path / "orders.csv").unlink()
    put(tmp_path, {"orders.parquet": [{"created_at": datetime(2026, 1, 5, 10, 11, tzinfo=UTC)}]})
    put(tmp_path, {"customers.csv": [{"signup_date": "05/01/2026"}]})
    options: Row = {"source_timestamp_format": "%d/%m/%Y %H:%M"}

    (order,) = extract(tmp_path, "orders", **options).rows
    (customer,) = extract(tmp_path, "customers", **options).rows

    assert order["created_at"] == datetime(2026, 1, 5, 10, 11, tzinfo=UTC)
    assert customer["signup_date"] == DAY


def test_a_pattern_that_is_none_is_an_error_of_the_setting(tmp_path: Path) -> None:
    source = FilesSource(settings(shop(tmp_path), source_timestamp_format="%d/%Q"))

    with pytest.raises(SettingsError, match="ECOM_SOURCE_TIMESTAMP_FORMAT"), source.snapshot():
        pass
    with pytest.raises(SettingsError, match="ECOM_SOURCE_DELIMITER"):
        FilesSource(settings(tmp_path, source_delimiter='"')).check()


@hypothesis_settings(max_examples=15, deadline=None)
@given(
    zone=st.sampled_from(
        ["Europe/Berlin", "America/Sao_Paulo", "Australia/Lord_Howe", "Asia/Beirut"]
    ),
    change=st.sampled_from(
        [date(2018, 2, 18), date(2018, 11, 4), date(2018, 3, 25), date(2018, 10, 28)]
    ),
    minutes=st.lists(st.integers(-1500, 3000), min_size=1, max_size=40),
)
def test_wall_clock_times_around_clock_changes_are_the_later_instants_that_zoneinfo_says(
    tmp_path_factory: pytest.TempPathFactory, zone: str, change: date, minutes: list[int]
) -> None:
    walls = [datetime.combine(change, time()) + timedelta(minutes=minute) for minute in minutes]
    rows = [{"id": f"{at:03}", "created_at": str(wall)} for at, wall in enumerate(walls)]
    folder = shop(tmp_path_factory.mktemp("shop"), orders=rows)
    options = {"source_timezone": zone, "timezone": zone, "start_date": date(2018, 1, 1)}

    found = extract(folder, "orders", date(2018, 1, 1), date(2018, 12, 31), **options)

    instants = [
        max(wall.replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC) for fold in (0, 1))
        for wall in walls
    ]
    assert found.column("created_at") == instants
    assert found.column("date") == [at.astimezone(ZoneInfo(zone)).date() for at in instants]


# ------------------------------------------------------------------------------ ids


def test_text_ids_keep_leading_zeros_and_every_digit(tmp_path: Path) -> None:
    ids = ["007", "7", "90071992547409931", "0a"]
    found = extract(shop(tmp_path, orders=[{"id": value} for value in ids]), "orders")

    assert sorted(found.column("id")) == sorted(ids)


def test_integer_columns_of_parquet_stay_integers(tmp_path: Path) -> None:
    shop(tmp_path)
    for table, row in TYPICAL.items():
        ids = {name: 2**53 + 1 for name in row if name == "id" or name.endswith("_id")}
        (tmp_path / f"{table}.csv").unlink()
        put(tmp_path, {f"{table}.parquet": [ids]})

    found = {table: extract(tmp_path, table) for table in TYPICAL}

    assert found["orders"].types["id"] == found["orders"].types["customer_id"] == "int64"
    assert found["payments"].types["customer_id"] == "int64"
    assert found["payments"].column("customer_id") == [2**53 + 1]
    assert found["payments"].column("order_found") == [True]


def test_ids_of_parquet_that_differ_in_type_are_all_text(tmp_path: Path) -> None:
    shop(tmp_path)
    (tmp_path / "orders.csv").unlink()
    put(tmp_path, {"orders/a.parquet": [{"id": 7}], "orders/b.parquet": [{"id": "007"}]})

    found = extract(tmp_path, "orders")

    assert (found.types["id"], found.column("id")) == ("string", ["007", "7"])


def test_a_parquet_file_without_rows_does_not_turn_ids_into_text(tmp_path: Path) -> None:
    shop(tmp_path)
    (tmp_path / "orders.csv").unlink()
    put(tmp_path, {"orders/a.parquet": [{"id": 7}], "orders/b.parquet": []})

    assert extract(tmp_path, "orders").types["id"] == "int64"


# ------------------------------------------------------------------------------ days


def test_orders_are_filed_by_creation_in_the_business_timezone(tmp_path: Path) -> None:
    texts = ["2026-01-05 04:59:59", "2026-01-05 05:00", "2026-01-05T23:00-05:00", ""]
    rows = orders_of(tmp_path, "created_at", texts, timezone="America/New_York")

    assert [row["date"] for row in rows] == [date(2026, 1, 4), DAY, DAY, START]


def test_customers_are_filed_by_sign_up_and_older_ones_under_the_first_day(tmp_path: Path) -> None:
    signups = [
        "2026-01-05",
        "2020-07-01",
        "",
        "long ago",
        "2026-01-05 02:00:00",
        "2026-01-05T23:00Z",
    ]
    rows = [{"id": str(at), "signup_date": text} for at, text in enumerate(signups)]
    shop(tmp_path, customers=rows)

    found = extract(tmp_path, "customers", START, LAST, timezone="America/New_York")

    day_before = date(2026, 1, 4)
    assert found.column("date") == [DAY, START, START, START, day_before, DAY]
    assert found.column("signup_date") == [DAY, date(2020, 7, 1), None, None, day_before, DAY]
    assert found.column("signup_date_text") == [None, None, None, "long ago", None, None]


def test_payments_are_filed_by_payment_else_by_their_order(tmp_path: Path) -> None:
    payments = [
        {"id": "1", "paid_at": "2026-01-07 00:30:00"},
        {"id": "2", "paid_at": ""},
        {"id": "3", "paid_at": "yesterday"},
        {"id": "4", "paid_at": "", "order_id": "lost"},
        {"id": "5", "paid_at": "", "order_id": ""},
        {"id": "6", "paid_at": "", "order_id": "undated"},
    ]
    orders = [{}, {"id": "undated", "created_at": "?"}]
    shop(tmp_path, orders=orders, payments=payments)

    found = extract(tmp_path, "payments", START, LAST)

    assert found.column("date") == [date(2026, 1, 7), DAY, DAY, START, START, START]
    assert found.column("paid_at_text") == [None, None, "yesterday", None, None, None]


def test_rows_outside_the_days_asked_for_and_before_the_first_day_are_left_out(
    tmp_path: Path,
) -> None:
    days = ["2025-12-31", "2026-01-01", "2026-01-05", "2026-01-06"]
    orders = [{"id": day, "created_at": f"{day} 12:00:00"} for day in days]
    shop(tmp_path, orders=orders)

    assert extract(tmp_path, "orders", START, DAY).column("id") == days[1:3]
    assert extract(tmp_path, "orders", date(2025, 1, 1), START).column("id") == days[1:2]
    assert extract(tmp_path, "orders", date(2026, 2, 1)).rows == []


def test_a_pending_payment_of_an_order_before_the_first_day_is_left_out(tmp_path: Path) -> None:
    orders = [{"created_at": "2025-06-01 10:00:00"}]
    shop(tmp_path, orders=orders, payments=[{"paid_at": ""}])

    assert extract(tmp_path, "payments", START, LAST).rows == []


# ------------------------------------------------------------------------------ parents


def test_orders_know_whether_the_customer_is_there_and_the_region(tmp_path: Path) -> None:
    orders = [
        {"id": "1", "customer_id": "c1"},
        {"id": "2", "customer_id": "gone"},
        {"id": "3", "customer_id": ""},
    ]
    found = extract(shop(tmp_path, orders=orders), "orders")

    assert found.column("customer_found") == [True, False, None]
    assert found.column("customer_region") == ["North", None, None]


def test_payments_know_their_order_and_its_customer(tmp_path: Path) -> None:
    orders = [{}, {"id": "o2", "customer_id": "gone"}, {"id": "o3", "customer_id": ""}]
    payments = [{"id": str(at), "order_id": f"o{at}" if at else ""} for at in range(5)]
    found = extract(shop(tmp_path, orders=orders, payments=payments), "payments")

    assert found.column("order_found") == [False, True, True, True, False]
    assert found.column("customer_id") == [None, "c1", "gone", None, None]
    assert found.column("customer_region") == [None, "North", None, None, None]
    created_at = datetime(2026, 1, 5, 10, tzinfo=UTC)
    assert found.column("order_created_at") == [None, created_at, created_at, created_at, None]


@pytest.mark.parametrize("reverse", [False, True])
def test_parents_that_are_there_twice_multiply_nothing_whatever_their_order(
    tmp_path: Path, reverse: bool
) -> None:
    customers = [{"region": "South"}, {"region": "North"}, {"region": ""}, {"id": ""}]
    orders = [
        {"created_at": "2026-01-06 10:00"},
        {"created_at": "2026-01-05 10:00"},
        {"created_at": ""},
    ]
    step = -1 if reverse else 1
    shop(tmp_path, customers=customers[::step], orders=orders[::step], payments=[{"paid_at": ""}])

    assert extract(tmp_path, "orders", START, LAST).column("customer_region") == ["North"] * 3
    (payment,) = extract(tmp_path, "payments", START, LAST).rows
    assert (payment["date"], payment["customer_region"]) == (DAY, "North")


def test_parents_are_found_by_the_text_of_their_id_across_formats(tmp_path: Path) -> None:
    shop(tmp_path, orders=[{"id": "1", "customer_id": "7"}, {"id": "2", "customer_id": "007"}])
    (tmp_path / "customers.csv").unlink()
    put(tmp_path, {"customers.parquet": [{"id": 7, "signup_date": DAY}]})

    assert extract(tmp_path, "orders").column("customer_found") == [True, False]


# ------------------------------------------------------------------------------ totals


def test_totals_count_and_add_up_what_the_files_say(tmp_path: Path) -> None:
    amounts = [
        "12.30", "0.005", "1e2", "-.5", "$9", "NaN", "", "1,000.00", "3.", "123456789012345678.25",
    ]  # fmt: skip
    rows: list[Row] = [{"id": str(at), "total_amount": text} for at, text in enumerate(amounts)]
    shop(
        tmp_path,
        orders=[*rows, *rows, {"id": "x", "created_at": "2026-01-06", "total_amount": "1"}],
    )

    totals = extract(tmp_path, "orders", START, LAST).totals

    once = Decimal("12.305") + 100 - Decimal("0.5") + 3 + Decimal("123456789012345678.25")
    assert totals == {DAY: Totals(20, 2 * once), date(2026, 1, 6): Totals(1, Decimal(1))}
    assert str(totals[date(2026, 1, 6)].amount) == "1.00"


def test_totals_cover_the_days_asked_for_and_customers_have_no_money(tmp_path: Path) -> None:
    shop(tmp_path, customers=[{}, {"id": "c2"}, {"id": "c3", "signup_date": "2026-01-06"}])

    assert extract(tmp_path, "customers").totals == {DAY: Totals(2, None)}


def test_totals_of_unpaid_payments_are_of_their_orders_day(tmp_path: Path) -> None:
    shop(tmp_path, payments=[{"paid_at": ""}, {"id": "p2", "paid_at": "2026-01-06", "amount": "1"}])

    assert extract(tmp_path, "payments", START, LAST).totals == {
        DAY: Totals(1, Decimal("12.30")),
        date(2026, 1, 6): Totals(1, Decimal(1)),
    }


# ------------------------------------------------------------------------------ names


def test_tables_and_columns_are_read_under_the_sources_own_names(tmp_path: Path) -> None:
    put(
        shop(tmp_path),
        {
            "shop.sales_order.csv": "placed_at;number;who;total_amount;status\n"
            "2026-01-05 10:00;o9;c1;5;new\n"
        },
    )
    for name in ("customers.csv", "payments.csv"):
        (tmp_path / name).write_text((tmp_path / name).read_text().replace(",", ";"))
    columns = {
        "orders.id": "number",
        "orders.created_at": "placed_at",
        "orders.customer_id": "who",
    }
    options = {
        "tables": {"orders": "shop.sales_order"},
        "columns": columns,
        "source_delimiter": ";",
    }

    (row,) = extract(tmp_path, "orders", **options).rows

    assert (row["id"], row["customer_region"]) == ("o9", "North")
    assert row["created_at"] == datetime(2026, 1, 5, 10, tzinfo=UTC)


def test_one_column_may_serve_twice(tmp_path: Path) -> None:
    shop(tmp_path)

    (row,) = extract(tmp_path, "orders", columns={"orders.id": "customer_id"}).rows

    assert (row["id"], row["customer_id"]) == ("c1", "c1")


# ------------------------------------------------------------------------------ snapshots


def test_each_file_is_read_once_in_a_snapshot(tmp_path: Path) -> None:
    shop(tmp_path)
    with snapshot(tmp_path) as opened:
        take(opened, "payments")
        for table in TYPICAL:
            (tmp_path / f"{table}.csv").unlink()

        assert take(opened, "orders").column("id") == ["o1"]
        assert take(opened, "customers", START, LAST).column("id") == ["c1"]


def test_a_file_replaced_after_the_listing_is_a_passing_error(tmp_path: Path) -> None:
    shop(tmp_path)
    with snapshot(tmp_path) as opened:
        take(opened, "customers")
        (tmp_path / "orders.csv").write_bytes(content("orders", ".csv", [{"id": "other"}]))

        with pytest.raises(SourceUnavailableError, match=r"orders\.csv was replaced") as caught:
            take(opened, "orders")
    assert caught.value.transient


def test_files_that_come_after_the_listing_are_not_seen(tmp_path: Path) -> None:
    shop(tmp_path)
    (tmp_path / "orders.csv").unlink()
    put(tmp_path, {"orders/a.csv": [{}]})
    with snapshot(tmp_path) as opened:
        put(tmp_path, {"orders/b.csv": [{"id": "late"}]})

        assert take(opened, "orders").column("id") == ["o1"]


def test_a_folder_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="does not exist"), snapshot(tmp_path / "nowhere"):
        pass


def test_a_large_table_is_all_there(tmp_path: Path) -> None:
    count = 60_000
    orders = "id,customer_id,total_amount,created_at,status\n" + "".join(
        f"{at},c{at % 9},{at % 7}.01,2026-01-0{1 + at % 9} 10:00:00,new\n" for at in range(count)
    )
    put(shop(tmp_path), {"orders.csv": orders})

    found = extract(tmp_path, "orders", START, LAST, engine_memory="200MB")

    assert {row["id"] for row in found.rows} == {str(at) for at in range(count)}
    assert sum(totals.rows for totals in found.totals.values()) == count
    assert sum(totals.amount or 0 for totals in found.totals.values()) == sum(
        Decimal(f"{at % 7}.01") for at in range(count)
    )


def test_parquet_with_typed_columns_gives_the_rows_that_csv_gives(tmp_path: Path) -> None:
    typed = {
        "id": pa.array([1, 2], pa.int32()),
        "customer_id": pa.array(["c1", None]),
        "total_amount": pa.array([Decimal("12.300"), Decimal("-1.005")], pa.decimal128(20, 3)),
        "created_at": pa.array([datetime(2026, 1, 5, 10, tzinfo=UTC), None], pa.timestamp("ns")),
        "status": pa.array(["new", ""]).dictionary_encode(),
    }
    from_csv = [
        {"id": "1", "total_amount": "12.300", "created_at": "2026-01-05 10:00:00", "status": "new"},
        {"id": "2", "customer_id": "", "total_amount": "-1.005", "created_at": "", "status": ""},
    ]
    csv_rows = extract(shop(tmp_path / "csv", orders=from_csv), "orders", START, LAST).rows
    shop(tmp_path / "parquet")
    (tmp_path / "parquet" / "orders.csv").unlink()
    parquet.write_table(pa.table(typed), tmp_path / "parquet" / "orders.parquet")

    rows = extract(tmp_path / "parquet", "orders", START, LAST).rows

    # Only Parquet tells an integer from its text and an empty text from none.
    assert rows == [row | {"id": int(row["id"]), "status": row["status"] or ""} for row in csv_rows]
