"""What an asset check is: a question to the published lake, answered day by day.

The questions themselves are in `cleaned_checks.py`, `order_checks.py` and
`metric_checks.py`; audits before publishing are in `audits.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dagster import AssetCheckSeverity

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ecom_platform.datasets import Dataset
    from ecom_platform.engines.duckdb import Connection


@dataclass(frozen=True)
class Nearby:
    """Days around a day that a check reads too, where the lake has them.

    They are the view `nearby.layer_name`, which may hold more days than asked for.

    Args:
        dataset: `layer/name`.
        before: How many days before the day.
        after: How many days after it.
    """

    dataset: str
    before: int = 0
    after: int = 0


@dataclass(frozen=True)
class Check:
    """One question, asked of each day.

    Args:
        name: Name within the asset.
        dataset: `layer/name` it is shown at.
        question: What is asked, as a question.
        sql: Returns `date`, `broken` (a count above 0) and further columns that tell more,
            for the days on which the answer is no.
        reads: `layer/name` of the datasets of the same day that the SQL reads; by default
            only its own.
        nearby: Days around it that the SQL reads.
        severity: WARN where the data may be as the shop's reality is.
        threshold: The setting of the thresholds file that decides, with its value.
    """

    name: str
    dataset: str
    question: str
    sql: str
    reads: tuple[str, ...] = ()
    nearby: tuple[Nearby, ...] = ()
    severity: AssetCheckSeverity = AssetCheckSeverity.ERROR
    threshold: str = ""

    @property
    def inputs(self) -> tuple[str, ...]:
        """All datasets of the day itself that the SQL reads."""
        return self.reads or (self.dataset,)

    @property
    def runbook(self) -> str:
        """Where it is written what to do when the answer is no, in the documentation."""
        return runbook_of(self.name)


def runbook_of(check: str) -> str:
    """Return where it is written what to do about a check, in the documentation."""
    return f"runbooks/checks.md#{check}"


Facts = Mapping[str, int | float | str]
#: Whether a check, by its metadata, tells of what happened once and does not go on.
NOTICE = "notice"
#: The entry of an answer's metadata for what was seen in each region: region -> facts.
REGIONS = "regions"
#: The fact that says how bad it is in a region, where others have it better.
SEVERITY = "severity"


@dataclass(frozen=True)
class Answer:
    """What a check says of one day.

    Args:
        day: ISO.
        passed: Whether all is well.
        facts: What it saw.
        severity: How bad a no is.
        regions: Region -> what was seen there, where the no is about some regions only.
    """

    day: str
    passed: bool
    facts: Facts = field(default_factory=dict[str, int | float | str])
    severity: AssetCheckSeverity = AssetCheckSeverity.ERROR
    regions: Mapping[str, Facts] = field(default_factory=dict[str, "Facts"])


def answer(connection: Connection, check: Check, days: Iterable[str]) -> Iterator[Answer]:
    """Ask a check of each of the days; its inputs are views of the connection."""
    rows = connection.execute(check.sql)
    names = [str(column[0]) for column in rows.description or ()]
    broken = {str(row[0]): dict(zip(names[1:], row[1:], strict=True)) for row in rows.fetchall()}
    for day in days:
        found = broken.get(day, {"broken": 0})
        facts = {
            name: value if isinstance(value, int | float) else str(value)
            for name, value in found.items()
        }
        yield Answer(day, not found["broken"], facts, check.severity)


def table(dataset: Dataset) -> str:
    """Return the view of a dataset."""
    return f'"{dataset.layer}"."{dataset.name}"'


def nearby(dataset: str) -> str:
    """Return the view of a dataset's days around."""
    return f"nearby.{dataset.replace('/', '_')}"
