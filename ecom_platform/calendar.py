"""Business days: which instants belong to a day, and which days are over.

A business day is a calendar date in the business timezone (`ECOM_TIMEZONE`). It
has 23, 24 or 25 hours. Every partitioned asset shares the one
`DailyPartitionsDefinition` made here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pyarrow as pa
from dagster import DailyPartitionsDefinition

from ecom_platform.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

ONE_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Calendar:
    """The business calendar.

    Args:
        timezone: IANA name of the business timezone.
        start: The first business day of the lake (`ECOM_START_DATE`).
    """

    timezone: str
    start: date

    @cached_property
    def partitions(self) -> DailyPartitionsDefinition:
        """The one partitions definition: every closed day from `start` on."""
        return DailyPartitionsDefinition(start_date=self.start.isoformat(), timezone=self.timezone)

    @cached_property
    def zone(self) -> ZoneInfo:
        """The business timezone's rules."""
        return ZoneInfo(self.timezone)

    def day_of(self, instant: datetime) -> date:
        """Return the business day of an aware instant."""
        return instant.astimezone(self.zone).date()

    def start_of(self, day: date) -> datetime:
        """Return the first instant of a business day, in UTC.

        Where the clocks change at midnight, the day begins at its first existing instant.
        """
        # fold=0 of a midnight that does not exist is the instant the gap begins, which is
        # the first instant of the day; of one that exists twice it is the earlier.
        return datetime.combine(day, time.min, self.zone).astimezone(UTC)

    def bounds(self, first: date, last: date) -> tuple[datetime, datetime]:
        """Return the half-open UTC interval of the business days `first` to `last`."""
        return self.start_of(first), self.start_of(last + ONE_DAY)

    def table(self, days: Iterable[str]) -> pa.Table:
        """Return the half-open bounds of days for SQL: `date`, `starts_at`, `ends_at`.

        SQL takes them from here since DuckDB's own timezone data differ from Python's for
        some zones.
        """
        dates = [date.fromisoformat(day) for day in days]
        bounds = [self.bounds(day, day) for day in dates]
        instants = pa.timestamp("us", tz="UTC")
        return pa.table(
            {
                "date": pa.array(dates, pa.date32()),
                "starts_at": pa.array([start for start, _ in bounds], instants),
                "ends_at": pa.array([end for _, end in bounds], instants),
            }
        )

    def last_closed(self, now: datetime | None = None) -> date:
        """Return the newest business day that is over."""
        return self.day_of(now or datetime.now(UTC)) - ONE_DAY

    def closed_range(self, first: date, last: date, now: datetime | None = None) -> list[date]:
        """Return the days `first` to `last`, checked to be partitions that are over.

        Raises:
            SettingsError: A day is before `start` or not over yet, or the range is empty.
        """
        if first > last:
            raise SettingsError(
                f"The range is empty: it starts on {first} and ends on {last}.",
                hint="Give --from a day that is not after --to.",
            )
        if first < self.start:
            raise SettingsError(
                f"{first} is before the first partition, {self.start}.",
                hint="Start later, or set ECOM_START_DATE to an earlier day and run all days again "
                "from there on: what has no day is filed under the first one.",
            )
        closed = self.last_closed(now)
        if last > closed:
            raise SettingsError(
                f"{last} is not over yet in {self.timezone}; the last closed day is {closed}.",
                hint=f"End the range on {closed} at the latest.",
            )
        return list(days_between(first, last))


def days_between(first: date, last: date) -> Iterator[date]:
    """Yield each day from `first` to `last`, both included."""
    for offset in range((last - first).days + 1):
        yield first + offset * ONE_DAY


def contiguous_ranges(days: Sequence[date]) -> list[tuple[date, date]]:
    """Group sorted days into runs without a gap, as (first, last) pairs."""
    ranges: list[tuple[date, date]] = []
    for day in days:
        if ranges and ranges[-1][1] + ONE_DAY == day:
            ranges[-1] = (ranges[-1][0], day)
        else:
            ranges.append((day, day))
    return ranges


def ranges(days: Iterable[date]) -> list[str]:
    """Spell days out, the oldest first: `2026-03-01 to 2026-03-03`, `2026-03-07`."""
    found = contiguous_ranges(sorted(days))
    return [f"{first} to {last}" if first != last else str(first) for first, last in found]
