"""What has been delivered, by listing alone: each day's folder, or a table's files as one.

What is in the files is read in `snapshot.py`.
"""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ecom_platform.sources.files.markers import MARKERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import date

    from ecom_platform.sources.files.layout import Layout
    from ecom_platform.sources.files.store import StoredFile

#: Characters of a version: 48 bits.
VERSION_LENGTH = 8


@dataclass(frozen=True)
class Delivery:
    """The files of one day of a table, or of a table that is not filed by day.

    Args:
        table: Which table.
        day: Which day; None for the whole table.
        version: Another one when any of the files is another.
        size: Bytes.
    """

    table: str
    day: date | None
    version: str
    size: int

    @property
    def name(self) -> str:
        """What it is called in a cursor: `orders`, or `orders/2025-03-01`."""
        return f"{self.table}/{self.day}" if self.day else self.table


def deliveries(
    layouts: Mapping[str, Layout], first: date, last: date, *, has_markers: bool
) -> Iterator[Delivery]:
    """Yield what there is of the days `first` to `last`.

    The version of a table that is not filed by day is also another one once there is another
    last day, and that of such payments once orders are others: they say the day of a payment
    that is not paid.

    Args:
        layouts: Of the tables that can be read.
        first: The first day.
        last: The last day.
        has_markers: Whether markers matter.
    """
    for table, layout in layouts.items():
        if not layout.is_daily:
            files = list(layout.files)
            if table == "payments" and "orders" in layouts:
                files += [file for file, _ in layouts["orders"].dated_files]
            size = sum(file.size for file in layout.files)
            yield Delivery(table, None, digest([str(last), *_facts(files)]), size)
        for day, files in layout.folders.items():
            if first <= day <= last:
                counted = [f for f in files if has_markers or not f.path.endswith(MARKERS)]
                size = sum(file.size for file in counted)
                yield Delivery(table, day, digest(_facts(counted)), size)


def digest(facts: Iterable[str]) -> str:
    """Return a short text that is another one for other facts."""
    hashed = hashlib.sha256("\n".join(facts).encode("utf-8", "surrogateescape")).digest()
    return urlsafe_b64encode(hashed).decode()[:VERSION_LENGTH]


def _facts(files: Iterable[StoredFile]) -> list[str]:
    return sorted(f"{file.path} {file.size} {file.version}" for file in files)
