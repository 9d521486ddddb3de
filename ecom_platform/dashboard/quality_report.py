"""The page on the data's quality: what it shows, and how that becomes HTML.

Where its facts come from is in `assets/quality_report.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from ecom_platform.check_results import Verdict
from ecom_platform.findings import WRONG, several

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date, datetime

    from jinja2 import Template

    from ecom_platform.check_results import CheckCount
    from ecom_platform.findings import Finding


@dataclass(frozen=True)
class CheckHistory:
    """What one check said of each day.

    Args:
        asset: `layer/name`.
        name: Of the check.
        question: What it asks.
        runbook: Where it is written what to do.
        days: ISO day -> `passed`, `warned` or `failed`; days it was not asked of are left out.
        facts: ISO day -> what it saw, of days on which it said no.
    """

    asset: str
    name: str
    question: str
    runbook: str
    days: Mapping[str, str]
    facts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict[str, "Mapping[str, Any]"])


@dataclass(frozen=True)
class Standing:
    """The newest answer of a check that is asked of no day.

    Args:
        asset: `layer/name`.
        name: Of the check.
        question: What it asks.
        runbook: Where it is written what to do.
        answer: `passed`, `warned` or `failed`.
        at: When, in the business timezone.
        facts: What it saw.
    """

    asset: str
    name: str
    question: str
    runbook: str
    answer: str
    at: datetime
    facts: Mapping[str, Any]


@dataclass(frozen=True)
class OpenIncident:
    """An incident that is open.

    Args:
        id: Of the incident.
        asset: `layer/name`, with the region if it is about one.
        check: Its question, by name.
        severity: `error` or `warn`.
        status: `open` or `acknowledged`.
        since: When it was opened, in the business timezone.
        days: ISO, those that fail.
    """

    id: str
    asset: str
    check: str
    severity: str
    status: str
    since: datetime
    days: Sequence[str]


@dataclass(frozen=True)
class Reconciled:
    """What source and lake counted of one day of a table, when it was extracted."""

    table: str
    day: str
    source_rows: int
    lake_rows: int
    source_amount: str
    lake_amount: str
    passed: bool


@dataclass(frozen=True)
class Quarantined:
    """Rows of a table that were set aside for one reason.

    Args:
        table: Of the source.
        reason: Why.
        rows: How many.
        first: ISO, of the days with such rows.
        last: ISO.
        keys: Some of their ids.
    """

    table: str
    reason: str
    rows: int
    first: str
    last: str
    keys: Sequence[str]


@dataclass(frozen=True)
class QualityReport:
    """All that is on the page.

    Args:
        made_at: When, in the business timezone.
        timezone: The business timezone.
        newest: The newest closed day.
        days: ISO, the days it is about, oldest first.
        health: Whether everything goes on.
        incidents: Those that are open, the oldest first.
        count: Of the results of these days, and of those that are of no day.
        standing: The answers that are of no day.
        checks: Of all assets, those that are asked of days.
        reconciled: The same days.
        quarantined: The same days.
    """

    made_at: datetime
    timezone: str
    newest: date
    days: Sequence[str]
    health: Sequence[Finding]
    incidents: Sequence[OpenIncident]
    count: CheckCount
    standing: Sequence[Standing]
    checks: Sequence[CheckHistory]
    reconciled: Sequence[Reconciled]
    quarantined: Sequence[Quarantined]

    @property
    def troubled(self) -> list[CheckHistory]:
        """The checks that said no on some day."""
        return [check for check in self.checks if set(check.days.values()) - {Verdict.PASSED}]

    @property
    def sentence(self) -> str:
        """How it is, in one sentence."""
        if not self.count.total:
            return "No day has been checked yet."
        days = f", {self.days[0]} to {self.days[-1]}" if self.days else ""
        wrong = sum(found.mark == WRONG for found in self.health)
        told = [
            f"{self.count.sentence}{days}",
            several(len(self.incidents), "incident is open", "incidents are open"),
            several(wrong, "thing needs attention", "things need attention"),
        ]
        return f"{'; '.join(told)}."


def render(report: QualityReport) -> str:
    """Return the page: one file, without scripts, that loads nothing."""
    return _template().render(report=report)


@cache
def _template() -> Template:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    text = (files("ecom_platform.dashboard") / "quality_report.html").read_text(encoding="utf-8")
    return environment.from_string(text)
