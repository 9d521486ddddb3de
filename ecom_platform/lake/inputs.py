"""Which versions of its inputs a day was computed from: what tells whether it is up to date."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

import dagster as dg

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: In the metadata of a published day: the hash of its inputs.
INPUTS = "inputs"


@dataclass(frozen=True)
class Window:
    """Which days of an input a day needs: from so many before it to so many after it."""

    before: int = 0
    after: int = 0

    def needed(self, day: str, start: date) -> list[str]:
        """Return the days of the input that a day needs, none before the first partition."""
        own = date.fromisoformat(day)
        days = (own + timedelta(days=n) for n in range(-self.before, self.after + 1))
        return [needed.isoformat() for needed in days if needed >= start]

    def affected(self, day: str, start: date, last: date) -> list[str]:
        """Return the days that need a day of the input, among the partitions that are over."""
        own = date.fromisoformat(day)
        days = (own + timedelta(days=n) for n in range(-self.after, self.before + 1))
        return [affected.isoformat() for affected in days if start <= affected <= last]


def window_of(mapping: dg.PartitionMapping | None) -> Window:
    """Return the window that a dependency's partition mapping declares."""
    if isinstance(mapping, dg.TimeWindowPartitionMapping):
        return Window(-mapping.start_offset, mapping.end_offset)
    return Window()


def hash_of_inputs(
    day: str, inputs: Mapping[str, tuple[Window, Mapping[str, str]]], start: date
) -> str:
    """Return a hash of the versions that a day is computed from.

    Args:
        day: ISO.
        inputs: `layer/name` -> what is needed of it, and ISO day -> content of its partitions.
        start: The first partition.
    """
    return hashlib.sha256("\n".join(_lines(day, inputs, start)).encode()).hexdigest()[:16]


def _lines(
    day: str, inputs: Mapping[str, tuple[Window, Mapping[str, str]]], start: date
) -> Iterable[str]:
    for path, (window, contents) in sorted(inputs.items()):
        for needed in window.needed(day, start):
            yield f"{path} {needed} {contents.get(needed, '')}"
