"""From the rows that a database sends to Parquet files of a raw dataset, filed under days.

Nothing here connects. Memory is bounded by the batches: each becomes a row group.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from pyarrow import compute, parquet

from ecom_platform.calendar import ONE_DAY, days_between
from ecom_platform.datasets import Type

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import numpy.typing as npt

    from ecom_platform.calendar import Calendar
    from ecom_platform.datasets import Column, Dataset

    #: Columns and batches whose types the stubs of pyarrow do not know.
    Values = Any
    Batch = Any
    Days = npt.NDArray[np.int32]
    Places = npt.NDArray[np.int64]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class RawFile:
    """A Parquet file of some days of a raw dataset.

    Args:
        path: Where it is written.
        dataset: The raw dataset.
        calendar: What a business day is.
        first: The first day.
        last: The last day.
    """

    def __init__(
        self, path: Path, dataset: Dataset, calendar: Calendar, first: date, last: date
    ) -> None:
        self._path = path
        self._dataset = dataset
        self._start, self._first, self._last = (
            (day - _EPOCH.date()).days for day in (calendar.start, first, last)
        )
        self._begins = np.array(
            [
                (calendar.start_of(day) - _EPOCH) // _MICROSECOND
                for day in days_between(first, last + ONE_DAY)
            ],
            np.int64,
        )

    def write(self, batches: Iterable[pa.RecordBatch]) -> Path | None:
        """Write the rows of the days; return the file, or None when there are none.

        Args:
            batches: The raw columns, with money in hundredths (BIGINT).
        """
        writer: parquet.ParquetWriter | None = None
        try:
            for batch in batches:
                filed = self._file(batch)
                if filed.num_rows == 0:
                    continue
                if writer is None:
                    writer = parquet.ParquetWriter(self._path, filed.schema, **self._encoding())
                writer.write_batch(filed)
        finally:
            if writer is not None:
                writer.close()
        return self._path if writer else None

    def _encoding(self) -> dict[str, Any]:
        """Words repeat; to look for repetitions among ids and amounts would be in vain."""
        words = [column.name for column in self._dataset.columns if column.type is Type.TEXT]
        return {"use_dictionary": [*words, "date"]}

    def _file(self, batch: Batch) -> pa.RecordBatch:
        """Return the rows that belong to the days, with the column `date`."""
        if batch.num_rows == 0:
            return batch
        days = self._days(batch)
        columns = {
            column.name: _as_declared(column, batch.column(column.name))
            for column in self._dataset.columns
        }
        filed = pa.record_batch({**columns, "date": _from_numpy(pa.date32(), days)})
        of_these = (days >= self._first) & (days <= self._last)
        if of_these.all():
            return filed
        return filed.take(_from_numpy(pa.int64(), np.flatnonzero(of_these)))

    def _days(self, batch: Batch) -> Days:
        """Return the day that each row is filed under, counted from 1970.

        Days before the first are the day before it, those after the last the day after.
        """
        if self._dataset.name == "customers":
            dated = batch.column("signup_date")
            signed_up = np.frombuffer(_buffer(dated), np.int32, len(dated), dated.offset * 4)
            days = np.maximum(signed_up, np.int32(self._start))
        else:
            dated = batch.column("created_at" if self._dataset.name == "orders" else "paid_at")
            if self._dataset.name == "payments":
                dated = compute.coalesce(dated, batch.column("order_created_at"))
            instants = np.frombuffer(_buffer(dated), np.int64, len(dated), dated.offset * 8)
            places = np.searchsorted(self._begins, instants, side="right")
            days = (places + (self._first - 1)).astype(np.int32)
        if dated.null_count:
            bits = np.frombuffer(_buffer(dated.is_null()), np.uint8)
            undated = np.unpackbits(bits, count=len(dated), bitorder="little").astype(bool)
            days[undated] = self._start
        return days


def _as_declared(column: Column, values: Values) -> Values:
    if column.type is not Type.MONEY:
        return values
    # Hundredths, as whole numbers of 16 bytes, are the bytes of decimals with two places.
    whole = values.cast(pa.decimal128(19, 0))
    return pa.Array.from_buffers(
        pa.decimal128(18, 2), len(whole), whole.buffers(), whole.null_count, whole.offset
    )


# To numpy and back by their buffers: pyarrow's own ways import pandas, which takes a second.


def _buffer(values: Values) -> memoryview:
    """Return fixed-width values as they lie in memory; where they are NULL, anything."""
    return memoryview(values.buffers()[1] or b"")


def _from_numpy(kind: pa.DataType, values: Days | Places) -> Values:
    return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(values.data)])
