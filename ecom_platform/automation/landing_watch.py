"""Which days the files of the shop have changed, and which of them are whole.

What is in the files is compared in `landing_content.py`; what is done about the days is
decided in `changes.py`.
"""

from __future__ import annotations

from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from typing import TYPE_CHECKING

from ecom_platform.automation.changes import Found, listed
from ecom_platform.automation.landing_content import Contents
from ecom_platform.lake.fingerprints import READERS
from ecom_platform.sources.files.deliveries import deliveries, digest
from ecom_platform.sources.files.layout import Layout

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from datetime import datetime
    from logging import Logger

    from ecom_platform.automation.landing_state import LandingState
    from ecom_platform.lake.base import Storage
    from ecom_platform.settings import Settings
    from ecom_platform.sources.files.deliveries import Delivery
    from ecom_platform.sources.files.snapshot import FilesSnapshot

#: Between two ticks may be so much less than the interval.
_JITTER = timedelta(seconds=30)
#: Waiting for longer, a day is warned of in the tick's log.
_LONG = timedelta(hours=1)
#: The settings that decide what is in the files, in which lake, and what can be read of them.
_READING = (
    "start_date", "timezone", "source_timezone", "source_timestamp_format", "source_delimiter",
    "tables", "columns", "lake", "change_check_seconds",
)  # fmt: skip


