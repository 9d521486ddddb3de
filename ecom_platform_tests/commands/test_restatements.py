"""`ecom restatements`, and `ecom show --as-of`: what was published, and what became of it."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from ecom_platform.settings import load_settings
from ecom_platform_tests.commands.lake import publish

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ecom_platform_tests.commands.harness import Done

    Call = Callable[..., Done]

DAY = date(2024, 3, 1)
DAYS = ("--from", "2024-03-01", "--to", "2024-03-01")


def revenue(region: str, amount: str, day: date = DAY) -> dict[str, Any]:
    return {"date": day, "region": region, "total_revenue": amount}


@pytest.fixture
def before_the_change(lake: Path) -> str:
    """Publish revenue and change it; return a moment in between, without a zone."""
    del lake
    rows = revenue("North", "10.10"), revenue("all", "10.10")
    publish("metrics/total_revenue", *rows, days=[DAY])
    between = datetime.now(UTC)
    publish("metrics/total_revenue", revenue("South", "7"), revenue("all", "7"), days=[DAY])
    return between.astimezone(load_settings().calendar.zone).replace(tzinfo=None).isoformat()


def amounts(done: Done) -> dict[str, Decimal]:
    rows = json.loads(done.out, parse_float=Decimal)
    return {row["region"]: row["total_revenue"] for row in rows}


@pytest.mark.usefixtures("clean_environment")
@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata"])
def test_a_metric_is_shown_as_it_was_published_at_a_moment(
    command: Call, before_the_change: str, zone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = ("show", "total_revenue", *DAYS, "--format", "json")
    assert amounts(command(*shown)) == {"all": 7, "South": 7}
    then = command(*shown, "--as-of", before_the_change)
    assert amounts(then) == {"all": Decimal("10.10"), "North": Decimal("10.10")}
    monkeypatch.setenv("ECOM_TIMEZONE", zone)
    aware = command(*shown, "--as-of", f"{before_the_change}+00:00")
    assert amounts(aware) == amounts(then)


@pytest.mark.usefixtures("before_the_change")
def test_a_day_that_was_not_published_yet_is_missing(command: Call) -> None:
    long_ago = (datetime.now(UTC) - timedelta(days=1)).isoformat()
    done = command("show", "total_revenue", *DAYS, "--as-of", long_ago)
    assert done.code == 2
    assert "2024-03-01" in done.err


@pytest.mark.usefixtures("before_the_change")
def test_every_changed_value_is_listed_with_what_it_was_when_and_why(command: Call) -> None:
    done = command("restatements", "--metric", "total_revenue", *DAYS, "--format", "csv")
    assert done.code == 0
    rows = list(csv.DictReader(io.StringIO(done.out)))
    shown = ("region", "column", "old", "new", "change")
    assert [[row[name] for name in shown] for row in rows] == [
        ["North", "total_revenue", "10.10", "", "removed"],
        ["South", "total_revenue", "", "7.00", "added"],
        ["all", "total_revenue", "10.10", "7.00", "changed"],
    ]  # fmt: skip
    assert {(row["metric"], row["date"], row["settled"], row["cause"]) for row in rows} == {
        ("total_revenue", "2024-03-01", "yes", "backfill")
    }
    assert all(row["replaced_at"] < row["published_at"] for row in rows)


@pytest.mark.usefixtures("before_the_change")
def test_without_a_metric_and_days_all_of_them_are_listed(command: Call) -> None:
    table = command("restatements").out
    assert table.count("2024-03-01") == 3
    other = command("restatements", "--metric", "total_orders", "--format", "json")
    assert json.loads(other.out) == []


def test_a_metric_that_does_not_exist_is_refused(command: Call) -> None:
    done = command("restatements", "--metric", "sales")
    assert done.code == 1
    assert "There is no metric sales." in done.err


def test_a_moment_that_is_none_is_refused(command: Call) -> None:
    done = command("show", "total_revenue", *DAYS, "--as-of", "yesterday")
    assert done.code == 1
    assert "2024-03-09T07:30" in done.err
