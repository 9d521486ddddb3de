"""A row of MySQL or MariaDB as a 64-bit number, as SQL: half of the MD5 of its columns' texts.

Summed over rows, the numbers tell whether a day is still made of the same rows, in whatever
order; with an exclusive or, two equal rows would cancel each other. Which rows a day has is
not said here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ecom_platform.sources.mysql.catalog import FLOATS, TEXTS

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from ecom_platform.sources.shop_tables import SourceColumn


def row_hash(columns: Collection[SourceColumn], conditions: Sequence[str]) -> str:
    """Return the hash of a row over all of some columns (BIGINT UNSIGNED, never NULL).

    Args:
        columns: Of the row, and of what is joined to it.
        conditions: What else is to be told apart.
    """
    # Quoted, so that NULL is no text and none can run into the next. CRC32 would be faster, but
    # is linear: two rows that swap a value would have the same sum.
    values = [*conditions, *map(_text, columns)]
    row = ", ".join(f"quote({value})" for value in values)
    return f"cast(conv(left(md5(concat({row})), 16), 16, 10) as unsigned)"


def _text(column: SourceColumn) -> str:
    if column.kind in TEXTS:
        # As bytes, or `a` and `A` are the same; of one charset, whatever the column's.
        return f"cast(convert({column.sql} using utf8mb4) as binary)"
    if column.kind in FLOATS:
        return f"{column.sql} + 0e0"  # a FLOAT's own text has six digits
    return column.sql
