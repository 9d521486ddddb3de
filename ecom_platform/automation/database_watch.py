"""Which days a database has changed since they were published, a bounded piece at a time.

What is done about those days is decided in `changes.py`.
"""

from __future__ import annotations

import hashlib
from datetime import date, datetime, timedelta
from math import ceil
from time import monotonic
from typing import TYPE_CHECKING

from pydantic import Field

from ecom_platform.automation.changes import State
from ecom_platform.calendar import ONE_DAY, contiguous_ranges, days_between
from ecom_platform.datasets import RAW
from ecom_platform.errors import SourceTooSlowError
from ecom_platform.lake.fingerprints import recorded_fingerprints

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from logging import Logger

    from ecom_platform.lake.base import Storage
    from ecom_platform.settings import Settings
    from ecom_platform.sources.database import DatabaseSnapshot

#: Older days that are remembered as changed; more of them are found again by the rotation.
KEPT = 1000
#: The most days of one query.
_LARGEST_QUERY = 400


class DatabaseState(State):
    """What a tick leaves to the next; without it the rotation begins anew, and nothing else.

    Args:
        position: The older day to compare next.
        ticked_at: When the last tick was.
        days_at_once: How many days a query compares, by what the last ones took.
        changed: Older days that had changed when they were last compared.
    """

    position: date | None = None
    ticked_at: datetime | None = None
    days_at_once: int = 64
    changed: list[date] = Field(default_factory=list[date])


class Comparison:
    """The days that one tick compares, in one snapshot of the source.

    Args:
        settings: How much, and how long.
        snapshot: Of the source.
        storage: The lake.
        newest: The newest closed day.
    """

    def __init__(
        self, settings: Settings, snapshot: DatabaseSnapshot, storage: Storage, newest: date
    ) -> None:
        self._settings = settings
        self._snapshot = snapshot
        self._storage = storage
        self._newest = newest
        back = timedelta(days=settings.lookback_days - 1)
        self._recent = max(settings.start_date, newest - back)
        #: Day -> what the source now has of it, where the lake has another.
        self.changed: dict[date, str] = {}
        self.compared: set[date] = set()

    def run(self, state: DatabaseState, now: datetime, log: Logger) -> None:
        """Compare the recent days and a slice of the older ones, and note how far it came.

        Raises:
            SourceTooSlowError: Not even the recent days could be compared.
            SourceError: The source cannot be read.
            LakeError: The lake cannot be read.
        """
        end = monotonic() + self._settings.change_check_seconds
        # Half of the time is for the older days, however slow the recent ones are.
        self._compare(self._recent, self._newest, self._settings.change_check_seconds / 2)
        older = (self._recent - self._settings.start_date).days
        if older:
            due = self._due(older, state, now)
            done = self._compare_older(state, older, due, end)
            if done < due:
                log.warning(
                    "%s of %s older days were compared: so slow, the whole history takes longer "
                    "than ECOM_CHANGE_CHECK_HOURS. Raise it or ECOM_CHANGE_CHECK_SECONDS, or add "
                    "the indexes that `ecom doctor` misses.",
                    done,
                    due,
                )
        unknown = {day for day in state.changed if self._is_older(day)} - self.compared
        state.changed = sorted(unknown | {day for day in self.changed if self._is_older(day)})
        del state.changed[:-KEPT]
        state.ticked_at = now

    def _is_older(self, day: date) -> bool:
        return self._settings.start_date <= day < self._recent

    def _due(self, older: int, state: DatabaseState, now: datetime) -> int:
        """Return how many older days to compare, so that all are within the set hours."""
        first = timedelta(minutes=self._settings.change_check_minutes)
        passed = now - state.ticked_at if state.ticked_at else first
        share = passed / timedelta(hours=self._settings.change_check_hours)
        return max(1, min(ceil(older * share), older))

    def _compare_older(self, state: DatabaseState, older: int, due: int, end: float) -> int:
        """Compare what had changed before, and the next days; return how many of these."""
        known = [day for day in state.changed if self._is_older(day)]
        for first, last in _pieces(known, state.days_at_once):
            if not self._compare_in_time(state, first, last, end):
                return 0
        done, wanted = 0, due
        while done < wanted:
            first = state.position or self._settings.start_date
            if not self._is_older(first):
                first = self._settings.start_date
            count = min(state.days_at_once, wanted - done, (self._recent - first).days)
            last = first + (count - 1) * ONE_DAY
            if not self._compare_in_time(state, first, last, end):
                break
            state.position = last + ONE_DAY
            done += count
            if all(day in self.changed for day in days_between(first, last)):
                # A change of many days is to be seen whole before any of it is made again.
                wanted = min(older, max(wanted, done + 2 * count))
        return done

    def _compare_in_time(self, state: DatabaseState, first: date, last: date, end: float) -> bool:
        """Compare days if there is time, and learn how many to compare at once."""
        count = (last - first).days + 1
        share = self._settings.change_check_seconds / 8
        begun = monotonic()
        if begun >= end:
            return False
        try:
            self._compare(first, last, end - begun)
        except SourceTooSlowError:
            state.days_at_once = max(1, count // 4)
            return False
        took = monotonic() - begun
        if took > share:
            state.days_at_once = max(1, count // 2)
        elif count == state.days_at_once and took < share / 4:
            state.days_at_once = min(2 * count, _LARGEST_QUERY)
        return True

    def _compare(self, first: date, last: date, seconds: float) -> None:
        found = self._snapshot.fingerprints(first, last, seconds)
        days = list(days_between(first, last))
        recorded = recorded_fingerprints(self._storage, RAW, days)
        for day in days:
            # Days that were never published are the schedule's.
            if any(
                recorded[raw].get(day, found[raw.name][day]) != found[raw.name][day] for raw in RAW
            ):
                content = " ".join(found[raw.name][day] for raw in RAW)
                self.changed[day] = hashlib.sha256(content.encode()).hexdigest()[:16]
        self.compared.update(days)


def _pieces(days: Sequence[date], largest: int) -> Iterator[tuple[date, date]]:
    """Yield contiguous ranges of some sorted days, none larger than so many."""
    for first, last in contiguous_ranges(days):
        for start in range(0, (last - first).days + 1, largest):
            yield (
                first + start * ONE_DAY,
                min(first + (start + largest - 1) * ONE_DAY, last),
            )
