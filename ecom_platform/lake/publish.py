"""Publishing: computed rows become partitions, each in one atomic step, audited first.

A `Lake` lives as long as a run. It remembers which version of each partition the run saw when
it began, or published since: these it reads, and these it may replace. What runs do to each
other that are at work on the same days is in `claims.py`.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from ecom_platform.engines.duckdb import Partitions
from ecom_platform.errors import EcomError, MissingPartitionError, PublishConflictError
from ecom_platform.lake.accepted_losses import AcceptedLosses
from ecom_platform.lake.fine import read_fine
from ecom_platform.lake.fingerprints import origin_facts
from ecom_platform.lake.ledger import BACKFILL, Ledger
from ecom_platform.lake.replace import Day, Replacer
from ecom_platform.lake.tables import LakeTable, Published, Report
from ecom_platform.lake.versions import Versions
from ecom_platform.quality.audits import DayAudit, audit

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping, Sequence
    from datetime import date
    from pathlib import Path

    from ecom_platform.calendar import Calendar
    from ecom_platform.datasets import Dataset
    from ecom_platform.lake.base import Storage, StoredObject
    from ecom_platform.lake.breaker import CircuitBreaker
    from ecom_platform.lake.claims import Hold
    from ecom_platform.lake.fine import Fine
    from ecom_platform.lake.tables import Rows

#: Partitions written, and looked up, at once.
WRITERS, READERS = 8, 32


class Lake:
    """The lake as one run sees it.

    Args:
        storage: Where it is.
        calendar: Of the business.
        scratch: A folder of the run's own.
        run_id: Recorded with what is published.
        cause: Why the run replaces numbers that were published, for the ledger.
        breaker: What the run may lose of published days; without it, all that it loses.
        hold: On the days that it publishes; without one, it knows of no run beside it.
    """

    def __init__(
        self,
        storage: Storage,
        calendar: Calendar,
        scratch: Path,
        run_id: str,
        cause: str = BACKFILL,
        breaker: CircuitBreaker | None = None,
        hold: Hold | None = None,
    ) -> None:
        self._storage = storage
        self._calendar = calendar
        self._scratch = scratch
        self._run_id = run_id
        self._breaker = breaker
        self._hold = hold
        self.ledger = Ledger(storage, scratch)
        self.accepted_losses = AcceptedLosses(storage, scratch)
        self._versions = Versions(storage)
        self._replacer = Replacer(
            storage, scratch, run_id, cause, self._versions, self.ledger, self.accepted_losses, hold
        )
        self._bad_days: dict[str, dict[str, str]] = {}

    def remember(self, datasets: Iterable[Dataset]) -> None:
        """Note the present version of every partition: those that this run reads and replaces."""
        self._versions.remember(datasets)

    def table(self, dataset: Dataset, days: Sequence[str], *, latest: bool = False) -> LakeTable:
        """Return a lazy table over some days of a dataset.

        Args:
            dataset: Which.
            days: ISO.
            latest: Whether days count that another run has published since this one began.
        """
        existing = self._storage.etags(dataset.path)
        there = [day for day in days if dataset.object_path(day) in existing]
        changed = frozenset[str]()
        if not latest:
            changed = self._versions.changed(dataset, there, existing)
        present = tuple(day for day in there if day not in changed)
        failed = self._bad_days.get(dataset.path, {})
        return LakeTable(
            dataset, present, frozenset(days) - frozenset(there), changed, failed, self
        )

    def changed(self, dataset: Dataset, days: Iterable[str]) -> frozenset[str]:
        """Return those of some days that another run has published since this one began.

        Of a dataset that was not remembered, none.
        """
        return self._versions.changed(dataset, days, self._storage.etags(dataset.path))

    def contents(self, dataset: Dataset, days: Iterable[str]) -> dict[str, str]:
        """Return day -> hash of its content, of those days that exist."""
        return self._versions.contents(dataset, days)

    def null_counts(
        self, dataset: Dataset, days: Iterable[str]
    ) -> dict[str, tuple[int, dict[str, int]]]:
        """Return day -> its rows, and column -> how many are NULL in it; of days that exist."""
        existing = self._storage.etags(dataset.path)
        wanted = [day for day in days if dataset.object_path(day) in existing]
        with ThreadPoolExecutor(READERS) as pool:
            found = list(pool.map(self._storage.stat, map(dataset.object_path, wanted)))
        return {
            day: (int(stored.metadata["ecom-rows"]), json.loads(stored.metadata["ecom-nulls"]))
            for day, stored in zip(wanted, found, strict=True)
            if stored and "ecom-nulls" in stored.metadata  # a damaged one has no facts
        }

    def published(self, dataset: Dataset) -> set[str]:
        """Return the days of a dataset that exist."""
        before, after = dataset.object_path("|").split("|")
        paths = self._storage.etags(dataset.path)
        days = {path.removeprefix(before).removesuffix(after) for path in paths}
        return {day for day in days if dataset.object_path(day) in paths}

    def facts(self, dataset: Dataset, days: Iterable[str]) -> dict[str, Mapping[str, str]]:
        """Return day -> what its object says of itself, of days that exist."""
        wanted = sorted(self.published(dataset).intersection(days))
        with ThreadPoolExecutor(READERS) as pool:
            found = list(pool.map(self._storage.stat, map(dataset.object_path, wanted)))
        return {day: stored.metadata for day, stored in zip(wanted, found, strict=True) if stored}

    def fine(self, asset: str, days: Iterable[date]) -> list[Fine]:
        """Return what people said of some days of an asset (`layer/name`): these were fine."""
        return read_fine(self._storage, asset, days, self._scratch)

    def fetch(self, dataset: Dataset, days: Iterable[str]) -> Partitions:
        """Return the files of some days, downloaded where the lake is remote.

        Files of datasets that were remembered do not change while they are read.

        Raises:
            MissingPartitionError: One of them does not exist.
        """
        paths = {day: dataset.object_path(day) for day in days}
        pinned = self._versions.are_known(dataset)
        files = self._storage.fetch(paths.values(), self._scratch, pinned=pinned)
        absent = [day for day, path in paths.items() if path not in files]
        if absent:
            raise MissingPartitionError(
                f"{dataset.path} was never computed for {absent[0]}.",
                hint=f"Materialize {dataset.path} for that day.",
            )
        return Partitions(dataset, {day: files[path] for day, path in paths.items()})

    def everything(self, dataset: Dataset) -> Partitions:
        """Return the files of every day of a dataset, downloaded where the lake is remote."""
        return self.fetch(dataset, sorted(self.published(dataset)))

    def single(self, dataset: Dataset) -> Path | None:
        """Return the file of a dataset that is one object; None where it was never made."""
        path = dataset.object_path()
        return self._storage.fetch([path], self._scratch).get(path)

    def publish(self, dataset: Dataset, rows: Rows, days: Sequence[str], code: str) -> Report:
        """Audit the days, and publish the good ones.

        Args:
            dataset: The dataset.
            rows: Its computed rows.
            days: The days to publish; one without rows becomes an explicit empty partition.
            code: Version of the code that computed them.

        Returns:
            What became of each day. Days that are not good keep the version they had.

        Raises:
            LakeError: The columns are not the declared ones, rows are of other days, or not
                one day can be written.
        """
        # The main one first: a run that is overtaken stops there, and leaves the others alone.
        tables = {dataset: rows.table, **rows.beside}
        audits = {d: audit(rows.connection, t, d, self._calendar, days) for d, t in tables.items()}
        bad_days = dict(rows.bad_days)
        for found in audits.values():
            for day, result in found.items():
                if result.broken and day not in bad_days:
                    bad_days[day] = "; ".join(result.broken)
        good = [day for day in days if day not in bad_days]
        overtaken = self._hold.refusals(good) if self._hold else {}
        present = self._present(tables, good, overtaken)
        own = {day: audits[dataset][day] for day in good if day not in overtaken}
        losses = self._losses(dataset, rows, own, present)
        accepts_loss = self._breaker is not None and self._breaker.accepts_loss
        accepted, refused = (losses, {}) if accepts_loss else ({}, losses)
        bad_days |= refused
        good = [day for day in good if day not in refused]
        unavailable: list[EcomError] = []

        def publish_day(day: str) -> dict[Dataset, Published] | EcomError:
            if unavailable:  # the others need not each wait for a lake that does not answer
                return unavailable[0]
            origin = origin_facts(code, rows.facts.get(day, {}))
            try:
                with rows.connection.cursor() as cursor:
                    return {
                        d: self._replacer.publish(
                            cursor,
                            Day(d, t, day, audits[d][day], origin),
                            present[d, day],
                            overtaken.get(day, ""),
                        )
                        for d, t in tables.items()
                    }
            except EcomError as error:
                if error.transient:
                    unavailable.append(error)
                return error

        with ThreadPoolExecutor(WRITERS) as pool:
            results = dict(zip(good, pool.map(publish_day, good), strict=True))
        published = {day: r for day, r in results.items() if not isinstance(r, EcomError)}
        errors = {day: r for day, r in results.items() if isinstance(r, EcomError)}
        for error in errors.values():
            if not published and not isinstance(error, PublishConflictError):
                raise error  # it is not about days
        bad_days |= {day: error.message for day, error in errors.items()}
        self.note_bad_days(dataset, bad_days)
        return Report(published, {day: bad_days[day] for day in sorted(bad_days)}, accepted)

    def _losses(
        self,
        dataset: Dataset,
        rows: Rows,
        audits: Mapping[str, DayAudit],
        present: Mapping[tuple[Dataset, str], StoredObject | None],
    ) -> dict[str, str]:
        """Return day -> what it would lose, where that is too much; record it if it may."""
        if self._breaker is None:
            return {}
        published = {day: present[dataset, day] for day in audits}
        found = self._breaker.losses(self._storage, self._scratch, dataset, rows, audits, published)
        if self._breaker.accepts_loss:
            self.accepted_losses.record(dataset, found, published, self._run_id)
        return {day: loss.reason for day, loss in found.items()}

    def _present(
        self, datasets: Iterable[Dataset], days: Sequence[str], overtaken: Container[str]
    ) -> dict[tuple[Dataset, str], StoredObject | None]:
        """Return what the lake has of some days, as far as this run knows or must know."""
        wanted = [(dataset, day) for dataset in datasets for day in days]

        def find(one: tuple[Dataset, str]) -> StoredObject | None:
            path = one[0].object_path(one[1])
            known = self._versions.of(path) or one[1] in overtaken
            return self._storage.stat(path) if known else None

        with ThreadPoolExecutor(READERS) as pool:
            return dict(zip(wanted, pool.map(find, wanted), strict=True))

    def note_bad_days(self, dataset: Dataset, bad_days: Mapping[str, str]) -> None:
        """Let the tables of this run say of a dataset which days it failed at, and why."""
        self._bad_days[dataset.path] = dict(bad_days)
