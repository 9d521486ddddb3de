"""Whether Dagster goes on: its runs, its schedules and sensors, its daemon."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import dagster as dg
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.scheduler.instigation import InstigatorStatus, TickStatus
from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES

from ecom_platform.findings import NOTE, OK, WRONG, Finding
from ecom_platform.privacy import redact

if TYPE_CHECKING:
    from collections.abc import Iterator

#: The daemon notes twice a minute that it is alive.
DAEMON_IS_LATE = timedelta(minutes=5)
#: Longer than these, a run is stuck; Dagster's run monitoring ends one after six hours.
WAITING_TOO_LONG, WORKING_TOO_LONG = timedelta(hours=2), timedelta(hours=5)
#: Runs that a finding names.
SHOWN = 5


def examine_runs(instance: dg.DagsterInstance, now: datetime) -> Iterator[Finding]:
    """Look at the runs of this day, and at those that are not over, and yield what is found."""
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


def examine_automation(instance: dg.DagsterInstance, now: datetime) -> Iterator[Finding]:
    """Look at schedules, sensors and the daemon, and yield what is found."""
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
