"""Publishing: computed rows become partitions, each in one atomic step, audited first.

A `Lake` lives as long as a run. It remembers which version of each partition the run
saw when it started, so that a run that was overtaken cannot overwrite newer data.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from ecom_platform.engines.duckdb import Partitions, text, write_parquet
from ecom_platform.errors import EcomError, MissingPartitionError, PublishConflictError
from ecom_platform.lake.accepted_losses import AcceptedLosses
from ecom_platform.lake.breaker import measure_facts
from ecom_platform.lake.fine import read_fine
from ecom_platform.lake.fingerprints import SOURCE_FACT, origin_facts
from ecom_platform.lake.ledger import (
    ACCEPTED_LOSS,
    BACKFILL,
    CODE_CHANGE,
    Ledger,
    has_version,
    version_facts,
)
from ecom_platform.lake.tables import LakeTable, Published, Report
from ecom_platform.quality.audits import DayAudit, audit

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date
    from pathlib import Path

    from ecom_platform.calendar import Calendar
    from ecom_platform.datasets import Dataset
    from ecom_platform.engines.duckdb import Connection
    from ecom_platform.lake.base import Storage, StoredObject
    from ecom_platform.lake.breaker import CircuitBreaker
    from ecom_platform.lake.fine import Fine
    from ecom_platform.lake.ledger import Restatement
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
    """

    def __init__(
        self,
        storage: Storage,
        calendar: Calendar,
        scratch: Path,
        run_id: str,
        cause: str = BACKFILL,
        breaker: CircuitBreaker | None = None,
    ) -> None:
        self._storage = storage
        self._calendar = calendar
        self._scratch = scratch
        self._run_id = run_id
        self._cause = cause
        self._breaker = breaker
        self.ledger = Ledger(storage, scratch)
        self.accepted_losses = AcceptedLosses(storage, scratch)
        self._versions: dict[str, str] = {}
        self._contents: dict[tuple[str, str], str] = {}
        self._bad_days: dict[str, dict[str, str]] = {}

    def remember(self, datasets: Iterable[Dataset]) -> None:
        """Note the present version of every partition: the ones this run may replace."""
        with ThreadPoolExecutor(WRITERS) as pool:
            for versions in pool.map(lambda d: self._storage.etags(d.path), datasets):
                self._versions.update(versions)

    def table(self, dataset: Dataset, days: Sequence[str]) -> LakeTable:
        """Return a lazy table over some days of a dataset, published by any run."""
        existing = self._storage.etags(dataset.path)
        present = tuple(day for day in days if dataset.object_path(day) in existing)
        failed = self._bad_days.get(dataset.path, {})
        return LakeTable(dataset, present, frozenset(days) - frozenset(present), failed, self)

    def contents(self, dataset: Dataset, days: Iterable[str]) -> dict[str, str]:
        """Return day -> hash of its content, of those days that exist."""
        versions = self._storage.etags(dataset.path)
        paths = {day: dataset.object_path(day) for day in days}
        found = {day: (path, versions[path]) for day, path in paths.items() if path in versions}
        unknown = [version for version in found.values() if version not in self._contents]
        with ThreadPoolExecutor(READERS) as pool:
            for path, stored in pool.map(lambda v: (v[0], self._storage.stat(v[0])), unknown):
                if stored:
                    self._contents[path, stored.etag] = stored.metadata.get("ecom-content", "")
        return {day: self._contents.get(version, "") for day, version in found.items()}

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

        Raises:
            MissingPartitionError: One of them does not exist.
        """
        paths = {day: dataset.object_path(day) for day in days}
        files = self._storage.fetch(paths.values(), self._scratch)
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
        present = self._present(tables, good)
        losses = self._losses(dataset, rows, {day: audits[dataset][day] for day in good}, present)
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
                        d: self._publish_day(
                            cursor, d, t, day, audits[d][day], origin, present[d, day]
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
        self, datasets: Iterable[Dataset], days: Sequence[str]
    ) -> dict[tuple[Dataset, str], StoredObject | None]:
        """Return what the lake has of some days that this run may replace."""
        wanted = [(dataset, day) for dataset in datasets for day in days]

        def find(one: tuple[Dataset, str]) -> StoredObject | None:
            path = one[0].object_path(one[1])
            return self._storage.stat(path) if path in self._versions else None

        with ThreadPoolExecutor(READERS) as pool:
            return dict(zip(wanted, pool.map(find, wanted), strict=True))

    def note_bad_days(self, dataset: Dataset, bad_days: Mapping[str, str]) -> None:
        """Let the tables of this run say of a dataset which days it failed at, and why."""
        self._bad_days[dataset.path] = dict(bad_days)

    def _publish_day(
        self,
        cursor: Connection,
        dataset: Dataset,
        table: str,
        day: str,
        found: DayAudit,
        origin: Mapping[str, str],
        current: StoredObject | None,
    ) -> Published:
        path = dataset.object_path(day)
        replaces = self._versions.get(path)
        same = current is not None and current.metadata.get("ecom-content") == found.content
        # Of the same rows, a source may say something else than before; were that not kept,
        # the day would seem to have changed ever after.
        if current and same and current.metadata.get(SOURCE_FACT) == origin.get(SOURCE_FACT):
            self._contents[path, current.etag] = found.content
            return Published(found, current.size, self._storage.uri(path), changed=False)
        facts = {
            **version_facts(found.content, self._run_id),
            "ecom-rows": str(found.rows),
            **({"ecom-nulls": json.dumps(found.nulls)} if dataset.counts_nulls else {}),
            **measure_facts(found),
            **origin,
        }
        # A version that is not the one to replace makes the put fail; a damaged one has no facts.
        restated: list[Restatement] = []
        known = current and current.etag == replaces and has_version(current.metadata)
        if current and known and dataset.is_restated:
            same_code = current.metadata["ecom-code"] == origin["ecom-code"]
            cause = self._cause if same_code else CODE_CHANGE
            if self.accepted_losses.explain(day, current.metadata["ecom-published"]):
                cause = ACCEPTED_LOSS
            restated = self.ledger.write(cursor, dataset, table, day, current, facts, cause)
        file = self._scratch / "outgoing" / path
        write_parquet(cursor, dataset, f"{table} WHERE date = {text(day)}", file, facts)
        size = file.stat().st_size
        try:
            self._versions[path] = self._storage.put(path, file, replaces=replaces, facts=facts)
        except PublishConflictError:
            current = self._storage.stat(path)
            # Another run may have made the same of the day, and have been faster.
            if current is None or current.metadata.get("ecom-content") != found.content:
                raise
            return Published(found, current.size, self._storage.uri(path), changed=False)
        finally:
            file.unlink()
        self._contents[path, self._versions[path]] = found.content
        uri = self._storage.uri(path)
        return Published(found, size, uri, changed=not same, restated=tuple(restated))
