"""Runs over ranges of days: how they are tagged, and which days they are at work on."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import dagster as dg
from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    PARTITION_NAME_TAG,
)

from ecom_platform.calendar import days_between
from ecom_platform.lake.ledger import CAUSE_TAG, LATE_DATA

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from datetime import datetime

    from ecom_platform.datasets import Dataset


def range_tags(first: date, last: date) -> dict[str, str]:
    """Return the tags of a run over a range that is there because data came late."""
    return {
        ASSET_PARTITION_RANGE_START_TAG: first.isoformat(),
        ASSET_PARTITION_RANGE_END_TAG: last.isoformat(),
        CAUSE_TAG: LATE_DATA,
    }


def range_request(first: date, last: date, now: datetime) -> dg.RunRequest:
    """Return the request of a run over days that have changed."""
    return dg.RunRequest(
        # The moment is part of it: keys count for ever, and a day may change again and back.
        run_key=f"{now.isoformat()}/{first}/{last}",
        tags=range_tags(first, last),
    )


def busy_days(instance: dg.DagsterInstance, *, layer: str | None = None) -> set[date]:
    """Return the days that a run is working on, or waits to.

    Args:
        instance: Whose runs.
        layer: Count only runs that make something of this layer.
    """
    busy: set[date] = set()
    for run in instance.get_runs(dg.RunsFilter(statuses=list(NOT_FINISHED_STATUSES))):
        if _makes(run.asset_selection, layer):
            busy.update(map(date.fromisoformat, days_of(run.tags)))
    return busy


def days_of(tags: Mapping[str, str]) -> list[str]:
    """Return the days that a run is about, ISO; none where it is about no days."""
    day = tags.get(PARTITION_NAME_TAG)
    first = tags.get(ASSET_PARTITION_RANGE_START_TAG, day)
    last = tags.get(ASSET_PARTITION_RANGE_END_TAG, first)
    if not first or not last:
        return []
    days = days_between(date.fromisoformat(first), date.fromisoformat(last))
    return [one.isoformat() for one in days]


def datasets_of(run: dg.DagsterRun, datasets: Iterable[Dataset]) -> list[str]:
    """Return which of some datasets a run makes, as `layer/name`; none for one of checks."""
    paths = [dataset.path for dataset in datasets]
    if run.asset_selection is not None:
        selected = {"/".join(key.path) for key in run.asset_selection}
        paths = [path for path in paths if path in selected]
    if run.step_keys_to_execute is not None:  # one that goes on where another failed
        paths = [path for path in paths if _step_of(path) in run.step_keys_to_execute]
    return paths


def _step_of(path: str) -> str:
    layer, name = path.split("/")
    return f"clean_{name}" if layer in ("cleaned", "quarantine") else f"{layer}__{name}"


def _makes(selection: Collection[dg.AssetKey] | None, layer: str | None) -> bool:
    return not layer or not selection or any(key.path[0] == layer for key in selection)
