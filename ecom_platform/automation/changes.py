"""What is common to the sensors that follow a source: which of the changed days are asked for.

How changes are found is each sensor's own: `source_changes.py` for a database,
`landing_files.py` for files.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Generic, TypeVar

import dagster as dg
from dagster._core.storage.partition_status_cache import AssetPartitionStatus
from pydantic import BaseModel, ValidationError

from ecom_platform.automation.incidents import report
from ecom_platform.automation.runs import busy_days, range_request
from ecom_platform.calendar import contiguous_ranges
from ecom_platform.incidents.model import NO_DAY, About, Observation

if TYPE_CHECKING:
    from collections.abc import Sequence
    from logging import Logger
    from typing import Self

    from ecom_platform.datasets import Dataset
    from ecom_platform.settings import Settings

#: A day that was asked for, and is not made as it was then, has failed: it is left for so long.
PAUSE = timedelta(hours=6)
#: What the sensors themselves answer, and the names of these questions.
WITHIN_LIMIT = "changes_are_within_limit"
NOT_UNDERSTOOD = "deliveries_are_understood"
QUESTIONS = {
    WITHIN_LIMIT: About("Have no more days changed in the source than may be made again?"),
    NOT_UNDERSTOOD: About("Files were delivered that cannot be taken", notice=True),
}
#: Ranges of days that a message spells out.
SHOWN = 10


class Asked(BaseModel):
    """That a day was asked for.

    Args:
        content: What it was to be made of; empty once it was published so.
        at: When.
        counts: Whether it counts for the brake, as a day does that was published before.
    """

    content: str
    at: datetime
    counts: bool = True


class State(BaseModel):
    """What a tick leaves to the next.

    Args:
        asked: Days that were asked for lately.
        counted_from: Days asked for until then do not count for the brake.
        braked: Whether people were told that too many days have changed.
    """

    asked: dict[date, Asked] = {}
    counted_from: datetime | None = None
    braked: bool = False

    @classmethod
    def load(cls, cursor: str | None) -> Self:
        """Read a cursor; one that is lost, or of another version, is as good as none."""
        try:
            return cls.model_validate_json(cursor or "{}")
        except ValidationError:
            return cls()


S = TypeVar("S", bound=State)


@dataclass
class Found:
    """What a tick has found.

    Args:
        summary: How much it looked at, to begin a sentence with.
        changed: Published day -> what the source now has of it, where that is something else.
        new: Day that replaces no numbers -> what the source has of it.
        known: Other days that had changed when they were last compared.
        waiting: Days that cannot be made yet.
        hopeless: Days that fail for what they are made of; to make them again is no use.
        is_held: Whether no day can be made at present.
        notes: Further sentences for whoever reads the tick.
    """

    summary: str
    changed: dict[date, str] = field(default_factory=dict[date, str])
    new: dict[date, str] = field(default_factory=dict[date, str])
    known: set[date] = field(default_factory=set[date])
    waiting: set[date] = field(default_factory=set[date])
    hopeless: set[date] = field(default_factory=set[date])
    is_held: bool = False
    notes: list[str] = field(default_factory=list[str])


class ChangeSensor(ABC, Generic[S]):
    """Decides at each tick which days are to be made, of those that a source says to have changed.

    Args:
        settings: Of the environment.
        datasets: What the job makes of a day.
    """

    state_type: type[S]

    def __init__(self, settings: Settings, datasets: Sequence[Dataset]) -> None:
        self.settings = settings
        self._keys = [dg.AssetKey(dataset.path.split("/")) for dataset in datasets]

    @abstractmethod
    def look(self, state: S, newest: date, busy: set[date], now: datetime, log: Logger) -> Found:
        """Find days that have changed, up to the newest closed day, and note it in the state.

        Raises:
            SourceError: The source cannot be read, or not in time.
            LakeError: The lake cannot be read.
        """

    def tick(
        self, instance: dg.DagsterInstance, cursor: str | None, now: datetime, log: Logger
    ) -> dg.SensorResult:
        """Look for changed days, and ask for them.

        Args:
            instance: Whose runs are not to be repeated.
            cursor: What the last tick returned.
            now: The moment, aware.
            log: Of the tick.

        Raises:
            SourceError: The source cannot be read, or not in time.
            LakeError: The lake cannot be read.
            AlertError: Too many days have changed, and nobody could be told.
        """
        newest = self.settings.calendar.last_closed(now)
        if newest < self.settings.start_date:
            return dg.SensorResult(skip_reason="No day is over yet.", cursor=cursor)
        state = self.state_type.load(cursor)
        busy = busy_days(instance, layer="raw")  # before looking: a run may end meanwhile
        found = self.look(state, newest, busy, now, log)
        unfinished = self._unfinished(instance, state, found, busy)
        if found.is_held:
            found.waiting |= unfinished.keys()
        else:
            found.changed |= unfinished
        self._forget(state, found, busy, now)
        changed = {day: content for day, content in found.changed.items() if day not in busy}
        new = {day: content for day, content in found.new.items() if day not in busy}
        many = self._too_many(state, changed.keys() | (found.known - busy), now)
        if many:
            found.notes.insert(0, self._brake(state, many, now, log))
            changed = {}
        elif state.braked:
            self.report(WITHIN_LIMIT, now)
            state.braked, state.counted_from = False, now
        candidates = changed | new
        wanted = [
            day for day in sorted(candidates) if not _is_paused(state, day, candidates[day], now)
        ]
        state.asked |= {
            day: Asked(content=candidates[day], at=now, counts=day in changed) for day in wanted
        }
        reason = " ".join(found.notes)
        if not many:
            waiting = len(found.changed.keys() | found.new.keys()) - len(wanted)
            outcome = (
                f"{waiting} have changed, and are being made or have failed lately."
                if waiting
                else "none has changed."
            )
            reason = " ".join([f"{found.summary}; {outcome}", *found.notes])
        return dg.SensorResult(
            run_requests=[
                range_request(first, last, now) for first, last in contiguous_ranges(wanted)
            ],
            skip_reason=None if wanted else reason,
            cursor=state.model_dump_json(),
        )

    def _unfinished(
        self, instance: dg.DagsterInstance, state: S, found: Found, busy: set[date]
    ) -> dict[date, str]:
        """Return the days that were read as asked for, but of which a later step failed."""
        settled = {*busy, *found.changed, *found.new, *found.waiting, *found.hopeless}
        read = {
            day.isoformat(): asked.content
            for day, asked in state.asked.items()
            if asked.content and day not in settled
        }
        partitions = self.settings.calendar.partitions
        failed: set[str] = set()
        for key in self._keys if read else ():
            statuses = instance.get_status_by_partition(key, list(read), partitions) or {}
            failed |= {n for n, status in statuses.items() if status is AssetPartitionStatus.FAILED}
        return {date.fromisoformat(name): read[name] for name in sorted(failed)}

    def _forget(self, state: S, found: Found, busy: set[date], now: datetime) -> None:
        """Drop what is long ago, and what was asked for of days that are done with."""
        oldest = now - max(timedelta(hours=self.settings.change_check_hours), 2 * PAUSE)
        open_days = {*found.changed, *found.new, *found.known, *found.waiting, *busy}
        state.asked = {
            day: asked if day in open_days else asked.model_copy(update={"content": ""})
            for day, asked in state.asked.items()
            if asked.at > oldest and (asked.counts or day in open_days)
        }

    def _too_many(self, state: S, changed: set[date], now: datetime) -> list[date]:
        """Return the changed days if they are more than may be made again.

        Those asked for lately are among them: a change of the whole history comes to light
        piece by piece.
        """
        since = now - timedelta(hours=self.settings.change_check_hours)
        since = max(since, state.counted_from or since)
        lately = {day for day, asked in state.asked.items() if asked.counts and asked.at > since}
        days = changed | lately
        return sorted(days) if len(days) > self.settings.max_changed_days else []

    def _brake(self, state: S, days: Sequence[date], now: datetime, log: Logger) -> str:
        """Say that too many days have changed: in the log, and by an incident."""
        reason = (
            f"{len(days)} days have changed in the source, more than ECOM_MAX_CHANGED_DAYS="
            f"{self.settings.max_changed_days}; none of them is made again: {listed(days)}."
        )
        log.error(reason)
        if not state.braked:
            advice = (
                "If the change is meant, raise ECOM_MAX_CHANGED_DAYS for as long as it takes, or "
                "backfill these days; else undo it in the source."
            )
            self.report(WITHIN_LIMIT, now, f"{reason}\n{advice}")
            state.braked = True
        return reason

    def report(self, check: str, now: datetime, reason: str = "") -> None:
        """Have people told of a reason by an incident, which ends where there is none.

        Raises:
            LakeError: The lake cannot be read or written.
        """
        seen = Observation(
            check, "source", NO_DAY, not reason, now, reason=reason, about=QUESTIONS[check]
        )
        report(self.settings, [seen])


def listed(days: Sequence[date]) -> str:
    """Name some sorted days, by ranges."""
    ranges = [
        f"{first} to {last}" if first != last else str(first)
        for first, last in contiguous_ranges(days)
    ]
    return ", ".join(ranges[:SHOWN]) + (" …" if len(ranges) > SHOWN else "")


def _is_paused(state: State, day: date, content: str, now: datetime) -> bool:
    asked = state.asked.get(day)
    return asked is not None and asked.content == content and now - asked.at < PAUSE
