"""The newest result of each check, as Dagster's event log has it, and how many there are of each.

Whoever tells how the checks stand reads it here: pages, `ecom status`, `health`, the end of a run.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

import dagster as dg
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.asset_check_execution_record import (
    COMPLETED_ASSET_CHECK_EXECUTION_RECORD_STATUSES as _ANSWERED,
)
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage
from sqlalchemy import ColumnElement, func, or_, select

from ecom_platform.calendar import days_between
from ecom_platform.findings import several
from ecom_platform.freshness import FRESH
from ecom_platform.incidents.model import NO_DAY

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from datetime import date

    from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluation

    from ecom_platform.settings import Settings

#: Days that `ecom status`, `health` and the quality page speak of.
RECENT_DAYS = 28

_TABLE = AssetCheckExecutionsTable


class Verdict(StrEnum):
    """What a check says; `warned` and `failed` both are a no, by the check's severity."""

    PASSED = "passed"
    WARNED = "warned"
    FAILED = "failed"


@dataclass(frozen=True)
class CheckResult:
    """The newest answer of a check.

    Args:
        check: Asset and name.
        day: ISO, or `NO_DAY`.
        verdict: What it says.
        at: When it was given, aware.
        event: As Dagster keeps it.
    """

    check: dg.AssetCheckKey
    day: str
    verdict: Verdict
    at: datetime
    event: str = field(repr=False)

    @property
    def evaluation(self) -> AssetCheckEvaluation:
        """All that the check said."""
        entry = dg.deserialize_value(self.event, EventLogEntry)
        return entry.get_dagster_event().asset_check_evaluation_data

    @property
    def name(self) -> str:
        """`layer/name check`, as people know it."""
        return f"{self.check.asset_key.to_user_string()} {self.check.name}"


@dataclass(frozen=True)
class CheckCount:
    """How many results there are of each verdict."""

    passed: int = 0
    warned: int = 0
    failed: int = 0

    def __add__(self, other: CheckCount) -> CheckCount:
        return CheckCount(
            self.passed + other.passed, self.warned + other.warned, self.failed + other.failed
        )

    @property
    def total(self) -> int:
        """Of all verdicts together."""
        return self.passed + self.warned + self.failed

    @property
    def verdict(self) -> Verdict:
        """The worst of them; `passed` where there is none."""
        if self.failed:
            return Verdict.FAILED
        return Verdict.WARNED if self.warned else Verdict.PASSED

    @property
    def sentence(self) -> str:
        """How it is, in a few words."""
        if not self.total:
            return "Not checked"
        parts = [f"{self.passed:,} of {self.total:,} checks passed"]
        parts += [several(self.failed, "error", "errors")] if self.failed else []
        parts += [several(self.warned, "warning", "warnings")] if self.warned else []
        return ", ".join(parts)


def count(results: Iterable[CheckResult]) -> CheckCount:
    """Count results by verdict: one for each check and day."""
    found = Counter(result.verdict for result in results)
    return CheckCount(found[Verdict.PASSED], found[Verdict.WARNED], found[Verdict.FAILED])


def count_by_day(results: Iterable[CheckResult], days: Iterable[date]) -> list[CheckCount]:
    """Count results by verdict: first those of no day, then those of each of the days."""
    found: dict[str, list[CheckResult]] = {NO_DAY: [], **{str(day): [] for day in days}}
    for result in results:
        found[result.day].append(result)
    return [count(of_day) for of_day in found.values()]


def recent_days(settings: Settings, now: datetime) -> list[date]:
    """Return the closed days that are looked at unless somebody asks for others, oldest first."""
    newest = settings.calendar.last_closed(now)
    return list(
        days_between(max(settings.start_date, newest - timedelta(days=RECENT_DAYS - 1)), newest)
    )


def read_results(
    instance: dg.DagsterInstance, checks: Collection[dg.AssetCheckKey], days: Collection[date]
) -> list[CheckResult]:
    """Return the newest result of each check, of each of the days and of none.

    A check that was to be asked again and was not, because its run was killed, says what it said.

    Args:
        instance: Dagster's.
        checks: Those that are declared; results of others are left out, and so is `FRESH`, whose
            answer is of the moment at which it was asked.
        days: A contiguous range.
    """
    of_no_day = _TABLE.c.partition.is_(None)
    of_days = _TABLE.c.partition.between(str(min(days)), str(max(days))) if days else of_no_day
    asked = {check for check in checks if check.name != FRESH}
    return [found for found in _read(instance, or_(of_no_day, of_days)) if found.check in asked]


def results_of_run(instance: dg.DagsterInstance, run_id: str) -> list[CheckResult]:
    """Return what the checks of one run said."""
    return _read(instance, _TABLE.c.run_id == run_id)


def _read(instance: dg.DagsterInstance, asked: ColumnElement[bool]) -> list[CheckResult]:
    storage = instance.event_log_storage
    assert isinstance(storage, SqlEventLogStorage)  # noqa: S101 - all that Dagster has are
    same = (_TABLE.c.asset_key, _TABLE.c.check_name, _TABLE.c.partition)
    answered = _TABLE.c.execution_status.in_([status.value for status in _ANSWERED])
    newest = select(func.max(_TABLE.c.id)).where(asked, answered).group_by(*same)
    rows = select(*same, _TABLE.c.execution_status, _TABLE.c.evaluation_event_timestamp,
                  _TABLE.c.evaluation_event).where(_TABLE.c.id.in_(newest))  # fmt: skip
    with storage.index_connection() as connection:
        found = connection.execute(rows.order_by(*same)).fetchall()
    return [_result(*row) for row in found]


def _result(
    asset: str, name: str, day: str | None, status: str, at: datetime, event: str
) -> CheckResult:
    key = dg.AssetKey.from_db_string(asset)
    assert key  # noqa: S101 - an answer is of an asset
    check = dg.AssetCheckKey(key, name)
    result = CheckResult(check, day or NO_DAY, Verdict.PASSED, at.replace(tzinfo=UTC), event)
    if status == "SUCCEEDED":
        return result
    warns = result.evaluation.severity is dg.AssetCheckSeverity.WARN
    verdict = Verdict.WARNED if warns else Verdict.FAILED
    return CheckResult(check, result.day, verdict, result.at, event)
