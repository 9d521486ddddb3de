"""`ecom export`: days of any dataset in one file, for other people's tools."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from ecom_platform.assets.metrics import METRICS
from ecom_platform.commands.files import whole_file
from ecom_platform.commands.formats import write_csv
from ecom_platform.commands.show import columns_of, open_days, warn_of_missing
from ecom_platform.datasets import CLEANED, QUARANTINE, RAW
from ecom_platform.engines.duckdb import quote
from ecom_platform.errors import EcomError

if TYPE_CHECKING:
    from datetime import date
    from pathlib import Path

    from pyarrow import RecordBatchReader

    from ecom_platform.engines.duckdb import Connection
    from ecom_platform.settings import Settings

#: Rows held in memory at once.
BATCH = 100_000


def export_dataset(
    settings: Settings, name: str, first: date, last: date, file: Path, *, parquet: bool
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
    columns = columns_of(dataset)
    order = ", ".join(["date", *(quote(column) for column in dataset.order)])
    query = f"SELECT {', '.join(map(quote, columns))} FROM days ORDER BY {order}"
    write = _write_parquet if parquet else _write_csv
    with (
        open_days(settings, dataset, first, last) as (connection, missing),
        whole_file(file) as part,
    ):
        write(connection, query, columns, part)
    return warn_of_missing(dataset, missing)


def _write_parquet(connection: Connection, query: str, columns: list[str], file: Path) -> None:
    from pyarrow import parquet

    del columns
    batches = cast("RecordBatchReader", connection.sql(query).to_arrow_reader(BATCH))
    with parquet.ParquetWriter(file, batches.schema, compression="zstd") as writer:
        for batch in batches:
            writer.write_batch(batch)


def _write_csv(connection: Connection, query: str, columns: list[str], file: Path) -> None:
    rows = connection.execute(query)
    with file.open("w", newline="", encoding="utf-8") as out:
        write_csv(columns, iter(rows.fetchone, None), out)
