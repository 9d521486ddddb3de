"""Whether everything goes on as it should: days, runs, schedules and sensors, the daemon.

What the numbers say is the checks' to judge; here is whether they are made at all.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import dagster as dg
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.scheduler.instigation import InstigatorStatus, TickStatus
from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES
from dagster._core.storage.partition_status_cache import AssetPartitionStatus

from ecom_platform.calendar import contiguous_ranges, days_between
from ecom_platform.findings import NOTE, OK, WRONG, Finding
from ecom_platform.freshness import PAGE_DUE_AFTER, newest_due
from ecom_platform.incidents.model import Severity
from ecom_platform.incidents.store import IncidentStore
from ecom_platform.lake.pages import PAGES
from ecom_platform.lake.storage import open_storage
from ecom_platform.privacy import redact
from ecom_platform.scratch import scratch_folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ecom_platform.datasets import Dataset
    from ecom_platform.settings import Settings

#: The daemon notes twice a minute that it is alive.
DAEMON_IS_LATE = timedelta(minutes=5)
#: Longer than these, a run is stuck; Dagster's run monitoring ends one after six hours.
WAITING_TOO_LONG, WORKING_TOO_LONG = timedelta(hours=2), timedelta(hours=5)
#: Ranges of days that a finding spells out.
SHOWN = 5


def missing_days(settings: Settings, datasets: Sequence[Dataset], now: datetime) -> set[date]:
    """Return the days that should be published by now, and of which a dataset is not.

    Raises:
        LakeError: The lake cannot be read.
    """
    due = list(days_between(settings.start_date, newest_due(settings, now)))
    storage = open_storage(settings.lake)
    missing: set[date] = set()
    for dataset in datasets:
        stored = storage.etags(dataset.path)
        missing |= {day for day in due if dataset.object_path(day.isoformat()) not in stored}
    return missing


def examine_health(
    settings: Settings, datasets: Sequence[Dataset], instance: dg.DagsterInstance, now: datetime
) -> Iterator[Finding]:
    """Look at everything, and yield what is found.

    Args:
        settings: Of the environment.
        datasets: What every day is to have in the lake.
        instance: Dagster's.
        now: The moment, aware.

    Raises:
        LakeError: The lake cannot be read.
    """
    yield from _days(settings, datasets, instance, now)
    yield from _pages(settings, now)
    yield from _incidents(settings)
    yield from _runs(instance, now)
    yield from _automation(instance, now)


def _days(
    settings: Settings, datasets: Sequence[Dataset], instance: dg.DagsterInstance, now: datetime
) -> Iterator[Finding]:
    newest = newest_due(settings, now)
    if newest < settings.start_date:
        yield Finding(OK, "days", "no day is due yet")
        return
    due = list(days_between(settings.start_date, newest))
    missing = missing_days(settings, datasets, now)
    if missing:
        complete = max(set(due) - missing, default=None)
        late = f"; the newest complete one is {complete or 'none'}" if newest in missing else ""
        yield Finding(
            WRONG,
            "days",
            f"{len(missing)} of {len(due)} days are not complete: {_listed(missing)}{late}",
            f"Run: ecom run --from {min(missing)} --to {max(missing)}",
        )
    else:
        yield Finding(OK, "days", f"all {len(due)} days up to {newest} are published")
    failed = _failed_days(settings, datasets, instance, due)
    if failed:
        yield Finding(
            WRONG,
            "last attempts",
            f"{len(failed)} days failed when they were last made, and show what they had before: "
            f"{_listed(failed)}",
            "Dagster says at the asset why; mend it, and run these days again.",
        )


def _failed_days(
    settings: Settings, datasets: Sequence[Dataset], instance: dg.DagsterInstance, due: list[date]
) -> set[date]:
    names, partitions = [day.isoformat() for day in due], settings.calendar.partitions
    failed: set[date] = set()
    for dataset in datasets:
        key = dg.AssetKey(dataset.path.split("/"))
        statuses = instance.get_status_by_partition(key, names, partitions) or {}
        failed |= {
            date.fromisoformat(name)
            for name, status in statuses.items()
            if status is AssetPartitionStatus.FAILED
        }
    return failed


def _listed(days: Iterable[date]) -> str:
    ranges = contiguous_ranges(sorted(days))
    shown = [f"{a} to {b}" if a != b else str(a) for a, b in ranges[-SHOWN:]]
    return ("… " if len(ranges) > SHOWN else "") + ", ".join(shown)


def _pages(settings: Settings, now: datetime) -> Iterator[Finding]:
    storage, due = open_storage(settings.pages), newest_due(settings, now, PAGE_DUE_AFTER)
    for page in PAGES:
        day = page.day(storage)
        if day:
            late = settings.start_date <= due and day < str(due)
            advice = "Materialize it, and see why the schedule `morning` did not." if late else ""
            yield Finding(WRONG if late else OK, "pages", f"{page.asset} is of {day}", advice)
        else:
            yield Finding(
                NOTE,
                "pages",
                f"{page.asset} was never made",
                "Turn on the schedule `morning` in Dagster, under Automation.",
            )


def _incidents(settings: Settings) -> Iterator[Finding]:
    with scratch_folder() as scratch:
        found = IncidentStore(open_storage(settings.lake), scratch).read().incidents
    errors = [one for one in found if one.severity is Severity.ERROR and not one.acknowledged]
    if not found:
        yield Finding(OK, "incidents", "none is open")
        return
    # What nobody looks after comes first.
    shown = sorted(found, key=lambda one: one not in errors)[:SHOWN]
    listed = "; ".join(f"{one.id}: {one.asset} {one.check}" for one in shown)
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    yield Finding(
        WRONG if errors else NOTE,
        "incidents",
        f"{len(found)} open, {len(errors)} of them errors that nobody looks after: {listed}{more}",
        "Run: ecom incidents list",
    )


def _runs(instance: dg.DagsterInstance, now: datetime) -> Iterator[Finding]:
    stuck: list[str] = []
    records = instance.get_run_records(dg.RunsFilter(statuses=list(NOT_FINISHED_STATUSES)))
    for record in records:
        began = record.start_time
        since = datetime.fromtimestamp(began, UTC) if began else record.create_timestamp
        age = now - since.astimezone(UTC)
        if age > (WORKING_TOO_LONG if began else WAITING_TOO_LONG):
            doing = "at work" if began else "waiting"
            stuck.append(
                f"{record.dagster_run.run_id[:8]}, {doing} for {age // timedelta(hours=1)} h"
            )
    if stuck:
        yield Finding(
            WRONG,
            "runs",
            f"stuck: {', '.join(stuck[:SHOWN])}{' …' if stuck[SHOWN:] else ''}",
            "Look at them in Dagster, under Runs; terminate what does not go on.",
        )
    yesterday = dg.RunsFilter(
        statuses=[dg.DagsterRunStatus.FAILURE], updated_after=now - timedelta(days=1)
    )
    failed = instance.get_runs_count(yesterday)
    yield Finding(
        NOTE if failed else OK,
        "runs",
        f"{len(records) - len(stuck)} in progress; {failed} failed in the last 24 hours",
    )


def _automation(instance: dg.DagsterInstance, now: datetime) -> Iterator[Finding]:
    states = instance.all_instigator_state()
    running = [
        state
        for state in states
        if state.status in (InstigatorStatus.RUNNING, InstigatorStatus.DECLARED_IN_CODE)
    ]
    for state in running:
        kind = "schedule" if state.instigator_type is InstigatorType.SCHEDULE else "sensor"
        ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=1)
        if ticks and ticks[0].status is TickStatus.FAILURE:
            error = ticks[0].tick_data.error
            yield Finding(
                WRONG,
                "automation",
                f"the last tick of the {kind} {state.instigator_name} failed: "
                f"{redact(error.message.strip()) if error else 'no reason is known'}",
                "Dagster has its log, under Automation.",
            )
    names = ", ".join(sorted(state.instigator_name for state in running))
    if not names:
        yield Finding(
            NOTE,
            "automation",
            "no schedule and no sensor is on: days are made when somebody runs them",
            "Turn on the schedule `daily` in Dagster, under Automation.",
        )
        return
    yield Finding(OK, "automation", f"on: {names}")
    yield from _daemon(instance, now)


def _daemon(instance: dg.DagsterInstance, now: datetime) -> Iterator[Finding]:
    beats = [
        status.last_heartbeat.timestamp if status.last_heartbeat else 0.0
        for status in instance.get_daemon_statuses().values()
        if status.required
    ]
    oldest = datetime.fromtimestamp(min(beats, default=0.0), UTC)
    if now - oldest <= DAEMON_IS_LATE:
        yield Finding(OK, "daemon", "alive")
        return
    since = f"since {oldest:%Y-%m-%d %H:%M} UTC" if min(beats, default=0.0) else "at all"
    yield Finding(
        WRONG,
        "daemon",
        f"Dagster's daemon, or a part of it, was not heard of {since}: nothing is scheduled, "
        "sensed or alerted",
        "Start dagster-daemon run, and look why it stopped.",
    )
