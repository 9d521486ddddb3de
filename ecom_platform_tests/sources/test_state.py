"""What a source's table is like now: all its columns, and rows of the future."""

from __future__ import annotations

import gzip
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from ecom_platform.settings import Settings
from ecom_platform.sources import open_source
from ecom_platform.sources.files.undated import describe

if TYPE_CHECKING:
    from pathlib import Path

    from ecom_platform.sources.base import TableState
    from ecom_platform_tests.sources.shop_database import ShopDatabase

NOW = datetime(2024, 3, 10, 12, tzinfo=UTC)
HEADER = "id,customer_id,total_amount,created_at,status"
HEADERS = {
    "customers": "id,email,region,signup_date",
    "payments": "id,order_id,amount,status,paid_at",
}


def of_database(database: ShopDatabase, table: str, **options: str) -> TableState:
    with database.source(**options).snapshot() as snapshot:
        return snapshot.state(table, NOW)


def test_a_database_tells_all_columns_of_a_table_with_their_types(
    shop_database: ShopDatabase,
) -> None:
    shop_database.create()
    before = of_database(shop_database, "orders").columns
    assert set(HEADER.split(",")) == set(before)
    shop_database.execute("alter table orders add column note varchar(20)")
    after = of_database(shop_database, "orders").columns
    assert set(after) - set(before) == {"note"}
    assert "20" in after["note"]


@pytest.mark.parametrize(
    ("zone", "kind", "last_of_now"),
    [
        ("UTC", "instant", "2024-03-10 13:00:00+00:00"),
        ("Europe/Berlin", "naive", "2024-03-10 14:00:00"),  # where it is one o'clock
    ],
)
def test_what_is_dated_more_than_an_hour_ahead_is_of_the_future(
    shop_database: ShopDatabase, zone: str, kind: str, last_of_now: str
) -> None:
    shop_database.create(orders_created_at=kind)
    moment = datetime.fromisoformat(last_of_now)
    times = [moment, moment + timedelta(seconds=1), moment + timedelta(days=4000)]
    for number, at in enumerate(times):
        shop_database.insert("orders", (number, None, 1, str(at)))
    found = of_database(shop_database, "orders", source_timezone=zone)
    assert found.future_rows == 2
    assert found.latest.startswith(f"{times[-1].date()}")


def test_who_signs_up_tomorrow_is_of_the_future(shop_database: ShopDatabase) -> None:
    shop_database.create()
    shop_database.insert("customers", (1, "", "north", "2024-03-10"))
    shop_database.insert("customers", (2, "", "north", "2024-03-11"))
    assert of_database(shop_database, "customers").future_rows == 1
    # There, it is the eleventh already.
    assert of_database(shop_database, "customers", timezone="Pacific/Auckland").future_rows == 0


def test_rows_before_the_start_and_rows_without_a_day_are_counted(
    shop_database: ShopDatabase,
) -> None:
    shop_database.create(orders_created_at="naive", payments_paid_at="naive")
    start = date(2024, 3, 1)
    times = [
        "0001-01-02 00:00:00",
        "1970-01-01 00:00:00",
        "2024-02-29 23:59:59",
        "2024-03-01",
        None,
    ]
    for number, at in enumerate(times):
        shop_database.insert("orders", (number, None, 1, at))
        shop_database.insert("payments", (number, number, 1, "paid", None))
    shop_database.insert("payments", (90, None, 1, "pending", None))
    shop_database.insert("payments", (91, 1, 1, "paid", "1970-01-01 00:00:00"))
    shop_database.insert("customers", (1, "", "north", "1970-01-01"))
    shop_database.insert("customers", (2, "", "north", None))
    with shop_database.source(start_date=start).snapshot() as snapshot:
        found = {table: snapshot.state(table, NOW) for table in HEADERS | {"orders": ""}}
    counts = {table: (state.early_rows, state.undated.rows) for table, state in found.items()}
    # A payment whose order has no day has none; one without an order is of the first day.
    assert counts == {"orders": (3, 1), "payments": (1, 1), "customers": (0, 0)}
    assert found["orders"].earliest.startswith("0001-01-02")


def of_files(folder: Path, table: str = "orders", **options: str) -> TableState:
    for name in ("customers", "payments"):
        if not any(folder.glob(f"{name}*")):
            (folder / f"{name}.csv").write_text(f"{HEADERS[name]}\n")
    settings = Settings.model_validate(
        {"_env_file": None, "source": folder.as_uri(), "start_date": date(2024, 3, 1)} | options
    )
    with open_source(settings).snapshot() as snapshot:
        return snapshot.state(table, NOW)


