"""The rows of MySQL's protocol as Arrow: columns of text, without Python objects for values.

PyMySQL makes Python objects of every value, which takes ten times as long as all the rest. So
it connects, authenticates and sends the query; the rows that follow are read here, as they lie
in the packets of the text protocol. They are the same in MySQL and MariaDB since version 4.1:
each row is a packet (three bytes of length, one of sequence), and each of its values a length
and that many bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from pymysql.connections import MySQLResult
from pymysql.constants import COMMAND, CR, ER
from pymysql.err import DataError, OperationalError, raise_mysql_exception

if TYPE_CHECKING:
    from collections.abc import Generator

    import numpy.typing as npt

    Bytes = npt.NDArray[np.uint8]
    Flags = npt.NDArray[np.bool_]
    Places = npt.NDArray[np.int64]
    Values = Any
    #: A connection of PyMySQL, whose stubs leave out what is needed of it.
    Handle = Any

_HEADER = 4
_READ_BYTES = 256 << 10
_BATCH_BYTES = 4 << 20
_LONGEST_PACKET = 0xFFFFFF
#: The first byte of a packet that is no row: of the last one, and of an error.
_END, _ERROR = 0xFE, 0xFF
_LONGEST_END = 9
#: The first byte of a value: NULL, or that so many bytes of length follow; else the length.
_NULL = 0xFB
_LENGTH_BYTES = {0xFC: 2, 0xFD: 3, 0xFE: 8}


def stream_rows(connection: Handle, sql: str) -> Generator[pa.RecordBatch]:
    """Yield the rows of a query as they come, in batches of a few megabytes; all columns text.

    To be read to the end, else the connection is of no more use.

    Raises:
        pymysql.Error: The server refuses the query, or was lost.
    """
    connection._execute_command(COMMAND.COM_QUERY, sql)  # noqa: SLF001
    result: Any = MySQLResult(connection)
    result.init_unbuffered_query()
    result.unbuffered_active = False  # or it would read the rows itself when it is dropped
    if not result.field_count:
        return
    names = [field.name for field in result.fields]
    rest = bytearray()
    while True:
        data, starts, position, last = rest, list[int](), 0, b""
        while not last and position < _BATCH_BYTES:
            data += _read(connection)
            position, last = _find_rows(data, position, starts)
        if starts:
            yield _decode(data, starts, names)
        if last:
            break
        rest = data[position:]
    if last[0] == _ERROR:
        raise_mysql_exception(last)


def _read(connection: Handle) -> bytes:
    """Return some bytes, as soon as there are any."""
    try:
        more = connection._rfile.read1(_READ_BYTES)  # noqa: SLF001
    except (OSError, ValueError) as error:  # a file closed meanwhile is a ValueError
        raise OperationalError(CR.CR_SERVER_LOST, f"Lost connection: {error}") from None
    if not more:
        raise OperationalError(CR.CR_SERVER_LOST, "Lost connection during query")
    return more


def _find_rows(data: bytearray, position: int, starts: list[int]) -> tuple[int, bytes]:
    """Note where the values of each row begin, from a packet on.

    Returns:
        The position after the last whole packet, and the packet after which no rows come.
    """
    size = len(data)
    while position + _HEADER <= size:
        length = data[position] | data[position + 1] << 8 | data[position + 2] << 16
        start = position + _HEADER
        if start + length > size:
            break
        if length == _LONGEST_PACKET:
            raise DataError(ER.NET_PACKET_TOO_LARGE, "A row has more than 16 MB")
        first = data[start]
        if first == _ERROR or (first == _END and length < _LONGEST_END):
            return start + length, bytes(data[start : start + length])
        starts.append(start)
        position = start + length
    return position, b""


def _decode(data: bytearray, starts: list[int], names: list[str]) -> pa.RecordBatch:
    """Return the columns of rows, given where each row begins."""
    content = np.frombuffer(data, np.uint8)
    places = np.array(starts, np.int64)
    columns: list[Values] = []
    for _ in names:
        begins, ends, is_null = _find_values(content, places)
        # Of an Arrow array over all the bytes, every second value is one of the column's; those
        # between are whatever lies between.
        edges = np.empty(2 * len(places), np.int32)
        edges[0::2], edges[1::2] = begins, ends
        everything = pa.Array.from_buffers(
            pa.string(), len(edges) - 1, [None, pa.py_buffer(edges.data), pa.py_buffer(data)]
        )
        validity = pa.py_buffer(np.packbits(~is_null, bitorder="little").data)
        wanted = pa.py_buffer(np.arange(0, len(edges), 2, dtype=np.int32).data)
        columns.append(
            everything.take(pa.Array.from_buffers(pa.int32(), len(places), [validity, wanted]))
        )
        places = ends
    return pa.record_batch(columns, names)


def _find_values(content: Bytes, places: Places) -> tuple[Places, Places, Flags]:
    """Return where values begin and end, and whether they are NULL, given where each is coded."""
    first = content[places]
    is_null = first == _NULL
    lengths = np.where(is_null, 0, first).astype(np.int64)
    begins = places + 1
    for marker, count in _LENGTH_BYTES.items():
        rows = np.flatnonzero(first == marker)
        if len(rows):
            lengths[rows] = sum(
                content[begins[rows] + byte].astype(np.int64) << 8 * byte for byte in range(count)
            )
            begins[rows] += count
    return begins, begins + lengths, is_null
