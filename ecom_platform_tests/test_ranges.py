"""A range of days with bad ones among them: what is published, what stays, what is said."""

from __future__ import annotations

import re
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ecom_platform.settings import Settings
from ecom_platform_tests.platform import open_platform

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ecom_platform_tests.platform import Platform

FIRST, LAST = date(2026, 3, 1), date(2026, 3, 12)
DAYS = [FIRST + timedelta(days=offset) for offset in range(12)]
#: Its orders have no ids, so that too many rows would be quarantined; its file is cut.
ALL_DIRTY, BROKEN = date(2026, 3, 5), date(2026, 3, 9)
HEADERS = {
    "orders": "id,customer_id,total_amount,created_at,status",
    "customers": "id,email,region,signup_date",
    "payments": "id,order_id,amount,status,paid_at",
}
ROWS = 8


def write_day(shop: Path, day: date, amount: str) -> None:
    """Write the three files of a day: eight orders, each paid at once."""
    numbers = [f"{day:%m%d}{n}" for n in range(ROWS)]
    rows = {
        "orders": [f"o{n},c{n[-1]},{amount},{day}T12:00:00,paid" for n in numbers],
        "customers": [f"c{n},c{n}@example.invalid,EU,{day}" for n in range(ROWS)]
        if day == FIRST
        else [],
        "payments": [f"p{n},o{n},{amount},paid,{day}T12:05:00" for n in numbers],
    }
    for table, lines in rows.items():
        folder = shop / table / f"date={day}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "part.csv").write_text("\n".join([HEADERS[table], *lines]) + "\n")


def spoil(shop: Path, day: date) -> None:
    """Leave orders without an id, and payments without an amount."""
    write_day(shop, day, "twenty")
    file = shop / "orders" / f"date={day}" / "part.csv"
    file.write_text(re.sub(r"^o\d+", "", file.read_text(), flags=re.MULTILINE))


def cut(shop: Path, day: date) -> None:
    """Leave the orders' file of a day in the middle of a row."""
    file = shop / "orders" / f"date={day}" / "part.csv"
    file.write_text(file.read_text()[:-20])


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """Twelve good days."""
    folder = tmp_path / "shop"
    for day in DAYS:
        write_day(folder, day, "10.00")
    return folder


@pytest.fixture
def platform(tmp_path: Path, shop: Path) -> Iterator[Platform]:
    settings = Settings(
        source=f"file://{shop}",  # pyright: ignore[reportArgumentType]
        lake=str(tmp_path / "lake"),
        start_date=FIRST,
        retention_days=5,
    )
    with open_platform(settings) as opened:
        yield opened


def objects(platform: Platform, dataset: str) -> dict[str, bytes]:
    """Return day -> the bytes of its partition."""
    folder = Path(platform.settings.lake) / dataset
    return {file.parent.name[5:]: file.read_bytes() for file in folder.glob("*/data.parquet")}


def revenue(platform: Platform) -> dict[str, str]:
    rows = platform.rows(
        "metrics/total_revenue",
        "SELECT CAST(date AS VARCHAR), CAST(total_revenue AS VARCHAR) FROM dataset "
        "WHERE region = 'all'",
    )
    return dict(rows)


def test_two_bad_days_of_twelve_are_failed_and_keep_what_they_had(
    platform: Platform, shop: Path
) -> None:
    assert platform.failures(platform.run(FIRST, LAST)) == {}
    before = {name: objects(platform, name) for name in ("raw/orders", "cleaned/orders")}
    for day in DAYS:
        write_day(shop, day, "20.00")
    spoil(shop, ALL_DIRTY)
    cut(shop, BROKEN)

    failures = platform.failures(platform.run(FIRST, LAST))

    bad = {"raw/orders": {BROKEN}, "cleaned/orders": {ALL_DIRTY, BROKEN}}
    for dataset, days in bad.items():
        assert platform.statuses(dataset, FIRST, LAST) == {
            str(day): "FAILED" if day in days else "MATERIALIZED" for day in DAYS
        }
        after = objects(platform, dataset)
        unchanged = {day for day in after if after[day] == before[dataset][day]}
        assert unchanged == {str(day) for day in days}
    # The metrics of the ten good days are new; those of the bad days, whose payments have lost
    # their orders, are what they were.
    assert revenue(platform) == {
        str(day): "80.00" if day in (ALL_DIRTY, BROKEN) else "160.00" for day in DAYS
    }
    assert platform.statuses("metrics/total_orders", FIRST, LAST) == {
        str(day): "FAILED" if day in (ALL_DIRTY, BROKEN) else "MATERIALIZED" for day in DAYS
    }
    assert failures["raw__orders"].startswith("1 of 12 days of raw/orders were not published")
    assert f"{BROKEN}: " in failures["raw__orders"]
    assert "part.csv" in failures["raw__orders"]
    assert f"{ALL_DIRTY}: 8 of 8 rows would be quarantined" in failures["clean_orders"]
    assert f"{BROKEN}: raw/orders of this day failed in this run" in failures["clean_orders"]


def test_running_the_repaired_days_again_repairs_exactly_them(
    platform: Platform, shop: Path
) -> None:
    spoil(shop, ALL_DIRTY)
    cut(shop, BROKEN)
    assert not platform.run(FIRST, LAST).success
    assert set(platform.statuses("cleaned/orders", FIRST, LAST).values()) == {
        "MATERIALIZED",
        "FAILED",
    }
    good = objects(platform, "cleaned/orders")
    write_day(shop, ALL_DIRTY, "10.00")
    write_day(shop, BROKEN, "10.00")
    for day in (ALL_DIRTY, BROKEN):
        platform.run(day, day, "raw/orders", "cleaned/orders", "quarantine/orders")
    assert set(platform.statuses("cleaned/orders", FIRST, LAST).values()) == {"MATERIALIZED"}
    assert platform.failures(platform.run(ALL_DIRTY, LAST)) == {}  # what needs them, too
    for dataset in ("raw/orders", "cleaned/payments", "metrics/customer_retention_rate"):
        assert set(platform.statuses(dataset, FIRST, LAST).values()) == {"MATERIALIZED"}
    now = objects(platform, "cleaned/orders")
    assert {day for day in now if now[day] != good.get(day)} == {str(ALL_DIRTY), str(BROKEN)}
    assert revenue(platform) == dict.fromkeys(map(str, DAYS), "80.00")


def test_a_range_of_bad_days_only_publishes_nothing(platform: Platform, shop: Path) -> None:
    for day in DAYS[:3]:
        spoil(shop, day)
    failures = platform.failures(platform.run(DAYS[0], DAYS[2]))
    assert failures["clean_orders"].startswith("3 of 3 days of cleaned/orders were not published")
    assert objects(platform, "cleaned/orders") == {}
    assert set(platform.statuses("raw/orders", DAYS[0], DAYS[2]).values()) == {"MATERIALIZED"}
    assert set(platform.statuses("metrics/total_orders", DAYS[0], DAYS[2]).values()) == {"FAILED"}
