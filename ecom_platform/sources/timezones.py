"""Offsets from UTC, for SQL and for arrays, from the zone rules that Python has.

DuckDB brings zone rules of its own, of another release: for some zones they put an instant
on another business day than `calendar.py` does. Times are BIGINT microseconds since 1970.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    Microseconds = npt.NDArray[np.int64]

MICROSECOND = timedelta(microseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_YEARS = range(1900, 2101)


class _Change(NamedTuple):
    """A change of the clocks: when, and the offsets before and after, in microseconds."""

    at: int
    before: int
    after: int


def offset_at(zone: str, instant: str) -> str:
    """Return SQL for the offset of a zone at an instant, an expression in microseconds."""
    return _choice(zone, instant, [change.at for change in _changes(zone)])


def offset_of_wall_time(zone: str, wall_time: str) -> str:
    """Return SQL for the offset that a wall-clock time of a zone is meant with.

    A time that exists twice, or was skipped, is the later of its two readings, as in
    PostgreSQL and DuckDB.
    """
    ends = [change.at + change.after for change in _changes(zone)]
    return _choice(zone, wall_time, ends)


def offsets_at(zone: str, instants: Microseconds) -> Microseconds:
    """Return the offsets of a zone at some instants."""
    return _chosen(zone, instants, [change.at for change in _changes(zone)])


def offsets_of_wall_times(zone: str, wall_times: Microseconds) -> Microseconds:
    """Return the offsets that wall-clock times of a zone are meant with, as in SQL."""
    return _chosen(zone, wall_times, [change.at + change.after for change in _changes(zone)])


def wall_clock(zone: str, low: datetime, high: datetime) -> list[tuple[datetime, timedelta]]:
    """Return until which wall-clock time each offset holds, of those in force in between.

    Args:
        zone: IANA name of the zone.
        low: A wall-clock time, naive.
        high: A later one; the last offset holds at least until then.
    """
    offsets = _offsets(zone)
    ends = [_EPOCH.replace(tzinfo=None) + (c.at + c.after) * MICROSECOND for c in _changes(zone)]
    return [
        (min(end, high), offset * MICROSECOND)
        for begin, end, offset in zip([low, *ends], [*ends, high], offsets, strict=True)
        if begin < high and end > low
    ]


@lru_cache
def _changes(zone: str) -> tuple[_Change, ...]:
    rules = ZoneInfo(zone)

    def offset(instant: datetime) -> timedelta:
        return instant.astimezone(rules).utcoffset() or timedelta()

    changes: list[_Change] = []
    day = datetime(_YEARS[0], 1, 1, tzinfo=UTC)
    while day.year in _YEARS:
        low, high = day, day + timedelta(days=1)
        before, after = offset(low), offset(high)
        if before != after:
            while high - low > timedelta(seconds=1):
                middle = low + (high - low) // 2
                low, high = (middle, high) if offset(middle) == before else (low, middle)
            at = high.replace(microsecond=0)
            changes.append(
                _Change((at - _EPOCH) // MICROSECOND, before // MICROSECOND, after // MICROSECOND)
            )
        day += timedelta(days=1)
    return tuple(changes)


def _offsets(zone: str) -> list[int]:
    """Return the offset before the first change, and those after each."""
    changes = _changes(zone)
    if not changes:
        fixed = datetime(_YEARS[0], 1, 1, tzinfo=UTC).astimezone(ZoneInfo(zone)).utcoffset()
        return [(fixed or timedelta()) // MICROSECOND]
    return [changes[0].before, *(change.after for change in changes)]


def _chosen(zone: str, values: Microseconds, ends: Sequence[int]) -> Microseconds:
    places = np.searchsorted(np.array(ends, np.int64), values, side="right")
    return np.array(_offsets(zone), np.int64)[places]


def _choice(zone: str, value: str, ends: Sequence[int]) -> str:
    """Return a binary search, as nested CASEs, for the offset in force before each end."""
    offsets = _offsets(zone)

    def search(low: int, high: int) -> str:
        if low == high:
            return str(offsets[low])
        middle = (low + high) // 2
        return (
            f"CASE WHEN {value} < {ends[middle]} THEN {search(low, middle)} "
            f"ELSE {search(middle + 1, high)} END"
        )

    return search(0, len(ends))
