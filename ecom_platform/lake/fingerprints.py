"""Which rows of the source a day was made of, as its object says; publishing it is elsewhere."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import date

    from ecom_platform.datasets import Dataset
    from ecom_platform.lake.base import Storage

#: The fact of a day, among those of `Rows`, that is the source's fingerprint of it.
SOURCE_FINGERPRINT = "source_fingerprint"
#: Where the object of the day carries it.
SOURCE_FACT = "ecom-source"
#: Likewise how many of its rows are filed under it for want of a day.
UNDATED_ROWS, UNDATED_FACT = "undated_rows", "ecom-undated"

#: Objects asked about at once.
READERS = 32


def origin_facts(code: str, facts: Mapping[str, int | float | str]) -> dict[str, str]:
    """Return what an object says of its origin: the code, and the source's rows where known."""
    kept = {SOURCE_FACT: facts.get(SOURCE_FINGERPRINT), UNDATED_FACT: facts.get(UNDATED_ROWS)}
    return {"ecom-code": code, **{name: str(fact) for name, fact in kept.items() if fact}}


def recorded_fingerprints(
    storage: Storage, datasets: Iterable[Dataset], days: Iterable[date]
) -> dict[Dataset, dict[date, str]]:
    """Return the fingerprints that some days were published with.

    Days that were never published are left out. One that was published without a fingerprint
    has the empty text.
    """
    wanted = [(dataset, day) for dataset in datasets for day in days]
    found: dict[Dataset, dict[date, str]] = {dataset: {} for dataset, _ in wanted}
    with ThreadPoolExecutor(READERS) as pool:
        objects = pool.map(lambda one: storage.stat(one[0].object_path(one[1].isoformat())), wanted)
        for (dataset, day), stored in zip(wanted, objects, strict=True):
            if stored is not None:
                found[dataset][day] = stored.metadata.get(SOURCE_FACT, "")
    return found
