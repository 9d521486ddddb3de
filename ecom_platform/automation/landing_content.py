"""Which days of the delivered files the lake has otherwise, by what is in them.

Which deliveries are whole is said in `landing_watch.py`.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from time import monotonic
from typing import TYPE_CHECKING

from ecom_platform.automation.landing_state import Differing, Unread
from ecom_platform.calendar import ONE_DAY, days_between
from ecom_platform.datasets import RAW
from ecom_platform.errors import SourceError, SourceTooSlowError, SourceUnavailableError
from ecom_platform.lake.fingerprints import recorded_fingerprints
from ecom_platform.sources.base import NO_ROWS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ecom_platform.automation.landing_state import LandingState
    from ecom_platform.lake.base import Storage
    from ecom_platform.settings import Settings
    from ecom_platform.sources.files.deliveries import Delivery
    from ecom_platform.sources.files.snapshot import FilesSnapshot

#: Bytes of day folders that are read before looking at the clock.
_CHUNK = 16 * 1024 * 1024
#: In place of a fingerprint: what the lake never has.
_UNREADABLE = "unreadable"


class Contents:
    """The comparison of one tick.

    Args:
        settings: For how long to read, and the first day.
        snapshot: Of the source.
        storage: The lake.
        newest: The newest closed day.
        state: What is known, to be brought up to date.
        busy: Days that a run is making.
    """

    def __init__(
        self,
        settings: Settings,
        snapshot: FilesSnapshot,
        storage: Storage,
        newest: date,
        state: LandingState,
        busy: set[date],
    ) -> None:
        self._end = monotonic() + settings.change_check_seconds
        self._days = list(days_between(settings.start_date, newest))
        self._snapshot = snapshot
        self._storage = storage
        self._state = state
        self._busy = busy
        self._published = {raw.name: _published_days(storage, raw.path) for raw in RAW}
        #: Day -> table -> what the source has of it, where the lake has not.
        self.open: dict[date, dict[str, str]] = defaultdict(dict)
        #: The days among them that replace what was published.
        self.replacing: set[date] = set()
        self.compared: set[date] = set()
        #: Deliveries that there was no time for.
        self.unread = 0

    def compare(self, ready: Sequence[Delivery]) -> None:
        """Compare deliveries with the lake, and note those that it has.

        Raises:
            SourceUnavailableError: The source does not answer now, or a file was replaced.
            LakeError: The lake cannot be read.
        """
        state = self._state
        unread: list[Delivery] = []
        for delivery in ready:
            known = state.differing.get(delivery.name)
            if known and known.version == delivery.version:
                continue
            if delivery.day and self._is_new(delivery.table, delivery.day):
                # To know that it was never published, nothing needs to be read.
                self.open[delivery.day][delivery.table] = delivery.version
            else:
                unread.append(delivery)
        self._read(unread)
        self._settle([d for d in ready if d.name in state.differing])

    def _is_new(self, table: str, day: date) -> bool:
        was_tried = day in self._state.asked and day not in self._busy
        return day not in self._published[table] and not was_tried

    # ----------------------------------------------------------------- reading

    def _read(self, unread: Sequence[Delivery]) -> None:
        """Read as much as there is time for."""
        self.unread = len(unread)
        whole = [[delivery] for delivery in unread if delivery.day is None]
        by_day = _chunks([delivery for delivery in unread if delivery.day])
        for chunk in (*whole, *by_day):
            if monotonic() >= self._end:
                return
            try:
                if chunk[0].day:
                    self._read_days(chunk)
                else:
                    self._read_whole(chunk[0])
            except SourceTooSlowError as error:
                if chunk[1:] or self.unread < len(unread):
                    return  # the next tick begins with it
                self._leave(chunk[0], error, self._state.too_slow)
            self.unread -= len(chunk)

    def _read_days(self, chunk: Sequence[Delivery]) -> None:
        """Read some day folders of one table."""
        days = [delivery.day for delivery in chunk if delivery.day]
        found, bad_days = self._snapshot.fingerprints(chunk[0].table, days)
        self.compared.update(days)
        for delivery, day in zip(chunk, days, strict=True):
            content = _UNREADABLE if str(day) in bad_days else found[day]
            self._state.differing[delivery.name] = Differing(
                version=delivery.version, days={day: content}
            )

    def _read_whole(self, delivery: Delivery) -> None:
        """Read a table that is not filed by day."""
        table, state = delivery.table, self._state
        days = [*self._days, self._days[-1] + ONE_DAY]
        try:
            found, _ = self._snapshot.fingerprints(table, days)
        except SourceUnavailableError:  # or not in time
            raise
        except SourceError as error:
            self._leave(delivery, error, state.broken)
            return
        # Beyond its last row, a day is not delivered yet.
        last = max((day for day in days if found[day] != NO_ROWS), default=None)
        self.compared.update(self._days)
        state.differing[table] = Differing(
            version=delivery.version,
            days={
                day: found[day]
                for day in self._days
                if day in self._published[table] or (last and day <= last)
            },
        )

    def _leave(self, delivery: Delivery, why: SourceError, noted: dict[str, Unread]) -> None:
        """Note that a delivery is not to be read before it is another."""
        noted[delivery.name] = Unread(version=delivery.version, reason=f"{why.message} {why.hint}")
        self.close(delivery)

    # ---------------------------------------------------------------- comparing

    def _settle(self, known: Sequence[Delivery]) -> None:
        """Drop what the lake has by now, and what cannot be made; note the rest as open."""
        differing = self._state.differing
        for raw in RAW:
            ours = [delivery for delivery in known if delivery.table == raw.name]
            days = {day for delivery in ours for day in differing[delivery.name].days}
            published = sorted(days & self._published[raw.name])
            recorded = recorded_fingerprints(self._storage, [raw], published).get(raw, {})
            for delivery in ours:
                entry = differing[delivery.name]
                entry.days = {
                    day: content
                    for day, content in entry.days.items()
                    if recorded.get(day) != content
                }
                for day, content in entry.days.items():
                    self.open[day][raw.name] = content
                    if day in recorded and content != _UNREADABLE:
                        self.replacing.add(day)
                if entry.days:
                    continue
                if delivery.day and delivery.name in self._state.hopeless:
                    # Mended as it was before. To Dagster it has failed, until a run succeeds.
                    self.open[delivery.day][raw.name] = delivery.version
                else:
                    self.close(delivery)

    def close(self, delivery: Delivery) -> None:
        """Note that nothing more is to be done about a delivery."""
        self._state.differing.pop(delivery.name, None)
        self._state.seen[delivery.name] = delivery.version

    def finish(self, tried: Iterable[Delivery]) -> None:
        """Close what a run can do nothing more about: what cannot be read, and what was mended."""
        hopeless = self._state.hopeless
        for delivery in tried:
            entry = self._state.differing.get(delivery.name)
            if not entry or not delivery.day:
                continue
            if _UNREADABLE in entry.days.values():
                hopeless[delivery.name] = delivery.version
            elif not entry.days:
                hopeless.pop(delivery.name, None)
            else:
                continue
            self.close(delivery)
            self.open[delivery.day].pop(delivery.table, None)


def _published_days(storage: Storage, folder: str) -> set[date]:
    paths = storage.etags(folder)
    return {date.fromisoformat(path.partition("date=")[2][:10]) for path in paths}


def _chunks(unread: Sequence[Delivery]) -> Iterator[list[Delivery]]:
    """Yield some days of one table at a time, the newest first."""
    chunk: list[Delivery] = []
    size = 0
    for delivery in sorted(unread, key=lambda d: (d.table, d.day), reverse=True):
        if chunk and (delivery.table != chunk[0].table or size + delivery.size > _CHUNK):
            yield chunk
            chunk, size = [], 0
        chunk.append(delivery)
        size += delivery.size
    if chunk:
        yield chunk
