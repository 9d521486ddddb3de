"""The daily schedule: which days it asks for, and when."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
from dagster._utils.schedules import schedule_execution_time_iterator

from ecom_platform.settings import Settings
from ecom_platform_tests.platform import open_platform

if TYPE_CHECKING:
    from collections.abc import Iterator

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


def test_it_asks_for_yesterday_and_for_the_days_before_again(platform: Platform) -> None:
    assert tick(platform, at(2)) == [("2026-03-01", "2026-03-01")]
    assert platform.run(START, date(2026, 3, 4)).success
    assert tick(platform, at(6)) == [("2026-03-01", "2026-03-05")]


def test_days_that_a_run_is_working_on_are_left_to_it(platform: Platform) -> None:
    days = {
        "dagster/asset_partition_range_start": "2026-03-03",
        "dagster/asset_partition_range_end": "2026-03-04",
    }
    job = platform.definitions.resolve_job_def("daily_refresh")
    run = platform.instance.create_run_for_job(job, tags=days, status=dg.DagsterRunStatus.STARTED)
    assert tick(platform, at(6)) == [("2026-03-01", "2026-03-02"), ("2026-03-05", "2026-03-05")]
    platform.instance.report_run_canceled(run)
    assert tick(platform, at(6)) == [("2026-03-01", "2026-03-05")]


def test_it_looks_back_no_further_than_its_setting(platform: Platform) -> None:
    assert tick(platform, at(25)) == [("2026-03-15", "2026-03-24")]


def test_what_it_asks_for_finds_what_was_paid_since(platform: Platform) -> None:
    address = platform.settings.source
    assert address
    payments = Path(address.get_secret_value().removeprefix("file://")) / "payments.csv"
    header = "id,order_id,amount,status,paid_at\n"
    payments.write_text(f"{header}1,0,10.00,pending,\n")
    assert platform.run(START, START).success
    payments.write_text(f"{header}1,0,10.00,paid,2026-03-02 12:00:00\n")
    [(first, last)] = tick(platform, at(3))  # type: ignore[misc]
    assert platform.run(date.fromisoformat(str(first)), date.fromisoformat(str(last))).success
    assert platform.rows(
        "metrics/payment_status",
        "SELECT CAST(date AS VARCHAR), status, payments FROM dataset WHERE region = 'all'",
    ) == [("2026-03-02", "completed", 1)]