def test_a_file_tells_its_columns_and_the_days_that_are_to_come(tmp_path: Path) -> None:
    rows = "1,,1.00,2024-03-10 23:00:00,done,x\n2,,1.00,2024-03-11 00:00:00,done,x\n"
    (tmp_path / "orders.csv").write_text(f"{HEADER},note\n{rows}")
    found = of_files(tmp_path)
    assert found.columns == dict.fromkeys([*HEADER.split(","), "note"], "text")
    assert (found.future_rows, found.latest) == (1, "2024-03-11")


def test_rows_of_a_file_before_the_start_and_without_a_day_are_counted(tmp_path: Path) -> None:
    times = ["0001-01-01", "1970-01-01 00:00:00", "2024-02-29 23:59:59", "2024-03-01", "",
             "05/13/2024 10:00 x@example.invalid"]  # fmt: skip
    rows = "".join(f"{n},,1.00,{time},done\n" for n, time in enumerate(times))
    (tmp_path / "orders.csv").write_text(f"{HEADER}\n{rows}")
    found = of_files(tmp_path)
    assert (found.early_rows, found.earliest) == (3, "0001-01-01")
    assert (found.undated.rows, found.undated.example) == (2, "05/13/2024 10:00 [e-mail]")


@pytest.mark.parametrize(
    ("texts", "advice"),
    [
        (["2026-11-20 08:26:00 UTC"], "Set ECOM_SOURCE_TIMESTAMP_FORMAT=%Y-%m-%d %H:%M:%S %Z"),
        (["01/13/2026 8:26"], "Set ECOM_SOURCE_TIMESTAMP_FORMAT=%m/%d/%Y %H:%M"),
        (["01/12/2026"], "%m/%d/%Y or, where that is what they mean, %d/%m/%Y"),
        (["2026-11-20T08:26:00.1234567Z"], "%Y-%m-%dT%H:%M:%S.%n%z"),
        (["20 Nov 2026 08:26 AM+0100"], "Set ECOM_SOURCE_TIMESTAMP_FORMAT=%d %b %Y %I:%M %p%z"),
        (["11/20/2026 8:26 PM Etc/GMT+5"], "ECOM_SOURCE_TIMESTAMP_FORMAT=%m/%d/%Y %I:%M %p %Z"),
        (["soon", "later", "01/13/2026"], "Write them in ISO 8601, or their strptime pattern"),
        ([], "Give these rows a time in the source."),
    ],
)
def test_the_form_of_times_tells_the_setting_that_reads_them(texts: list[str], advice: str) -> None:
    assert advice in describe(3, texts, "", is_parquet=False).advice


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("%Y-%m-%d %H:%M:%S %Z", "2024-03-05 23:30:00 UTC"),
        ("%Y-%m-%dT%H:%M:%S.%n", "2024-03-05T23:30:00.1234567"),
        ("%Y-%m-%dT%H:%M:%S.%n%z", "2024-03-05T23:30:00.1234567Z"),
    ],
)
def test_what_the_advice_names_reads_the_times(tmp_path: Path, pattern: str, text: str) -> None:
    (tmp_path / "orders.csv").write_text(f"{HEADER}\n1,,1.00,{text},done\n")
    assert of_files(tmp_path).undated.rows == 1
    assert of_files(tmp_path, source_timestamp_format=pattern).undated.rows == 0


def test_day_folders_tell_the_columns_of_the_newest_day_that_is_not_to_come(tmp_path: Path) -> None:
    for day, columns in (("09", HEADER), ("10", f"{HEADER},note"), ("12", HEADER)):
        folder = tmp_path / f"orders/date=2024-03-{day}"
        folder.mkdir(parents=True)
        row = f"{day},,1.00,2024-03-{day} 10:00:00,done{',x' * columns.count('note')}\n"
        with closing(gzip.open(folder / "part.csv.gz", "wt")) as file:
            file.write(f"{columns}\n{row}")
    found = of_files(tmp_path)
    assert list(found.columns) == [*HEADER.split(","), "note"]
    assert (found.future_rows, found.latest) == (1, "2024-03-12")


def test_parquet_tells_its_types_and_a_broken_file_nothing(tmp_path: Path) -> None:
    frame = pd.DataFrame({name: ["2024-03-09"] for name in HEADER.split(",")} | {"id": [1]})
    frame.to_parquet(tmp_path / "orders.parquet")
    folder = tmp_path / "customers/date=2024-03-09"
    folder.mkdir(parents=True)
    (folder / "part.csv").write_text("id,region\n")
    assert of_files(tmp_path).columns["id"] == "int64"
    assert of_files(tmp_path, "customers").columns == {}
    (folder / "part.csv").rename(folder / "part.xls")
    assert of_files(tmp_path, "customers").columns == {}
