"""`ecom show` and `ecom export`: days of a dataset, on the screen or in a file."""

from __future__ import annotations

import csv
import json
import sys
import tempfile
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from ecom_platform.assets.metrics import METRICS
from ecom_platform.calendar import days_between
from ecom_platform.datasets import CLEANED, QUARANTINE, RAW, Dataset
from ecom_platform.engines.duckdb import Engine, add_view, quote, text
from ecom_platform.errors import EcomError, MissingPartitionError
from ecom_platform.lake.publish import Lake
from ecom_platform.lake.storage import FolderStorage, open_storage

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import date
    from typing import TextIO

    from ecom_platform.engines.duckdb import Connection
    from ecom_platform.settings import Settings

DONE, SOME_DAYS_MISSING = 0, 2


def show_metric(
    settings: Settings, name: str, first: date, last: date, region: str | None, form: str
) -> int:
    """Print a metric's rows; return the exit code.

    Raises:
        EcomError: There is no such metric, or none of the days was computed.
    """
    metrics = {metric.name: metric.dataset for metric in METRICS}
    if name not in metrics:
        raise EcomError(
            f"There is no metric {name}.", hint=f"It is one of {', '.join(sorted(metrics))}."
        )
    dataset = metrics[name]
    with _view(settings, dataset, first, last) as (connection, missing):
        rows = connection.execute(_query(dataset, region)).fetchall()
    {"table": _print_table, "csv": _print_csv, "json": _print_json}[form](name, _columns(dataset), rows)
    return _warn(dataset, missing)


def read_days(
    settings: Settings, name: str, first: date, last: date, region: str
) -> list[dict[str, object]]:
    """Return a metric's rows of one region, as column -> value."""
    dataset = next(metric.dataset for metric in METRICS if metric.name == name)
    with _view(settings, dataset, first, last) as (connection, _):
        rows = connection.execute(_query(dataset, region)).fetchall()
    return [dict(zip(_columns(dataset), row, strict=True)) for row in rows]


def export_dataset(
    settings: Settings, name: str, first: date, last: date, file: Path, form: str
) -> int:
    """Write a dataset's rows to a file, without its personal columns; return the exit code.

    Raises:
        EcomError: There is no such dataset, or none of the days was computed, or the file
            cannot be written.
    """
    known = {d.path: d for d in (*RAW, *CLEANED, *QUARANTINE, *(m.dataset for m in METRICS))}
    dataset = known.get(name) or known.get(f"metrics/{name}")
    if dataset is None:
        raise EcomError(
            f"There is no dataset {name}.", hint=f"It is one of {', '.join(sorted(known))}."
        )
    columns = _columns(dataset)
    order = ", ".join(["date", *(quote(column) for column in dataset.order)])
    query = (
        f"SELECT {', '.join(map(quote, columns))} "
        f"FROM {quote(dataset.layer)}.{quote(dataset.name)} ORDER BY {order}"
    )
    with _view(settings, dataset, first, last) as (connection, missing):
        try:
            if form == "parquet":
                from pyarrow import parquet

                batches = connection.execute(query).to_arrow_reader(100_000)
                with parquet.ParquetWriter(file, batches.schema, compression="zstd") as writer:
                    for batch in batches:
                        writer.write_batch(batch)
            else:
                rows = connection.execute(query)
                with file.open("w", newline="", encoding="utf-8") as out:
                    _write_csv(out, columns, iter(rows.fetchone, None))
        except OSError as error:
            raise EcomError(
                f"{file} cannot be written: {error.strerror}.", hint="Choose another --output."
            ) from error
    return _warn(dataset, missing)


def _columns(dataset: Dataset) -> list[str]:
    return ["date", *(column.name for column in dataset.columns if not column.pii)]


def _query(dataset: Dataset, region: str | None) -> str:
    columns = ", ".join(map(quote, _columns(dataset)))
    where = f"WHERE region = {text(region)}" if region else ""
    order = ", ".join(["date", "region <> 'all'", *(quote(key) for key in dataset.key)])
    return f"SELECT {columns} FROM {dataset.layer}.{quote(dataset.name)} {where} ORDER BY {order}"


@contextmanager
def _view(
    settings: Settings, dataset: Dataset, first: date, last: date
) -> Iterator[tuple[Connection, list[str]]]:
    """Open the days of a dataset as a view; yield the connection and the days that are missing."""
    storage = open_storage(settings.lake)
    folders = [storage.root] if isinstance(storage, FolderStorage) else []
    days = [day.isoformat() for day in days_between(first, last)]
    with tempfile.TemporaryDirectory(prefix="ecom-") as scratch:
        lake = Lake(storage, settings.calendar, Path(scratch), "")
        table = lake.table(dataset, days)
        if not table.days:
            raise MissingPartitionError(
                f"{dataset.path} was never computed for {first} to {last}.",
                hint=f"Run: ecom run --from {first} --to {last}",
            )
        with Engine(settings, Path(scratch), folders).connect() as connection:
            add_view(connection, table.partitions())
            yield connection, sorted(table.missing)


def _warn(dataset: Dataset, missing: Sequence[str]) -> int:
    if not missing:
        return DONE
    more = f" and {len(missing) - 1} more days" if len(missing) > 1 else ""
    print(f"{dataset.path} was never computed for {missing[0]}{more}.", file=sys.stderr)
    return SOME_DAYS_MISSING


def _print_table(name: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    table = Table(title=name, title_justify="left")
    for column in columns:
        table.add_column(column, justify="left" if column in ("date", "region", "status") else "right")
    for row in rows:
        table.add_row(*(display(value) for value in row))
    Console(highlight=False, markup=False).print(table)


def display(value: object) -> str:
    """Return a value for people: thousands separated, money with two decimals, ratios with four."""
    if value is None:
        return "–"
    if isinstance(value, Decimal):
        return f"{value:,.2f}"
    if isinstance(value, float):
        return f"{value:,.4f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _print_csv(name: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    del name
    _write_csv(sys.stdout, columns, rows)


def _write_csv(out: TextIO, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_cell(value) for value in row] for row in rows)


def _cell(value: object) -> object:
    if isinstance(value, Decimal):
        return f"{value:.2f}"
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return f"'{value}"  # a spreadsheet would run it as a formula
    return value


def _print_json(name: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    del name
    lines = [
        "{" + ", ".join(f"{json.dumps(c)}: {_json(v)}" for c, v in zip(columns, row, strict=True))
        + "}"
        for row in rows
    ]  # fmt: skip
    print("[" + ",\n ".join(lines) + "]")


def _json(value: object) -> str:
    if isinstance(value, Decimal):
        return f"{value:.2f}"  # a JSON number with both decimals, which no float could promise
    return json.dumps(value if isinstance(value, int | float | str | None) else str(value))
