"""What goes into the lake and comes out of it: tables of days, and what became of each day.

How days are published is in `publish.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ecom_platform.datasets import Dataset
    from ecom_platform.engines.duckdb import Connection, Partitions
    from ecom_platform.lake.ledger import Restatement
    from ecom_platform.lake.publish import Lake
    from ecom_platform.quality.audits import DayAudit


@dataclass(frozen=True)
class Rows:
    """Computed rows of some days of a dataset, in a table of the engine.

    Args:
        connection: Where the table is; closed once the rows are published.
        table: Its name. Columns: the declared ones and `date`.
        bad_days: ISO day -> why it could not be computed. It is not published.
        facts: ISO day -> what to record with the partition, such as quarantined rows.
        beside: Tables published together with this one, day by day.
        source_is_empty: Whether the source's table that they are read from has no row at all.
    """

    connection: Connection
    table: str
    bad_days: Mapping[str, str] = field(default_factory=dict[str, str])
    facts: Mapping[str, Mapping[str, int | float | str]] = field(
        default_factory=dict[str, "Mapping[str, int | float | str]"]
    )
    beside: Mapping[Dataset, str] = field(default_factory=dict["Dataset", str])
    source_is_empty: bool = False


@dataclass(frozen=True)
class Published:
    """A partition as it now is in the lake.

    Args:
        audit: What was found in its rows.
        size: Its bytes.
        uri: Its address.
        changed: Whether its rows were; False when the lake already held the same.
        restated: The values that were published before and are others now.
    """

    audit: DayAudit
    size: int
    uri: str
    changed: bool
    restated: tuple[Restatement, ...] = ()


@dataclass(frozen=True)
class Report:
    """What became of the days.

    Args:
        published: ISO day -> what is published of it, in each table.
        bad_days: ISO day -> why it is not.
        accepted_losses: Published day -> what it lost by somebody's word.
    """

    published: dict[str, dict[Dataset, Published]]
    bad_days: dict[str, str]
    accepted_losses: dict[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class LakeTable:
    """Some days of a dataset, read when asked.

    Args:
        dataset: Which.
        days: ISO days that exist in the lake.
        missing: ISO days that were never computed.
        changed: ISO days that another run has published since this one began; not among `days`.
        failed: ISO day -> why this very run could not publish it.
    """

    dataset: Dataset
    days: tuple[str, ...]
    missing: frozenset[str]
    changed: frozenset[str]
    failed: Mapping[str, str]
    lake: Lake

    def around(self, days: Sequence[str], lookback: int) -> LakeTable:
        """Return the part of it that some days, in order, are computed from.

        Args:
            days: ISO.
            lookback: How many days before a day are read with it.
        """
        first, last = (days_before(days[0], lookback), days[-1]) if days else ("", "")
        return replace(self, days=tuple(day for day in self.days if first <= day <= last))

    def partitions(self) -> Partitions:
        """Return the files of the days that exist, downloaded where the lake is remote."""
        return self.lake.fetch(self.dataset, self.days)


def days_before(day: str, count: int) -> str:
    """Return the ISO day so many days before another."""
    return (date.fromisoformat(day) - timedelta(days=count)).isoformat()


def overtaken(path: str, day: str) -> str:
    """Return why days cannot be published that are computed from a day that has changed."""
    return f"another run published {day} of {path} since this one began; run this day again"
