"""From the texts that MySQL and MariaDB send to the types of a raw dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from pyarrow import compute

from ecom_platform.datasets import Type
from ecom_platform.errors import SourceError
from ecom_platform.sources.mysql.catalog import INTEGERS
from ecom_platform.sources.shop_tables import DATASETS, origin_of
from ecom_platform.sources.timezones import offsets_at, offsets_of_wall_times

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ecom_platform.datasets import Column
    from ecom_platform.settings import Settings
    from ecom_platform.sources.shop_tables import SourceColumn, SourceTable

    #: Arrays, whose types the stubs of pyarrow do not know.
    Values = Any

_DAY = 86_400_000_000  # microseconds


def typed(
    settings: Settings, tables: Mapping[str, SourceTable], table: str, batch: pa.RecordBatch
) -> pa.RecordBatch:
    """Return a batch of an extraction, as `rows.py` gives it, with the types of the raw dataset.

    Money stays in hundredths (BIGINT).

    Raises:
        SourceError: An id that counts up is beyond BIGINT.
    """
    columns: dict[str, Values] = {}
    for column in DATASETS[table].columns:
        source, name = origin_of(table, column.name)
        described = tables[source].columns.get(name)
        values = batch.column(column.name)
        columns[column.name] = _typed(settings, column, tables[source].name, described, values)
    return pa.record_batch(columns)


def _typed(
    settings: Settings, column: Column, table: str, described: SourceColumn | None, values: Values
) -> Values:
    match column.type:
        case Type.MONEY:
            return values.cast(pa.int64())
        case Type.FLAG:
            return values.cast(pa.int8()).cast(pa.bool_())
        case Type.ID if described and described.kind in INTEGERS:
            try:
                return values.cast(pa.int64())
            except pa.ArrowInvalid:
                raise SourceError(
                    f"The column {column.name} of the table {table} counts up, and yet holds "
                    "numbers beyond BIGINT (9223372036854775807).",
                    hint="Name a view in ECOM_TABLES that casts it to CHAR.",
                ) from None
        case Type.INSTANT if described:
            return _instants(settings, described, values).cast(pa.timestamp("us", tz="UTC"))
        case Type.DATE if described:
            return _days(settings, described, values).cast(pa.int32()).cast(pa.date32())
        case _:
            return values


def _days(settings: Settings, column: SourceColumn, values: Values) -> Values:
    """Return days since 1970: of dates as they are, of times in the business timezone."""
    if column.kind == "date":
        return values
    instants = _instants(settings, column, values)
    numbers = _to_numpy(instants)
    local = numbers + offsets_at(settings.timezone, numbers)
    return _from_numpy(np.floor_divide(local, _DAY), instants)


def _instants(settings: Settings, column: SourceColumn, values: Values) -> Values:
    """Return microseconds of a column's own clock as microseconds since 1970 (UTC)."""
    numbers = values.cast(pa.int64())
    if column.kind == "timestamp":
        return numbers
    wall = _to_numpy(numbers)
    return _from_numpy(wall - offsets_of_wall_times(settings.source_timezone, wall), numbers)


def _to_numpy(values: Values) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return BIGINTs; 0 where they are NULL."""
    filled = compute.fill_null(values, 0)
    return np.frombuffer(filled.buffers()[1] or b"", np.int64, len(filled), filled.offset * 8)


def _from_numpy(numbers: np.ndarray[Any, np.dtype[np.int64]], like: Values) -> Values:
    """Return BIGINTs that are NULL where others are."""
    found = pa.Array.from_buffers(pa.int64(), len(numbers), [None, pa.py_buffer(numbers.data)])
    return compute.if_else(like.is_valid(), found, None)
