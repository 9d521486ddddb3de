"""The daily schedule: yesterday, and every earlier closed day that is not there yet.

A missed tick is made up by the next one, each day once: what counts is which days are
published, not which ticks happened.
"""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta

import dagster as dg
from dagster._core.storage.partition_status_cache import AssetPartitionStatus

from ecom_platform.automation.jobs import DAILY_REFRESH
from ecom_platform.calendar import contiguous_ranges, days_between
from ecom_platform.datasets import Dataset
from ecom_platform.settings import Settings

DAILY_SCHEDULE = "daily"

#: Late enough that the shop's own nightly work is over, early enough for the morning.
CRON = "15 2 * * *"


def build_schedules(settings: Settings, datasets: Sequence[Dataset]) -> list[dg.ScheduleDefinition]:
    """Build the schedule; it is off until somebody turns it on.

    Args:
        settings: For the calendar, and how far to look back.
        datasets: Those of which every day must be published.
    """
    keys = [dg.AssetKey(dataset.path.split("/")) for dataset in datasets]

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
        missing = _unpublished(context.instance, settings, keys, oldest, newest)
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


def _unpublished(
    instance: dg.DagsterInstance,
    settings: Settings,
    keys: Sequence[dg.AssetKey],
    oldest: date,
    newest: date,
) -> list[date]:
    """Return the days that some asset lacks, or failed at, and that no run is working on."""
    days = list(days_between(oldest, newest))
    names = [day.isoformat() for day in days]
    partitions = settings.calendar.partitions
    wanted: set[str] = set()
    busy: set[str] = set()
    for key in keys:
        statuses = instance.get_status_by_partition(key, names, partitions) or {}
        for name in names:
            status = statuses.get(name)
            if status is AssetPartitionStatus.IN_PROGRESS:
                busy.add(name)
            elif status is not AssetPartitionStatus.MATERIALIZED:
                wanted.add(name)
    return [day for day in days if day.isoformat() in wanted - busy]
