"""A row of PostgreSQL as a 64-bit number, as SQL: its columns' own hashes, chained.

Summed over rows, the numbers tell whether a day is still made of the same rows, in whatever
order; with an exclusive or, two equal rows would cancel each other. Which rows a day has is
not said here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ecom_platform.datasets import Type
from ecom_platform.sources.postgres.catalog import FLOATS, INTEGERS

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from ecom_platform.sources.shop_tables import SourceColumn

_NO_UUID = "00000000-0000-0000-0000-000000000000"


def row_hash(columns: Collection[SourceColumn], conditions: Sequence[str]) -> str:
    """Return the hash of a row over all of some columns (BIGINT, never NULL).

    Args:
        columns: Of the row, and of what is joined to it.
        conditions: What else is to be told apart; never NULL.
    """
    # The chain begins with what the hashes do not tell apart. NULL is among it: whatever
    # stood for it in a column could be a value.
    flags = [*conditions, *(flag for column in columns for flag in _flags(column))]
    seed = " + ".join(f"({flag})::int4 * {1 << bit}" for bit, flag in enumerate(flags))
    for column in columns:
        seed = _hash(column, seed)
    return seed


def _flags(column: SourceColumn) -> list[str]:
    """Return the conditions that the hash of a column leaves out."""
    flags = [f"{column.sql} is null"]
    if column.type is Type.MONEY and column.kind not in (*INTEGERS, *FLOATS):
        # PostgreSQL hashes the digits of a NUMERIC, not its sign; NaN and infinity are alike.
        exact = f"{column.sql}::numeric"
        flags += [f"({exact} < 0) is true", f"({exact} = 'NaN') is true"]
    return flags


def _hash(column: SourceColumn, seed: str) -> str:
    value = column.sql
    if column.kind in INTEGERS:
        whole = f"coalesce({value}::int8, 0)"
        # The hash of a BIGINT folds its halves into one: 1 and 4294967296 would be the same.
        return f"hashint8extended({whole}, hashint4extended(({whole} >> 32)::int4, {seed}))"
    if column.type is Type.MONEY and column.kind in FLOATS:
        return f"hashfloat8extended(coalesce({value}::float8, 0), {seed})"
    if column.type is Type.MONEY:
        return f"hash_numeric_extended(coalesce({value}::numeric, 0), {seed})"
    if column.kind in ("timestamp", "timestamptz") and column.type in (Type.INSTANT, Type.DATE):
        # Seconds as a float are exact to the microsecond until 2242, and may be infinite.
        return f"hashfloat8extended(coalesce(date_part('epoch', {value}), 0), {seed})"
    if column.kind == "uuid":
        return f"uuid_hash_extended(coalesce({value}, '{_NO_UUID}'), {seed})"
    # By bytes: under some collations, `A` and `a` have the same hash.
    return f"hashtextextended(coalesce({value}::text, '') collate \"C\", {seed})"
