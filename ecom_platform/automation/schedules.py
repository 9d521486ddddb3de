"""The schedules: days at night, pages in the morning, housekeeping on Sundays.

Each night makes yesterday, and the days before it again: payments are paid, and rows arrive, when
their day is long over. A day that has not changed is not written again. A missed tick is made up
by the next one, as far as it looks back.
"""

from collections.abc import Iterator
from datetime import timedelta

import dagster as dg

from ecom_platform.automation.event_log import PRUNE_EVENT_LOG
from ecom_platform.automation.jobs import DAILY_REFRESH, MORNING_PAGES
from ecom_platform.automation.runs import busy_days, range_tags
from ecom_platform.calendar import contiguous_ranges, days_between
from ecom_platform.settings import Settings

DAILY_SCHEDULE, MORNING_SCHEDULE = "daily", "morning"

#: Late enough that the shop's own nightly work is over, early enough for the morning.
CRON = "15 2 * * *"
#: Before people come, and after days that failed at first had time to be made again.
MORNING = "30 6 * * *"
#: When nobody waits for anything.
SUNDAY = "0 12 * * 0"


def build_schedules(settings: Settings) -> list[dg.ScheduleDefinition]:
    """Build the schedules; they are off until somebody turns them on.

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

    morning = dg.ScheduleDefinition(
        name=MORNING_SCHEDULE,
        cron_schedule=MORNING,
        execution_timezone=settings.timezone,
        job_name=MORNING_PAGES,
        description="Makes the pages that people open, at 06:30.",
    )
    housekeeping = dg.ScheduleDefinition(
        name="housekeeping",
        cron_schedule=SUNDAY,
        execution_timezone=settings.timezone,
        job_name=PRUNE_EVENT_LOG,
        description="Keeps Dagster's database from growing for ever, on Sundays at noon.",
    )
    return [daily, morning, housekeeping]
