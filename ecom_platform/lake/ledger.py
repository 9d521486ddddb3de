"""The restatement ledger: what a published metric said before it was changed, when and why.

An entry is written before the day it is about, so that no change can go unrecorded. It names
the version it replaces and the one it makes; where the run ends in between, no version of the
day follows from the entry, and readers leave it out.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pyarrow as pa
from pyarrow import parquet

from ecom_platform.engines.duckdb import quote, text
from ecom_platform.lake.base import fetch_one

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from ecom_platform.datasets import Dataset
    from ecom_platform.engines.duckdb import Connection
    from ecom_platform.lake.base import Storage, StoredObject

FOLDER = "ledger/restatements"

#: Why a published number changes. What was not asked for by a schedule or sensor is a backfill.
LATE_DATA, CODE_CHANGE, BACKFILL = "late data", "code change", "backfill"
#: That rows were lost, and somebody let it through; whatever else the run is there for.
ACCEPTED_LOSS = "accepted loss"
#: Where a run says why it is there.
CAUSE_TAG = "ecom/cause"


@dataclass(frozen=True)
class Restatement:
    """One value that was published, and was changed.

    Args:
        day: The business day it is about, ISO.
        key: Column -> value of the row's key, `region` among them.
        column: Which number of the row.
        change: `changed`, or that the whole row was `added` or `removed`.
        old: The value before, as text; None for NULL and where there was no row.
        new: The value after.
    """

    day: str
    key: Mapping[str, Any]
    column: str
    change: str
    old: str | None
    new: str | None


@dataclass(frozen=True)
class Entry:
    """What one publication changed of one day: all its restatements.

    Args:
        day: ISO.
        published_at: When.
        replaced_at: When the version before was published.
        run_id: Of the run that published.
        cause: `late data`, `code change`, `backfill` or `accepted loss`.
        restatements: The values.
    """

    day: str
    published_at: datetime
    replaced_at: datetime
    run_id: str
    cause: str
    restatements: tuple[Restatement, ...]


def has_version(facts: Mapping[str, str]) -> bool:
    """Say whether a partition carries what the ledger needs; a damaged one does not."""
    return {"ecom-content", "ecom-run", "ecom-published", "ecom-code"} <= facts.keys()


def version_facts(content: str, run_id: str) -> dict[str, str]:
    """Return what a partition carries so that the ledger can tell its versions apart."""
    return {
        "ecom-content": content,
        "ecom-run": run_id,
        "ecom-published": datetime.now(UTC).isoformat(timespec="microseconds"),
    }


class Ledger:
    """The ledger of a lake.

    Args:
        storage: The lake.
        scratch: A folder of the run's own.
    """

    def __init__(self, storage: Storage, scratch: Path) -> None:
        self._storage = storage
        self._scratch = scratch

    def write(
        self,
        cursor: Connection,
        dataset: Dataset,
        table: str,
        day: str,
        replaced: StoredObject,
        facts: Mapping[str, str],
        cause: str,
    ) -> list[Restatement]:
        """Record, and return, what a day is about to say otherwise than before.

        Args:
            cursor: Has the new rows.
            dataset: The metric.
            table: The new rows, of this day and others.
            day: ISO.
            replaced: The version that the lake has.
            facts: Those of the version to come.
            cause: Why the numbers change.
        """
        path = dataset.object_path(day)
        old = parquet.read_table(fetch_one(self._storage, path, self._scratch))
        cursor.register("replaced", old)
        found = cursor.sql(_changes(dataset, table, day, old.column_names)).to_arrow_table()
        cursor.unregister("replaced")
        entry = {
            "ecom-cause": cause,
            "ecom-content": facts["ecom-content"],
            "ecom-run": facts["ecom-run"],
            "ecom-published": facts["ecom-published"],
            "ecom-replaced-content": replaced.metadata["ecom-content"],
            "ecom-replaced-run": replaced.metadata["ecom-run"],
            "ecom-replaced-published": replaced.metadata["ecom-published"],
        }
        for name, fact in (
            ("published_at", "ecom-published"),
            ("replaced_at", "ecom-replaced-published"),
        ):
            instant = pa.scalar(datetime.fromisoformat(entry[fact]), pa.timestamp("us", "UTC"))
            found = found.append_column(name, pa.repeat(instant, len(found)))
        for name, fact in (("run_id", "ecom-run"), ("cause", "ecom-cause")):
            found = found.append_column(name, pa.repeat(pa.scalar(entry[fact]), len(found)))
        name = f"{uuid4().hex}.parquet"
        file = self._scratch / name
        parquet.write_table(found.replace_schema_metadata(entry), file, compression="zstd")
        self._storage.put(f"{_folder(dataset, day)}/{name}", file, replaces=None, facts=entry)
        file.unlink()
        return list(_restatements(day, found))

    def history(self, dataset: Dataset, days: Sequence[str]) -> dict[str, list[Entry]]:
        """Return day -> its publications that changed it, the newest first."""
        wanted = {_folder(dataset, day): day for day in days}
        listed = self._storage.etags(f"{FOLDER}/metric={dataset.name}")
        paths = [path for path in listed if path.rpartition("/")[0] in wanted]
        into: dict[str, dict[tuple[str, str], tuple[dict[str, str], pa.Table]]] = {}
        for path, file in self._storage.fetch(paths, self._scratch).items():
            found = parquet.read_table(file, partitioning=None)
            facts = _facts(found)
            version = (facts["ecom-content"], facts["ecom-run"])
            into.setdefault(wanted[path.rpartition("/")[0]], {})[version] = facts, found
        return {day: list(self._chain(dataset, day, into.get(day, {}))) for day in days}

    def _chain(
        self,
        dataset: Dataset,
        day: str,
        into: Mapping[tuple[str, str], tuple[dict[str, str], pa.Table]],
    ) -> Iterator[Entry]:
        """Follow the versions of a day back from the one that the lake has."""
        current = self._storage.stat(dataset.object_path(day)) if into else None
        facts = current.metadata if current else {}
        version = (facts.get("ecom-content", ""), facts.get("ecom-run", ""))
        while version in into:
            link, rows = into[version]
            yield Entry(
                day,
                datetime.fromisoformat(link["ecom-published"]),
                datetime.fromisoformat(link["ecom-replaced-published"]),
                link["ecom-run"],
                link["ecom-cause"],
                tuple(_restatements(day, rows)),
            )
            version = (link["ecom-replaced-content"], link["ecom-replaced-run"])

    def published_at(self, dataset: Dataset, days: Iterable[str]) -> dict[str, datetime]:
        """Return day -> when the version that the lake has was published."""
        found = {day: self._storage.stat(dataset.object_path(day)) for day in days}
        return {
            day: datetime.fromisoformat(stored.metadata["ecom-published"])
            for day, stored in found.items()
            if stored
        }


def _folder(dataset: Dataset, day: str) -> str:
    return f"{FOLDER}/metric={dataset.name}/date={day}"


def _facts(table: pa.Table) -> dict[str, str]:
    return {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}


def _restatements(day: str, rows: pa.Table) -> Iterator[Restatement]:
    for row in rows.to_pylist():
        yield Restatement(
            day,
            json.loads(row["key"]),
            row["column_name"],
            row["change"],
            row["old_value"],
            row["new_value"],
        )


def _changes(dataset: Dataset, table: str, day: str, before: Sequence[str]) -> str:
    """Return a query for the values that differ between the table and the rows `replaced`.

    Columns: `region` (NULL for a metric without), `key` (JSON), `column_name`, `change`,
    `old_value`, `new_value`: texts that read back as exactly the values.
    """
    names = [column.name for column in dataset.columns]
    old = ", ".join(
        (quote(column.name) if column.name in before else "NULL") + f" AS {quote(column.name)}"
        for column in dataset.columns
    )
    same = " AND ".join(
        # Of a metric without a key, a day has one row.
        ["old.is_there = new.is_there"]
        + [f"{_text('old', k)} IS NOT DISTINCT FROM {_text('new', k)}" for k in dataset.key]
    )
    either = {k: f"coalesce({_text('new', k)}, {_text('old', k)})" for k in dataset.key}
    key = ", ".join(f"{text(k)}, {value}" for k, value in either.items())
    values = " UNION ALL ".join(
        f"SELECT {either.get('region', 'NULL')} AS region, "
        f"CAST(json_object({key}) AS VARCHAR) AS key, {text(name)} AS column_name, "
        "CASE WHEN old.is_there IS NULL THEN 'added' WHEN new.is_there IS NULL THEN 'removed' "
        "ELSE 'changed' END AS change, "
        f"{_text('old', name)} AS old_value, {_text('new', name)} AS new_value "
        f"FROM old FULL JOIN new ON {same} "
        "WHERE old.is_there IS NULL OR new.is_there IS NULL "
        f"OR {_text('old', name)} IS DISTINCT FROM {_text('new', name)}"
        for name in names
        if name not in dataset.key
    )
    new = ", ".join(map(quote, names))
    return (
        f"WITH old AS (SELECT {old}, true AS is_there FROM replaced), "
        f"new AS (SELECT {new}, true AS is_there FROM {table} WHERE date = {text(day)}) "
        f"SELECT * FROM ({values}) ORDER BY key, column_name"
    )


def _text(table: str, column: str) -> str:
    """Return a value as text: of the two versions, types may differ, those of ids at least."""
    return f"CAST({table}.{quote(column)} AS VARCHAR)"
