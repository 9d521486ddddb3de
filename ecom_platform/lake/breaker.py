"""The circuit breaker before publishing: days that would lose too much keep what they have.

What too much is, is said in `quality/losses.py`; here the lake is asked what was published.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from heapq import nlargest
from typing import TYPE_CHECKING

from pyarrow import parquet

from ecom_platform.engines.duckdb import text
from ecom_platform.quality.losses import AMOUNT, MEASURES, ROWS, Compared, find_losses

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from ecom_platform.datasets import Dataset
    from ecom_platform.lake.base import Storage, StoredObject
    from ecom_platform.lake.tables import Rows
    from ecom_platform.quality.audits import DayAudit
    from ecom_platform.quality.limits import LossLimits
    from ecom_platform.quality.losses import Loss
    from ecom_platform.quality.thresholds import Topic

#: The tag of a run that may lose whatever it loses, and its value.
ACCEPT_LOSS_TAG, ACCEPTED = "ecom/accept-loss", "true"
#: Where the object of a day carries its measures.
_FACT = "ecom-measures"

#: Objects asked about at once.
READERS = 32


@dataclass(frozen=True)
class CircuitBreaker:
    """What a run may lose of what was published.

    Args:
        limits: Of each dataset.
        accepts_loss: Whether somebody has said that this run may lose more.
    """

    limits: Topic[LossLimits]
    accepts_loss: bool = False

    def losses(
        self,
        storage: Storage,
        scratch: Path,
        dataset: Dataset,
        rows: Rows,
        audits: Mapping[str, DayAudit],
        published: Mapping[str, StoredObject | None],
    ) -> dict[str, Loss]:
        """Return the days that would lose too much.

        Args:
            storage: The lake.
            scratch: A folder of the run's own.
            dataset: Which; without measures nothing is lost.
            rows: What is about to be published.
            audits: ISO day -> its audit, of the days that could be published.
            published: ISO day -> its published version.
        """
        if dataset.path not in MEASURES:
            return {}
        days = {day: _compared(audit, published[day]) for day, audit in audits.items()}

        limits = self.limits.of(dataset.path)

        def of_few_rows(suspects: Iterable[str]) -> Decimal:
            paths = {day: dataset.object_path(day) for day in suspects}
            files = storage.fetch(paths.values(), scratch)
            lost = (
                amount
                for day, path in paths.items()
                for amount in _largest(rows, dataset, day, files[path], limits.rows)
            )
            return sum(nlargest(limits.rows, lost), Decimal(0))

        is_emptied = rows.source_is_empty and _has_rows(storage, dataset)
        return find_losses(dataset, days, limits, of_few_rows, is_emptied=is_emptied)


def measure_facts(audit: DayAudit) -> dict[str, str]:
    """Return what an object says of its measures, so that the next version can be compared."""
    if not audit.measures:
        return {}
    return {_FACT: json.dumps(audit.measures, default=str, separators=(",", ":"))}


def _compared(audit: DayAudit, published: StoredObject | None) -> Compared:
    facts = published.metadata if published else {}
    # Of an empty day, the types of ids that are not there may differ.
    is_empty = not audit.rows and facts.get("ecom-rows") == "0"
    same = is_empty or facts.get("ecom-content") == audit.content
    if _FACT in facts:
        before = {name: Decimal(value) for name, value in json.loads(facts[_FACT]).items()}
        return Compared(before, audit.measures, same)
    if "ecom-rows" in facts:  # all that a version without measures says
        return Compared({ROWS: Decimal(facts["ecom-rows"])}, {ROWS: Decimal(audit.rows)}, same)
    return Compared(None, audit.measures)  # there is none, or it is damaged and has no facts


def _has_rows(storage: Storage, dataset: Dataset) -> bool:
    """Say whether any day of a dataset was published with rows."""
    with ThreadPoolExecutor(READERS) as pool:
        found = pool.map(storage.stat, storage.etags(dataset.path))
        return any(stored and stored.metadata.get("ecom-rows", "0") != "0" for stored in found)


def _largest(rows: Rows, dataset: Dataset, day: str, published: Path, count: int) -> list[Decimal]:
    """Return how much money the ids of a published day have lost, the largest losses of them."""
    amount = MEASURES[dataset.path][AMOUNT].value

    def by_id(table: str) -> str:
        value = f"coalesce(sum({amount}), 0) AS amount"
        return f"SELECT CAST(id AS VARCHAR) AS id, {value} FROM {table} GROUP BY ALL"

    rows.connection.register("published", parquet.read_table(published, partitioning=None))
    found = rows.connection.execute(
        f"WITH old AS ({by_id('published')}), "
        f"new AS ({by_id(f'{rows.table} WHERE date = {text(day)}')}) "
        "SELECT old.amount - coalesce(new.amount, 0) AS lost "
        "FROM old LEFT JOIN new ON old.id IS NOT DISTINCT FROM new.id "
        f"WHERE lost > 0 ORDER BY lost DESC LIMIT {count}"
    ).fetchall()
    rows.connection.unregister("published")
    return [lost for (lost,) in found]
