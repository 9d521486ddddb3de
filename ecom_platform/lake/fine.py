"""What people said of a day that a check complained about: this was fine.

One small object for each such word, `quality/fine/LAYER/NAME/CHECK/date=DAY/….parquet`. What
it means for the check is in `assets/anomalies.py`. Deleting the object takes the word back.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pyarrow as pa
from pyarrow import parquet

from ecom_platform.errors import LakeError
from ecom_platform.privacy import redact

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ecom_platform.lake.base import Storage

FOLDER = "quality/fine"

_NAME = re.compile(r"[A-Za-z0-9_-]+")
_COLUMNS = pa.schema(
    [
        ("check", pa.string()),
        ("asset", pa.string()),
        ("day", pa.date32()),
        ("region", pa.string()),
        ("note", pa.string()),
        ("marked_at", pa.timestamp("us", "UTC")),
    ]
)


@dataclass(frozen=True)
class Fine:
    """One day that somebody said was fine.

    Args:
        check: The check that complained.
        asset: `layer/name` it is about.
        day: The business day.
        region: The region; None for all of them.
        note: Why, in the person's own words, without e-mail addresses.
        marked_at: When it was said.
    """

    check: str
    asset: str
    day: date
    region: str | None
    note: str
    marked_at: datetime


def mark_fine(
    storage: Storage, check: str, asset: str, day: date, region: str | None, note: str
) -> str:
    """Record that a day was fine; return the address of the object that says so.

    From the next time that the day is checked, the check passes on it. Days after it that are
    at the same level pass too, for as many weeks as make up what is usual. Said again of the
    same day and region, the newer note replaces the older one.

    Args:
        storage: The lake.
        check: Name of the check, such as `value_is_usual`.
        asset: `layer/name` that the check is of.
        day: The business day.
        region: As the check's answer names it; None for the whole day.
        note: Why.

    Raises:
        LakeError: The names are none of a check and an asset, or the lake cannot be written.
        PublishConflictError: Somebody else was saying so at the same moment.
    """
    layer, _, name = asset.partition("/")
    for word in (check, layer, name):
        if not _NAME.fullmatch(word):
            raise LakeError(
                f"There is no check {check!r} of an asset {asset!r}.",
                hint="Name them as Dagster does, such as value_is_usual of metrics/total_orders.",
            )
    row = Fine(check, asset, day, region, redact(note), datetime.now(UTC))
    # A region may have any name; a path may not.
    digest = hashlib.sha256((region or "").encode()).hexdigest()[:16]
    path = f"{FOLDER}/{asset}/{check}/date={day.isoformat()}/{digest}.parquet"
    current = storage.stat(path)
    with TemporaryDirectory() as folder:
        file = Path(folder, "fine.parquet")
        parquet.write_table(pa.Table.from_pylist([vars(row)], _COLUMNS), file)
        # What makes it this very word: S3 may ask whether it was this one that arrived.
        facts = {"ecom-marked": row.marked_at.isoformat()}
        storage.put(path, file, replaces=current.etag if current else None, facts=facts)
    return storage.uri(path)


def read_fine(storage: Storage, asset: str, days: Iterable[date], scratch: Path) -> list[Fine]:
    """Return what was said of some days of an asset.

    Args:
        storage: The lake.
        asset: `layer/name`.
        days: The business days.
        scratch: A folder for what must be downloaded.

    Raises:
        LakeError: The lake cannot be read.
    """
    wanted = {f"date={day.isoformat()}" for day in days}
    paths = [p for p in storage.etags(f"{FOLDER}/{asset}") if p.split("/")[-2] in wanted]
    files = storage.fetch(paths, scratch)
    rows = (parquet.read_table(file, partitioning=None).to_pylist() for file in files.values())
    return [Fine(**row) for found in rows for row in found]
