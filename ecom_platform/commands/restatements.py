"""`ecom restatements`: which published numbers were changed, when and why."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from ecom_platform.assets.metrics import METRICS
from ecom_platform.commands.formats import write_csv, write_json, write_table
from ecom_platform.commands.outcome import DONE
from ecom_platform.commands.show import find_metric
from ecom_platform.lake.accepted_losses import AcceptedLosses
from ecom_platform.lake.ledger import ACCEPTED_LOSS, Ledger
from ecom_platform.lake.storage import open_storage
from ecom_platform.scratch import scratch_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import date, datetime

    from ecom_platform.datasets import Dataset
    from ecom_platform.lake.accepted_losses import AcceptedLoss
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
        storage = open_storage(settings.lake)
        ledger = Ledger(storage, scratch)
        keys = [day.isoformat() for day in days]
        rows = [row for d in datasets for row in _rows(settings, ledger, d, keys)]
        if not metric:
            losses = AcceptedLosses(storage, scratch).all()
            rows += [_loss(settings, loss) for loss in losses if loss.date.isoformat() in keys]
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
    for day, entries in ledger.history(dataset, days).items():
        for entry in reversed(entries):
            replaced = _local(settings, entry.replaced_at)
            published = _local(settings, entry.published_at)
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


def _loss(settings: Settings, loss: AcceptedLoss) -> list[Any]:
    """Return the row of a loss that was accepted: it is there though no metric may show it."""
    day = loss.date.isoformat()
    return [
        loss.dataset,
        day,
        None,
        loss.measure,
        loss.old_value,
        loss.new_value,
        "accepted",
        loss.replaced_at and _local(settings, loss.replaced_at),
        _local(settings, loss.accepted_at),
        "yes" if settings.is_settled(day, loss.accepted_at) else "no",
        ACCEPTED_LOSS,
        loss.run_id,
    ]


def _local(settings: Settings, moment: datetime) -> str:
    return moment.astimezone(settings.calendar.zone).isoformat(" ", "milliseconds")
