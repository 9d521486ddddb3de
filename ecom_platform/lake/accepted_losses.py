"""The losses that somebody accepted: which day of which table lost how much, when, by which run.

A loss is recorded before the day it is about is published, so that none can go unrecorded.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING
from uuid import uuid4

import pyarrow as pa
from pyarrow import parquet

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ecom_platform.datasets import Dataset
    from ecom_platform.lake.base import Storage, StoredObject
    from ecom_platform.quality.losses import Loss

FOLDER = "ledger/accepted_losses"

_SCHEMA = pa.schema(
    {
        "dataset": pa.string(),
        "date": pa.date32(),
        "measure": pa.string(),
        "old_value": pa.string(),
        "new_value": pa.string(),
        "replaced_at": pa.timestamp("us", "UTC"),
        "accepted_at": pa.timestamp("us", "UTC"),
        "run_id": pa.string(),
    }
)


@dataclass(frozen=True)
class AcceptedLoss:
    """A loss that was let through.

    Args:
        dataset: `layer/name`.
        date: The business day.
        measure: Of what: `rows`, `amount` ...
        old_value: What was published, as text.
        new_value: What replaced it.
        replaced_at: When the version before was published; None where it does not say.
        accepted_at: When the loss was let through.
        run_id: Of the run that accepted it.
    """

    dataset: str
    date: date
    measure: str
    old_value: str
    new_value: str
    replaced_at: datetime | None
    accepted_at: datetime
    run_id: str


class AcceptedLosses:
    """Those of a lake.

    Args:
        storage: The lake.
        scratch: A folder of the run's own.
    """

    def __init__(self, storage: Storage, scratch: Path) -> None:
        self._storage = storage
        self._scratch = scratch
        self._read: list[AcceptedLoss] | None = None

    def record(
        self,
        dataset: Dataset,
        losses: Mapping[str, Loss],
        published: Mapping[str, StoredObject | None],
        run_id: str,
    ) -> None:
        """Record what a run is about to let through.

        Args:
            dataset: Of what.
            losses: ISO day -> what it loses.
            published: ISO day -> the version that is replaced.
            run_id: The run.
        """
        now = datetime.now(UTC)
        rows: list[dict[str, object]] = []
        for day, loss in losses.items():
            replaced = published[day]
            if replaced and loss.before is not None:
                at = replaced.metadata.get("ecom-published")
                rows.append(
                    {
                        "dataset": dataset.path,
                        "date": date.fromisoformat(day),
                        "measure": loss.measure,
                        "old_value": str(loss.before),
                        "new_value": str(loss.now),
                        "replaced_at": datetime.fromisoformat(at) if at else None,
                        "accepted_at": now,
                        "run_id": run_id,
                    }
                )
        if not rows:
            return
        name = f"{uuid4().hex}.parquet"
        file = self._scratch / name
        parquet.write_table(pa.Table.from_pylist(rows, _SCHEMA), file, compression="zstd")
        # Told apart from the one that an answer that was lost would have us put again.
        self._storage.put(f"{FOLDER}/{name}", file, replaces=None, facts={"ecom-run": run_id})
        file.unlink()
        self._read = None

    def all(self) -> list[AcceptedLoss]:
        """Return all that were ever accepted, the newest first."""
        if self._read is None:
            files = self._storage.fetch(self._storage.etags(FOLDER), self._scratch)
            rows = [row for file in files.values() for row in parquet.read_table(file).to_pylist()]
            found = [AcceptedLoss(**row) for row in rows]
            self._read = sorted(found, key=lambda loss: (loss.accepted_at, loss.date), reverse=True)
        return self._read

    def explain(self, day: str, published_at: str) -> bool:
        """Say whether a loss of a day was accepted since a version of it was published."""
        since = datetime.fromisoformat(published_at)
        return any(loss.date.isoformat() == day and loss.accepted_at > since for loss in self.all())
