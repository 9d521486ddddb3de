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


def of_files(folder: Path, table: str = "orders") -> TableState:
    for name in ("customers", "payments"):
        if not any(folder.glob(f"{name}*")):
            (folder / f"{name}.csv").write_text(f"{HEADERS[name]}\n")
    settings = Settings(_env_file=None, source=folder.as_uri(), start_date=date(2024, 3, 1))
    with open_source(settings).snapshot() as snapshot:
        return snapshot.state(table, NOW)


def test_a_file_tells_its_columns_and_the_days_that_are_to_come(tmp_path: Path) -> None:
    rows = "1,,1.00,2024-03-10 23:00:00,done,x\n2,,1.00,2024-03-11 00:00:00,done,x\n"
    (tmp_path / "orders.csv").write_text(f"{HEADER},note\n{rows}")
    found = of_files(tmp_path)
    assert found.columns == dict.fromkeys([*HEADER.split(","), "note"], "text")
    assert (found.future_rows, found.latest) == (1, "2024-03-11")


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
