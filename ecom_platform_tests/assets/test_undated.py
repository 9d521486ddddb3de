"""Rows of which no time can be read: the days that could hold them fail, and say what to set."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

import dagster as dg
import pytest

from ecom_platform.settings import SOURCE_COLUMNS, Settings
from ecom_platform_tests.pipeline import Pipeline, open_lake

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

FIRST = date(2026, 11, 1)
DAYS = [FIRST + timedelta(days=n) for n in range(4)]
US = "%m/%d/%Y %I:%M %p"


@pytest.fixture(scope="module")
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as opened:
        yield opened


def write(folder: Path, days: list[date], form: Callable[[date], str], **forms: str) -> Settings:
    """Write a shop of ten orders a day; `forms` are strptime patterns of a table's times."""
    lines = {table: [",".join(SOURCE_COLUMNS[table])] for table in SOURCE_COLUMNS}
    for day in days:
        for n in range(10):
            id_, time = f"{day:%d}{n}", form(day)
            signup, paid = (
                f"{day:{forms[table]}}" if table in forms else time
                for table in ("customers", "payments")
            )
            lines["customers"].append(f"{id_},{id_}@example.invalid,north,{signup}")
            lines["orders"].append(f"{id_},{id_},10.00,{time},done")
            lines["payments"].append(f"{id_},{id_},10.00,paid,{paid}")
    for table, rows in lines.items():
        (folder / f"{table}.csv").write_text("\n".join(rows) + "\n")
    return Settings(
        _env_file=None,
        source=folder.as_uri(),
        lake=str(folder / "lake"),
        start_date=FIRST,
        email_hmac_key="k" * 32,
    )


def iso(day: date) -> str:
    return f"{day} 14:00:00"


def american(day: date) -> str:
    return f"{day:%m/%d/%Y} 2:00 PM"


def failed(found: dict[str, str], dataset: str) -> list[str]:
    return sorted(name.split()[1] for name in found if name.startswith(f"{dataset} "))


def test_a_table_that_cannot_be_read_publishes_no_day_and_names_the_setting_to_add(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    settings = write(tmp_path, DAYS, american)
    for _ in range(2):  # it does not get used to it
        found = Pipeline(settings, instance).run(DAYS[1], DAYS[2])
        for table in SOURCE_COLUMNS:
            assert failed(found, f"raw/{table}") == [str(day) for day in DAYS[1:3]]
    reason = found[f"raw/orders {DAYS[1]}"]
    assert "40 rows of the table orders have no readable created_at" in reason
    assert "such as `11/01/2026 2:00 PM`" in reason
    assert f"Set ECOM_SOURCE_TIMESTAMP_FORMAT={US}" in reason
    assert not [*(tmp_path / "lake").glob("*/*/date=*")]

    readable = settings.model_copy(update={"source_timestamp_format": US})
    assert Pipeline(readable, instance).run(DAYS[0], DAYS[-1]) == {}
    with open_lake(readable, ["metrics/total_revenue"], DAYS[2], DAYS[2]) as lake:
        query = "SELECT total_revenue FROM metrics.total_revenue WHERE region = 'all'"
        assert lake.execute(query).fetchall() == [(100,)]


def test_a_shop_that_changes_its_export_fails_from_that_day_on_and_only_there(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    settings = write(tmp_path, DAYS[:3], iso)
    assert Pipeline(settings, instance).run(DAYS[0], DAYS[2]) == {}
    changed = DAYS[3]
    write(tmp_path, DAYS, lambda day: american(day) if day == changed else iso(day))
    # A night that looks back, but not to the first day.
    found = Pipeline(settings, instance).run(DAYS[1], DAYS[3])
    for layer in ("raw", "cleaned", "quarantine"):
        for table in ("orders", "customers"):
            expected = [str(changed)] if layer != "quarantine" else []
            assert failed(found, f"{layer}/{table}") == expected
    with open_lake(settings, ["metrics/total_orders"], DAYS[0], DAYS[3]) as lake:
        query = "SELECT date, total_orders FROM metrics.total_orders WHERE region = 'all'"
        assert sorted(lake.execute(query).fetchall()) == [(day, 10) for day in DAYS[:3]]


def test_one_table_that_cannot_be_read_fails_alone(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    settings = write(tmp_path, DAYS, iso, customers="%d of %B")
    found = Pipeline(settings, instance).run(DAYS[0], DAYS[-1])
    assert failed(found, "raw/customers") == [str(day) for day in DAYS]
    assert "or their strptime pattern" in found[f"raw/customers {FIRST}"]
    assert failed(found, "metrics/total_orders") == []


def test_days_of_a_few_rows_each_of_them_bad_fail_together(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    settings = write(tmp_path, [], iso)
    for table, columns in SOURCE_COLUMNS.items():
        (tmp_path / f"{table}.csv").unlink()
        for n, day in enumerate(DAYS):
            folder = tmp_path / table / f"date={day}"
            folder.mkdir(parents=True)
            row = f"{n},{n},10.00,{american(day)},done\n" * (table == "orders")
            rows = [row, row.replace("10.00", "9.00").replace(f"{n},", f"{n}x,", 1)]
            (folder / "part.csv").write_text(f"{','.join(columns)}\n{''.join(rows)}")
    found = Pipeline(settings, instance).run(DAYS[0], DAYS[-1])
    assert failed(found, "cleaned/orders") == [str(day) for day in DAYS]
    assert "8 of the run's 8 rows would be quarantined" in found[f"cleaned/orders {FIRST}"]
