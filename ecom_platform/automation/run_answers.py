"""What a finished run says: which checks passed, which days were published, and what else failed.

Every run is read by its own events. What asset sensors and check summaries show is the newest
answer only, in which an older day that fails is hidden by a newer one that passes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import dagster as dg

from ecom_platform.automation.catalog import path_of
from ecom_platform.automation.runs import days_of
from ecom_platform.freshness import FRESH
from ecom_platform.incidents.model import NO_DAY, PUBLISHED, About, Fact, Observation, Severity
from ecom_platform.lake.events import LEDGER, SETTLED_VALUES, bad_days_of
from ecom_platform.quality.checks import REGIONS, SEVERITY

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ecom_platform.automation.catalog import Catalog

#: What Dagster itself marks a failed run with that it will run again.
WILL_RETRY = "dagster/will_retry"
FINISHED, SETTLED = "is_finished", "settled_numbers_changed"

_SEVERITY = {"ERROR": Severity.ERROR, "WARN": Severity.WARN}
_CHECKED = dg.DagsterEventType.ASSET_CHECK_EVALUATION
_MADE = dg.DagsterEventType.ASSET_MATERIALIZATION
_PLANNED = dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED
_STEP_FAILED = dg.DagsterEventType.STEP_FAILURE
_RUN_FAILED = dg.DagsterEventType.RUN_FAILURE


def read_run(
    instance: dg.DagsterInstance, run: dg.DagsterRun, catalog: Catalog
) -> list[Observation]:
    """Return what a finished run says, in the order in which it was seen.

    Of a run that Dagster will run again, its failures are left to the next one.
    """
    records = instance.get_records_for_run(
        run.run_id, of_type={_CHECKED, _MADE, _PLANNED, _STEP_FAILED, _RUN_FAILED}
    ).records
    found: list[Observation] = []
    for record in records:
        if record.event_type is _CHECKED:
            found += _answers(record, catalog)
        elif record.event_type is _MADE:
            found += _made(record, catalog)
    failed = run.status is dg.DagsterRunStatus.FAILURE
    if failed and run.tags.get(WILL_RETRY) != "true":
        found += _failures(run, records, catalog)
    elif run.status is dg.DagsterRunStatus.SUCCESS and records:
        at = _at(records[-1])
        found += [_finished(run, day, at, passed=True) for day in days_of(run.tags) or [NO_DAY]]
    return sorted(found, key=lambda seen: seen.at)


def _answers(record: dg.EventLogRecord, catalog: Catalog) -> Iterator[Observation]:
    event = record.event_log_entry.get_dagster_event()
    answer = event.asset_check_evaluation_data
    if answer.check_name == FRESH:  # days that are late are told of by the sensor `health`
        return
    metadata = {name: entry.value for name, entry in answer.metadata.items()}
    regions = metadata.pop(REGIONS, {})
    about = catalog.check(answer)
    runbook = metadata.pop("runbook", None)
    seen = Observation(
        check=answer.check_name,
        asset=path_of(answer.asset_key),
        day=answer.partition or NO_DAY,
        passed=answer.passed,
        at=_at(record),
        severity=_SEVERITY[answer.severity.value],
        run=record.run_id,
        reason=answer.description or "",
        facts=_facts(metadata),
        about=replace(about, runbook=str(runbook)) if runbook else about,
    )
    if not isinstance(regions, Mapping) or not regions or answer.passed:
        yield seen
        return
    # The regions that are not named are well, and so is what was said of no region.
    yield replace(seen, passed=True, but=frozenset(map(str, regions)))
    for region, facts in regions.items():
        told = _facts(facts) if isinstance(facts, Mapping) else {}
        severity = _SEVERITY.get(str(told.pop(SEVERITY, "")), seen.severity)
        yield replace(seen, region=str(region), severity=severity, facts=told)


def _facts(values: Mapping[Any, Any]) -> dict[str, Fact]:
    return {
        str(name): value if isinstance(value, int | float) else str(value)
        for name, value in values.items()
        if isinstance(value, int | float | str | date)
    }


def _made(record: dg.EventLogRecord, catalog: Catalog) -> Iterator[Observation]:
    made = record.asset_materialization
    if made is None:
        return
    if made.asset_key == LEDGER:
        yield from _settled(record, made, catalog)
        return
    day = made.partition or NO_DAY
    yield Observation(PUBLISHED, path_of(made.asset_key), day, passed=True, at=_at(record))


def _settled(
    record: dg.EventLogRecord, made: dg.AssetMaterialization, catalog: Catalog
) -> Iterator[Observation]:
    """Yield the settled days of which a published number has changed."""
    settled = made.metadata.get(SETTLED_VALUES)
    values = settled.value if isinstance(settled, dg.JsonMetadataValue) else None
    for day, count in sorted(values.items()) if isinstance(values, dict) else ():
        yield Observation(
            SETTLED,
            path_of(made.asset_key),
            day,
            passed=False,
            at=_at(record),
            severity=Severity.WARN,
            run=record.run_id,
            reason="Which, from what to what, and why: ecom restatements",
            facts={str(made.metadata["metric"].value): int(str(count))},
            about=About(
                "Published numbers of settled days have changed; so many values of each metric:",
                catalog.owner(made.asset_key),
                notice=True,
            ),
        )


def _failures(
    run: dg.DagsterRun, records: Sequence[dg.EventLogRecord], catalog: Catalog
) -> Iterator[Observation]:
    """Yield the days that were to be published and were not, and what else failed."""
    failed = {
        event.step_key or "": event
        for record in records
        if record.event_type is _STEP_FAILED
        for event in [record.event_log_entry.get_dagster_event()]
    }
    reasons = {step: _reason(event) for step, event in failed.items()}
    bad_days = {step: bad_days_of(event) for step, event in failed.items()}
    ends = [record for record in records if record.event_type is _RUN_FAILED]
    message = ends[-1].event_log_entry.get_dagster_event().message or "" if ends else ""
    at = _at(records[-1]) if records else datetime.now(UTC)
    days = days_of(run.tags) or [NO_DAY]
    explained: set[str] = set()
    for key, step, day in _unpublished(records, days):
        explained.add(step)
        # A step that was never begun fails for the run's reason.
        whole = reasons.get(step, "" if reasons else message)
        reason = bad_days.get(step, {}).get(day, whole)
        about = About("Was the day published?", catalog.owner(key))
        found = Observation(PUBLISHED, path_of(key), day, passed=False, at=at, run=run.run_id)
        yield replace(found, reason=reason, about=about)
    others = [f"{step}: {why}" for step, why in reasons.items() if step not in explained]
    if others or not explained:
        told = "\n".join(others) or message
        for day in days:
            yield replace(_finished(run, day, at, passed=False), reason=told)


def _unpublished(
    records: Sequence[dg.EventLogRecord], days: Sequence[str]
) -> Iterator[tuple[dg.AssetKey, str, str]]:
    """Yield asset, step and day of what a run was to publish and did not."""
    made = {
        (record.asset_key, record.partition_key or NO_DAY)
        for record in records
        if record.event_type is _MADE
    }
    # Of an asset there may be one such event, or one for each day.
    planned = {
        event.asset_materialization_planned_data.asset_key: event.step_key or ""
        for record in records
        if record.event_type is _PLANNED
        for event in [record.event_log_entry.get_dagster_event()]
    }
    for key, step in planned.items():
        for day in days if key != LEDGER else ():
            if (key, day) not in made:
                yield key, step, day


def _finished(run: dg.DagsterRun, day: str, at: datetime, *, passed: bool) -> Observation:
    about = About("Did the run finish?")
    return Observation(FINISHED, run.job_name, day, passed, at, run=run.run_id, about=about)


def _reason(event: dg.DagsterEvent) -> str:
    data = event.step_failure_data
    user = data.user_failure_data
    return (user.description if user else None) or (data.error.to_string() if data.error else "")


def _at(record: dg.EventLogRecord) -> datetime:
    return datetime.fromtimestamp(record.timestamp, UTC)
