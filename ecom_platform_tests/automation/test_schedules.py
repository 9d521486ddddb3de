"""The daily schedule: which days it asks for, and when."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
from dagster._utils.schedules import schedule_execution_time_iterator

from ecom_platform.settings import Settings
from ecom_platform_tests.platform import open_platform

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ecom_platform_tests.platform import Platform

START = date(2026, 3, 1)


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    """Orders of every day of March, as files; the business is in Berlin."""
    shop = tmp_path / "shop"
    shop.mkdir()
    days = [f"2026-03-{day:02}" for day in range(1, 32)]
    (shop / "customers.csv").write_text("id,email,region,signup_date\n")
    (shop / "payments.csv").write_text("id,order_id,amount,status,paid_at\n")
    orders = [f"{n},,10.00,{day} 12:00:00,paid" for n, day in enumerate(days)]
    (shop / "orders.csv").write_text(
        "\n".join(["id,customer_id,total_amount,created_at,status", *orders])
    )
    settings = Settings(
        source=f"file://{shop}",  # pyright: ignore[reportArgumentType]
        lake=str(tmp_path / "lake"),
        start_date=START,
        timezone="Europe/Berlin",
        lookback_days=10,
    )
    with open_platform(settings) as opened:
        yield opened


def tick(platform: Platform, now: datetime) -> list[tuple[str, str]] | str:
    """Return the ranges that a tick asks for, or why it skips."""
    schedule = platform.definitions.resolve_schedule_def("daily")
    context = dg.build_schedule_context(platform.instance, scheduled_execution_time=now)
    data = schedule.evaluate_tick(context)
    if data.skip_message:
        return data.skip_message
    return [
        (
            request.tags["dagster/asset_partition_range_start"],
            request.tags["dagster/asset_partition_range_end"],
        )
        for request in data.run_requests or []
    ]


def at(day: int) -> datetime:
    return datetime(2026, 3, day, 2, 15, tzinfo=ZoneInfo("Europe/Berlin"))


def test_it_runs_at_a_quarter_past_two_business_time(platform: Platform) -> None:
    schedule = platform.definitions.resolve_schedule_def("daily")
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("15 2 * * *", "Europe/Berlin")
    # On the night without a 02:15, it still ticks once.
    ticks = schedule_execution_time_iterator(
        datetime(2026, 3, 28, tzinfo=UTC).timestamp(), "15 2 * * *", "Europe/Berlin"
    )
    assert [next(ticks).date().isoformat() for _ in range(3)] == [
        "2026-03-28",
        "2026-03-29",
        "2026-03-30",
    ]


def test_it_asks_for_yesterday_when_all_before_is_published(platform: Platform) -> None:
    result = platform.run(START, date(2026, 3, 4))
    assert platform.failures(result) == {}
    assert tick(platform, at(6)) == [("2026-03-05", "2026-03-05")]


def test_it_skips_when_nothing_is_missing(platform: Platform) -> None:
    assert platform.run(START, date(2026, 3, 4)).success
    assert tick(platform, at(5)) == "Every closed day from 2026-03-01 to 2026-03-04 is published."


def test_days_of_missed_ticks_are_one_range_for_each_gap(platform: Platform) -> None:
    assert platform.run(START, date(2026, 3, 2)).success
    assert platform.run(date(2026, 3, 5), date(2026, 3, 5)).success is False  # no look-back yet
    assert platform.run(date(2026, 3, 3), date(2026, 3, 3)).success
    assert tick(platform, at(8)) == [("2026-03-04", "2026-03-07")]


def test_it_looks_back_no_further_than_its_setting(platform: Platform) -> None:
    assert tick(platform, at(25)) == [("2026-03-15", "2026-03-24")]


def test_what_it_asks_for_publishes_the_day(platform: Platform) -> None:
    assert platform.run(START, date(2026, 3, 4)).success
    [(first, last)] = tick(platform, at(6))  # type: ignore[misc]
    assert platform.run(date.fromisoformat(str(first)), date.fromisoformat(str(last))).success
    assert platform.statuses("metrics/total_revenue", date(2026, 3, 5), date(2026, 3, 5)) == {
        "2026-03-05": "MATERIALIZED"
    }
