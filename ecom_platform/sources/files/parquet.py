"""Strict reading of one Parquet file, as text: page checksums verified, rows counted.

Its declared types decide how a value is written as text, so that nothing is rounded on
the way: times in ISO 8601 with all their digits, numbers in the shortest exact form.
"""

# Arrow's own annotations are partly unknown.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import IO, TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from ecom_platform.sources.files.faults import BrokenFileError, require_columns

if TYPE_CHECKING:
    from collections.abc import Sequence

_BATCH_ROWS = 65_536
#: Beyond this, not every integer is a DOUBLE.
_EXACT_DOUBLES = 2.0**53
#: Up to this many digits after the point, Arrow writes small decimals without an exponent.
_PLAIN_SCALE = 6
#: Where UUIDs have their dashes.
_UUID_GROUPS = ((0, 8), (8, 12), (12, 16), (16, 20), (20, 32))

_ToText = Callable[[Any], Any]


def read_parquet(
    stream: IO[bytes], columns: Sequence[str], ids: frozenset[str]
) -> tuple[Iterator[pa.RecordBatch], frozenset[str], dict[str, str]]:
    """Begin to read a Parquet file; see `formats.read_rows`.

    Returns:
        The batches, the ids that are integers, and all columns with their types.

    Raises:
        BrokenFileError: It is not Parquet, or a column is missing or no single value.
    """
    try:
        # INT96, the timestamp of old Spark and Hive, overflows nanoseconds unseen.
        file = parquet.ParquetFile(
            stream, page_checksum_verification=True, coerce_int96_timestamp_unit="us"
        )
    except (pa.ArrowException, OSError):
        raise BrokenFileError(
            "is not a whole Parquet file: it is cut, damaged or no Parquet"
        ) from None
    schema = file.schema_arrow
    require_columns(columns, schema.names, line=None)
    to_text = {name: _to_text(name, schema.field(name).type, name in ids) for name in columns}
    integers = frozenset(name for name in ids if _is_integer(schema.field(name).type))
    declared = {column.name: str(column.type) for column in schema}
    return _batches(file, to_text), integers, declared


def _batches(file: parquet.ParquetFile, to_text: dict[str, _ToText]) -> Iterator[pa.RecordBatch]:
    rows = 0
    try:
        for batch in file.iter_batches(_BATCH_ROWS, columns=list(to_text)):
            batch.validate(full=True)
            rows += batch.num_rows
            yield pa.RecordBatch.from_pydict(
                {name: convert(batch.column(name)) for name, convert in to_text.items()}
            )
    except (pa.ArrowException, OSError, UnicodeDecodeError):
        raise BrokenFileError(
            f"is damaged: the rows after the first {rows:,} are not readable"
        ) from None
    if rows != file.metadata.num_rows:
        raise BrokenFileError(
            f"is damaged: it has {rows:,} rows and says {file.metadata.num_rows:,}"
        )


def _is_integer(kind: pa.DataType) -> bool:
    """Tell whether BIGINT holds a column's values, by its type alone.

    Pandas writes integers with gaps as DOUBLE, and a column without any value as NULL.
    """
    return (
        (pa.types.is_integer(kind) and not pa.types.is_uint64(kind))
        or pa.types.is_floating(kind)
        or pa.types.is_null(kind)
    )


def _to_text(name: str, kind: pa.DataType, is_id: bool) -> _ToText:
    types = pa.types
    if types.is_dictionary(kind):
        inner = _to_text(name, kind.value_type, is_id)
        return lambda column: inner(column.dictionary_decode())
    if types.is_floating(kind):
        return (lambda column: _whole_numbers(name, column)) if is_id else _floats
    if types.is_decimal(kind):
        return _decimals if kind.scale > _PLAIN_SCALE else _cast
    if types.is_timestamp(kind):
        return _timestamps
    if isinstance(kind, pa.UuidType):
        return _uuids
    plain = (
        types.is_integer, types.is_boolean, types.is_date, types.is_null, types.is_string,
        types.is_large_string, types.is_string_view, types.is_binary, types.is_large_binary,
    )  # fmt: skip
    if any(is_kind(kind) for is_kind in plain):
        return _cast
    raise BrokenFileError(f"the column `{name}` is {kind}, which is no text, number or time")


def _cast(column: Any) -> Any:
    return pc.cast(column, pa.string())


def _floats(column: Any) -> Any:
    numbers = column.to_numpy(zero_copy_only=False)
    texts = [str(number) for number in numbers]
    return pa.array(texts, pa.string(), mask=np.asarray(column.is_null()))


def _whole_numbers(name: str, column: Any) -> Any:
    exact = pc.and_(
        pc.equal(column, pc.floor(column)), pc.less_equal(pc.abs(column), pa.scalar(_EXACT_DOUBLES))
    )
    if not pc.all(exact, min_count=0).as_py():
        raise BrokenFileError(
            f"`{name}` is {column.type} and holds a value that is no exact integer; write ids "
            "as integers or text"
        )
    return _cast(pc.cast(column, pa.int64()))


def _decimals(column: Any) -> Any:
    texts = [None if number is None else format(number, "f") for number in column.to_pylist()]
    return pa.array(texts, pa.string())


def _timestamps(column: Any) -> Any:
    kind = column.type
    # Without its zone, an Arrow timestamp is the wall-clock time of UTC.
    naive = column.cast(pa.timestamp(kind.unit))
    if kind.unit == "ns":
        micros = naive.cast(pa.timestamp("us"), safe=False)
        exact = pc.equal(micros.cast(pa.timestamp("ns"), safe=False), naive)
        text = pc.if_else(exact, _cast(micros), _cast(naive))
    else:
        text = _cast(naive)
    return pc.binary_join_element_wise(text, "Z", "") if kind.tz else text


def _uuids(column: Any) -> Any:
    storage = column.storage.fill_null(bytes(16))
    digits = b"".join(storage.to_pylist()).hex()
    texts = [
        "-".join(digits[at + first : at + last] for first, last in _UUID_GROUPS)
        for at in range(0, len(digits), 32)
    ]
    return pa.array(texts, pa.string(), mask=np.asarray(column.is_null()))
