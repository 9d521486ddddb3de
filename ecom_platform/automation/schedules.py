"""The daily schedule: yesterday, and the days before it again.

Payments are paid, and rows arrive, when their day is long over. A day that has not changed is
not written again. A missed tick is made up by the next one, as far as it looks back.
"""

from collections.abc import Iterator
from datetime import date, timedelta

import dagster as dg
from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    PARTITION_NAME_TAG,
)

from ecom_platform.automation.jobs import DAILY_REFRESH
from ecom_platform.calendar import contiguous_ranges, days_between
from ecom_platform.lake.ledger import CAUSE_TAG, LATE_DATA
from ecom_platform.settings import Settings

DAILY_SCHEDULE = "daily"

#: Late enough that the shop's own nightly work is over, early enough for the morning.
CRON = "15 2 * * *"


def build_schedules(settings: Settings) -> list[dg.ScheduleDefinition]:
    """Build the schedule; it is off until somebody turns it on.

    Args:
        settings: For the calendar, and how far to look back.
    """

    @dg.schedule(
        name=DAILY_SCHEDULE,
        cron_schedule=CRON,
        execution_timezone=settings.timezone,
        job_name=DAILY_REFRESH,
        description=f"Makes yesterday at 02:15, and the closed days before it again, "
        f"{settings.lookback_days} in all.",
    )
    def daily(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        newest = settings.calendar.last_closed(context.scheduled_execution_time)
        oldest = max(settings.start_date, newest - timedelta(days=settings.lookback_days - 1))
        busy = busy_days(context.instance)
        days = [day for day in days_between(oldest, newest) if day not in busy]
        if not days:
            yield dg.SkipReason(f"Runs are at work on all days from {oldest} to {newest}.")
        for first, last in contiguous_ranges(days):
            yield dg.RunRequest(
                # The tick is part of it: keys count for ever, and a day may fail twice.
                run_key=f"{context.scheduled_execution_time:%Y-%m-%dT%H:%M}/{first}/{last}",
                tags=range_tags(first, last),
            )

    return [daily]


def range_tags(first: date, last: date) -> dict[str, str]:
    """Return the tags of a run over a range that is there because data came late."""
    return {
        ASSET_PARTITION_RANGE_START_TAG: first.isoformat(),
        ASSET_PARTITION_RANGE_END_TAG: last.isoformat(),
        CAUSE_TAG: LATE_DATA,
    }


def busy_days(instance: dg.DagsterInstance) -> set[date]:
    """Return the days that a run is working on, or waits to."""
    busy: set[date] = set()
    for run in instance.get_runs(dg.RunsFilter(statuses=list(NOT_FINISHED_STATUSES))):
        day = run.tags.get(PARTITION_NAME_TAG)
        first = run.tags.get(ASSET_PARTITION_RANGE_START_TAG, day)
        last = run.tags.get(ASSET_PARTITION_RANGE_END_TAG, day)
        if first and last:
            busy.update(days_between(date.fromisoformat(first), date.fromisoformat(last)))
    return busy
