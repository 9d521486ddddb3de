"""The daily schedule: yesterday, and every earlier closed day that is not there yet.

A missed tick is made up by the next one, each day once: what counts is which days are
published, not which ticks happened.
"""

from collections.abc import Iterator
from datetime import date, timedelta

import dagster as dg

from ecom_platform.automation.jobs import DAILY_REFRESH
from ecom_platform.calendar import contiguous_ranges
from ecom_platform.datasets import RAW_ORDERS
from ecom_platform.settings import Settings

DAILY_SCHEDULE = "daily"

#: Late enough that the shop's own nightly work is over, early enough for the morning.
CRON = "15 2 * * *"


def build_schedules(settings: Settings) -> list[dg.ScheduleDefinition]:
    """Build the schedule; it is off until somebody turns it on."""

    @dg.schedule(
        name=DAILY_SCHEDULE,
        cron_schedule=CRON,
        execution_timezone=settings.timezone,
        job_name=DAILY_REFRESH,
        description="Makes yesterday at 02:15, and each of the last "
        f"{settings.lookback_days} closed days that was never published or has failed.",
    )
    def daily(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        newest = settings.calendar.last_closed(context.scheduled_execution_time)
        oldest = max(settings.start_date, newest - timedelta(days=settings.lookback_days - 1))
        missing = _unpublished(context.instance, settings, oldest, newest)
        if not missing:
            yield dg.SkipReason(f"Every closed day from {oldest} to {newest} is published.")
        for first, last in contiguous_ranges(missing):
            yield dg.RunRequest(
                # The tick is part of it: keys count for ever, and a day may fail twice.
                run_key=f"{context.scheduled_execution_time:%Y-%m-%dT%H:%M}/{first}/{last}",
                tags={
                    "dagster/asset_partition_range_start": first.isoformat(),
                    "dagster/asset_partition_range_end": last.isoformat(),
                },
            )

    return [daily]