class Landing:
    """The files as one tick finds them.

    Args:
        settings: How files are named and read.
        snapshot: Of the source.
        newest: The newest closed day.
        state: What is known, to be brought up to date.
        now: The moment, aware.
        log: Of the tick.
    """

    def __init__(
        self,
        settings: Settings,
        snapshot: FilesSnapshot,
        newest: date,
        state: LandingState,
        now: datetime,
        log: Logger,
    ) -> None:
        self._settings = settings
        self._snapshot = snapshot
        self._newest = newest
        self._state = state
        self._now = now
        self._log = log
        self._layouts = {
            table: layout
            for table, layout in snapshot.layouts.items()
            if isinstance(layout, Layout)
        }
        self._daily = [table for table, layout in self._layouts.items() if layout.is_daily]
        self._there = {
            delivery.name: delivery
            for delivery in deliveries(
                self._layouts, settings.start_date, newest, has_markers=settings.source_markers
            )
        }
        self._notes: list[str] = []

    def find(self, storage: Storage, busy: set[date]) -> Found:
        """Find the days that are whole, and that the lake has otherwise or not at all.

        Args:
            storage: The lake. Where all files are as they were, it is not looked at.
            busy: Days that a run is making.

        Raises:
            SourceUnavailableError: The source does not answer now, or a file was replaced.
            LakeError: The lake cannot be read.
        """
        self._forget()
        fresh = [d for d in self._there.values() if self._state.seen.get(d.name) != d.version]
        moving = self._moving(fresh)
        incomplete = self._incomplete([d for d in fresh if d.name not in moving])
        unready = moving | incomplete
        found = Found("", waiting={d.day for d in fresh if d.day and d.name in unready})
        ready = [d for d in fresh if d.name not in unready]
        contents, compared = None, 0
        if ready:
            contents = Contents(
                self._settings, self._snapshot, storage, self._newest, self._state, busy
            )
            contents.compare(ready)
        # Every run would read a table that is not whole.
        found.is_held = bool(self._unreadable()) or not unready.isdisjoint(self._layouts)
        if contents:
            self._sort(contents, found, unready, busy)
            compared = len(contents.compared)
            if contents.unread:
                self._notes.append(f"{contents.unread} deliveries are yet to be compared.")
        if self._unreadable():
            tables = " and ".join(sorted(self._unreadable()))
            self._notes.append(f"Nothing is made before {tables} can be read.")
        found.hopeless = {
            delivery.day
            for delivery in self._there.values()
            if delivery.day and self._state.hopeless.get(delivery.name) == delivery.version
        }
        files = sum(len(layout.dated_files) for layout in self._layouts.values())
        found.summary = f"Compared {compared} days of {files:,} files"
        found.notes = self._notes
        return found

    # ----------------------------------------------------------------- what is whole

    def _forget(self) -> None:
        """Drop what is known of files that are others now, or gone."""
        state = self._state
        settings = [f"{name} {getattr(self._settings, name)}" for name in _READING]
        reading = digest([self._snapshot.address, *settings])
        if state.reading != reading:
            state.reading, state.seen, state.differing = reading, {}, {}
            state.hopeless, state.broken, state.too_slow = {}, {}, {}
        gone = {
            n for n in state.seen if n not in self._there and n.partition("/")[0] in self._layouts
        }
        days = sorted({date.fromisoformat(name.partition("/")[2]) for name in gone if "/" in name})
        if days:
            self._log.warning(
                "Day folders are gone, and the lake keeps what was published of: %s", listed(days)
            )
        state.seen = {name: version for name, version in state.seen.items() if name not in gone}
        versions = {name: delivery.version for name, delivery in self._there.items()}
        state.differing = {
            name: entry
            for name, entry in state.differing.items()
            if versions.get(name) == entry.version
        }
        for tables in (state.broken, state.too_slow):
            for name in [n for n, entry in tables.items() if versions.get(n) != entry.version]:
                del tables[name]
        state.hopeless = {
            name: version for name, version in state.hopeless.items() if name in versions
        }

    def _moving(self, fresh: Iterable[Delivery]) -> set[str]:
        """Return the names of deliveries that have not stayed the same for long enough."""
        known = {
            (name, version): since
            for since, versions in self._state.watched.items()
            for name, version in versions.items()
        }
        self._since = {d.name: known.get((d.name, d.version), self._now) for d in fresh}
        watched: dict[datetime, dict[str, str]] = defaultdict(dict)
        for name, since in self._since.items():
            watched[since][name] = self._there[name].version
        self._state.watched = dict(watched)
        wanted = timedelta(minutes=self._settings.source_still_minutes)
        moving = {
            name for name, since in self._since.items() if self._now - since < wanted - _JITTER
        }
        if moving:
            minutes = self._settings.source_still_minutes
            self._notes.append(f"{_some(moving)} must first stay the same for {minutes} minutes.")
        return moving

    def _incomplete(self, still: Sequence[Delivery]) -> set[str]:
        """Return the names of deliveries that lack their marker, or what it promises."""

        def missing(delivery: Delivery) -> str:
            layout, day = self._layouts[delivery.table], delivery.day
            return self._snapshot.missing(layout, day) if day and day in layout.days else ""

        with ThreadPoolExecutor(READERS) as pool:
            reasons = zip(still, pool.map(missing, still), strict=True)
            found = {delivery.name: reason for delivery, reason in reasons if reason}
        for name, reason in found.items():
            since = self._since[name]
            if self._now - since >= _LONG:
                self._log.warning("%s has waited since %s: it %s", name, since, reason)
        if found:
            name, reason = max(found.items())
            self._notes.append(
                f"{_some(found)} {'waits' if len(found) == 1 else 'wait'}: {name} {reason}, since "
                f"{self._since[name]:%Y-%m-%d %H:%M} UTC."
            )
        return set(found)

    # ---------------------------------------------------------------- what is wanted

    def _sort(self, contents: Contents, found: Found, unready: set[str], busy: set[date]) -> None:
        """Say which of the days that the lake has otherwise can be made."""
        lacking: dict[date, list[str]] = {}
        for day in sorted(contents.open):
            folders = {table: f"{table}/{day}" for table in self._daily}
            content = self._content(day, contents.open[day])
            asked = self._state.asked.get(day)
            if asked and asked.content == content and day not in busy:
                contents.finish(self._there[n] for n in folders.values() if n in self._there)
            absent = [table for table, name in folders.items() if name not in self._there]
            if not contents.open[day] or (absent and len(absent) == len(folders)):
                continue
            if absent:
                lacking[day] = absent
            if found.is_held or absent or not unready.isdisjoint(folders.values()):
                found.waiting.add(day)
            else:
                (found.changed if day in contents.replacing else found.new)[day] = content
        if lacking:
            newest = max(lacking)
            others = (
                f", and {len(lacking) - 1} days before it likewise"
                if lacking.keys() - {newest}
                else ""
            )
            self._notes.append(f"{newest} waits for {' and '.join(lacking[newest])}{others}.")

    def _unreadable(self) -> set[str]:
        """Return the tables that no run can read."""
        return self._snapshot.layouts.keys() - self._layouts.keys() | self._state.broken.keys()

    def _content(self, day: date, parts: Mapping[str, str]) -> str:
        """Return what tells a day from one made of other files."""
        folders = {table: self._there.get(f"{table}/{day}") for table in self._daily}
        versions = {table: found.version for table, found in folders.items() if found}
        return digest(f"{table} {part}" for table, part in sorted({**parts, **versions}.items()))


def _some(names: Collection[str]) -> str:
    return f"{len(names)} deliveries" if len(names) > 1 else "1 delivery"
