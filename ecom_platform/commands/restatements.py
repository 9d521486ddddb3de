"""`ecom restatements`: which published numbers were changed, when and why."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from ecom_platform.assets.metrics import METRICS
from ecom_platform.commands.formats import write_csv, write_json, write_table
from ecom_platform.commands.outcome import DONE
from ecom_platform.commands.show import find_metric
from ecom_platform.lake.ledger import Ledger
from ecom_platform.lake.storage import open_storage
from ecom_platform.scratch import scratch_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import date

    from ecom_platform.datasets import Dataset
    from ecom_platform.settings import Settings

#: What fits a terminal; the others are for programs.
SHOWN = ("metric", "date", "region", "column", "old", "new", "published_at", "settled", "cause")
COLUMNS = (
    "metric", "date", "region", "column", "old", "new", "change",
    "replaced_at", "published_at", "settled", "cause", "run",
)  # fmt: skip


def show_restatements(
    settings: Settings, metric: str | None, first: date | None, last: date | None, form: str
) -> int:
    """Print the restatements of the days as `table`, `csv` or `json`; return the exit code.

    Raises:
        EcomError: There is no such metric.
        SettingsError: A day is not over yet or before the first, or the range is empty.
    """
    calendar = settings.calendar
    days = calendar.closed_range(first or settings.start_date, last or calendar.last_closed())
    datasets = [find_metric(metric)] if metric else [m.dataset for m in METRICS]
    with scratch_folder() as scratch:
        ledger = Ledger(open_storage(settings.lake), scratch)
        keys = [day.isoformat() for day in days]
        rows = [row for d in datasets for row in _rows(settings, ledger, d, keys)]
    if form == "table":
        places = [COLUMNS.index(column) for column in SHOWN]
        write_table("Restatements", SHOWN, [[row[place] for place in places] for row in rows])
    elif form == "csv":
        write_csv(COLUMNS, rows, sys.stdout)
    else:
        write_json(COLUMNS, rows)
    return DONE


def _rows(
    settings: Settings, ledger: Ledger, dataset: Dataset, days: Sequence[str]
) -> Iterator[list[Any]]:
    zone = settings.calendar.zone
    for day, entries in ledger.history(dataset, days).items():
        for entry in reversed(entries):
            replaced, published = (
                moment.astimezone(zone).isoformat(" ", "milliseconds")
                for moment in (entry.replaced_at, entry.published_at)
            )
            settled = "yes" if settings.is_settled(day, entry.published_at) else "no"
            for found in entry.restatements:
                # A further key, such as a payment's status, belongs to what the number is.
                more = [str(value) for name, value in found.key.items() if name != "region"]
                yield [
                    dataset.name,
                    day,
                    found.key.get("region"),
                    " ".join([found.column, *more]),
                    found.old,
                    found.new,
                    found.change,
                    replaced,
                    published,
                    settled,
                    entry.cause,
                    entry.run_id,
                ]
