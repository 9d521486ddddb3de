"""`ecom show`: days of a metric on the screen; and how commands read days of a dataset."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ecom_platform.assets.metrics import METRICS
from ecom_platform.calendar import contiguous_ranges
from ecom_platform.commands.formats import messages, write_csv, write_json, write_table
from ecom_platform.commands.outcome import DONE, SOME_DAYS_FAILED
from ecom_platform.engines.duckdb import Engine, add_view, quote, text
from ecom_platform.engines.explain import explain_sql_errors
from ecom_platform.errors import EcomError, MissingPartitionError
from ecom_platform.lake.as_of import add_days_as_of
from ecom_platform.lake.publish import Lake
from ecom_platform.lake.storage import FolderStorage, open_storage
from ecom_platform.scratch import scratch_folder

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from datetime import date, datetime

    from ecom_platform.datasets import Dataset
    from ecom_platform.engines.duckdb import Connection
    from ecom_platform.settings import Settings


def show_metric(
    settings: Settings,
    name: str,
    first: date,
    last: date,
    region: str | None,
    form: str,
    as_of: datetime | None,
) -> int:
    """Print a metric's rows as `table`, `csv` or `json`; return the exit code.

    Args:
        settings: Where the lake is.
        name: Of the metric.
        first: First day.
        last: Last day.
        region: Only this one.
        form: `table`, `csv` or `json`.
        as_of: Print what was published at this moment; in ECOM_TIMEZONE where it has no zone.

    Raises:
        EcomError: There is no such metric, or none of the days was computed.
    """
    dataset = find_metric(name)
    columns = columns_of(dataset)
    with open_days(settings, dataset, first, last, as_of) as (connection, missing):
        rows = _rows(connection, dataset, region)
        if region and not rows:
            known = connection.execute(
                "SELECT DISTINCT region FROM days ORDER BY region"
            ).fetchall()
            names = ", ".join(region for (region,) in known) or "none"
            message = f"No region {region} here; there is {names}."
            messages().print(message, markup=False)
    if form == "table":
        write_table(name, columns, rows)
    elif form == "csv":
        write_csv(columns, rows, sys.stdout)
    else:
        write_json(columns, rows)
    return warn_of_missing(dataset, missing)


def read_days(
    settings: Settings, name: str, first: date, last: date, region: str
) -> list[dict[str, Any]]:
    """Return a metric's rows of one region, as column -> value."""
    dataset = next(metric.dataset for metric in METRICS if metric.name == name)
    with open_days(settings, dataset, first, last) as (connection, _):
        rows = _rows(connection, dataset, region)
    return [dict(zip(columns_of(dataset), row, strict=True)) for row in rows]


def find_metric(name: str) -> Dataset:
    """Return the dataset of a metric.

    Raises:
        EcomError: There is no such metric.
    """
    metrics = {metric.name: metric.dataset for metric in METRICS}
    if name not in metrics:
        raise EcomError(
            f"There is no metric {name}.", hint=f"It is one of {', '.join(sorted(metrics))}."
        )
    return metrics[name]


def columns_of(dataset: Dataset) -> list[str]:
    """Return the columns that leave the platform: `date` and all that identify nobody."""
    return ["date", *(column.name for column in dataset.columns if not column.pii)]


@contextmanager
def open_days(
    settings: Settings,
    dataset: Dataset,
    first: date,
    last: date,
    as_of: datetime | None = None,
) -> Generator[tuple[Connection, list[date]]]:
    """Open days of a dataset as the view `days`; yield the connection and missing days.

    With `as_of`, what was published of a metric at that moment.

    Raises:
        SettingsError: A day is not over yet or before the first, or the range is empty.
        MissingPartitionError: None of the days was computed.
        LakeError: A file of the lake is damaged.
    """
    days = settings.calendar.closed_range(first, last)
    storage = open_storage(settings.lake)
    folders = [storage.root] if isinstance(storage, FolderStorage) else []
    with scratch_folder() as scratch:
        lake = Lake(storage, settings.calendar, scratch, "")
        table = lake.table(dataset, [day.isoformat() for day in days])
        if not table.days:
            raise MissingPartitionError(
                f"{dataset.path} was never computed for {_span(first, last)} "
                f"in the lake {settings.lake}.",
                hint=f"Run: ecom run --from {first} --to {last}",
            )
        engine = Engine(settings, scratch, folders)
        with engine.connect() as connection, explain_sql_errors(connection, dataset):
            missing = set(table.missing)
            if as_of is None:
                add_view(connection, table.partitions(), "days")
            else:
                moment = as_of if as_of.tzinfo else as_of.replace(tzinfo=settings.calendar.zone)
                add_view(connection, table.partitions(), "now")
                missing |= add_days_as_of(
                    connection, lake.ledger, dataset, table.days, moment, view="now", table="days"
                )
            yield connection, [day for day in days if day.isoformat() in missing]


def warn_of_missing(dataset: Dataset, missing: Sequence[date]) -> int:
    """Say which days were never computed, and how to; return the exit code."""
    for first, last in contiguous_ranges(missing):
        messages().print(
            f"{dataset.path} was never computed for {_span(first, last)}.\n"
            f"  What to do: Run: ecom run --from {first} --to {last}"
        )
    return SOME_DAYS_FAILED if missing else DONE


def _span(first: date, last: date) -> str:
    return f"{first} to {last}" if first != last else str(first)


def _rows(connection: Connection, dataset: Dataset, region: str | None) -> list[tuple[Any, ...]]:
    columns = ", ".join(map(quote, columns_of(dataset)))
    where = f"WHERE region = {text(region)}" if region else ""
    order = ", ".join(["date", "region <> 'all'", *(quote(key) for key in dataset.key)])
    return connection.execute(f"SELECT {columns} FROM days {where} ORDER BY {order}").fetchall()
