"""Whether every day that is due is published, and was when it was last made."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING

import dagster as dg
from dagster._core.storage.partition_status_cache import AssetPartitionStatus

from ecom_platform.calendar import days_between, ranges
from ecom_platform.findings import OK, WRONG, Finding
from ecom_platform.freshness import newest_due
from ecom_platform.lake.storage import open_storage

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ecom_platform.datasets import Dataset
    from ecom_platform.settings import Settings

#: Ranges of days that a finding spells out.
SHOWN = 5


def missing_days(settings: Settings, datasets: Sequence[Dataset], now: datetime) -> set[date]:
    """Return the days that should be published by now, and of which a dataset is not.

    Raises:
        LakeError: The lake cannot be read.
    """
    due = list(days_between(settings.start_date, newest_due(settings, now)))
    storage = open_storage(settings.lake)
    missing: set[date] = set()
    for dataset in datasets:
        stored = storage.etags(dataset.path)
        missing |= {day for day in due if dataset.object_path(day.isoformat()) not in stored}
    return missing


def examine_days(
    settings: Settings, datasets: Sequence[Dataset], instance: dg.DagsterInstance, now: datetime
) -> Iterator[Finding]:
    """Look at the days, and yield what is found.

    Raises:
        LakeError: The lake cannot be read.
    """
    newest = newest_due(settings, now)
    if newest < settings.start_date:
        yield Finding(OK, "days", "no day is due yet")
        return
    due = list(days_between(settings.start_date, newest))
    missing = missing_days(settings, datasets, now)
    if missing:
        complete = max(set(due) - missing, default=None)
        late = f"; the newest complete one is {complete or 'none'}" if newest in missing else ""
        yield Finding(
            WRONG,
            "days",
            f"{len(missing)} of {len(due)} days are not complete: {_listed(missing)}{late}",
            f"Run: ecom run --from {min(missing)} --to {max(missing)}",
        )
    else:
        yield Finding(OK, "days", f"all {len(due)} days up to {newest} are published")
    failed = _failed_days(settings, datasets, instance, due)
    if failed:
        yield Finding(
            WRONG,
            "last attempts",
            f"failed, so that these days show what they had before ({len(failed)}): "
            f"{_listed(failed)}",
            "Dagster says at the asset why; mend it, and run these days again.",
        )


def _failed_days(
    settings: Settings, datasets: Sequence[Dataset], instance: dg.DagsterInstance, due: list[date]
) -> set[date]:
    names, partitions = [day.isoformat() for day in due], settings.calendar.partitions
    failed: set[date] = set()
    for dataset in datasets:
        key = dg.AssetKey(dataset.path.split("/"))
        statuses = instance.get_status_by_partition(key, names, partitions) or {}
        failed |= {
            date.fromisoformat(name)
            for name, status in statuses.items()
            if status is AssetPartitionStatus.FAILED
        }
    return failed


def _listed(days: Iterable[date]) -> str:
    found = ranges(days)
    return ("… " if len(found) > SHOWN else "") + ", ".join(found[-SHOWN:])
