"""What a database must offer to be a source; `database.py` does the rest, for all alike.

PostgreSQL's is in `postgres/`, that of MySQL and MariaDB in `mysql/`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Generator, Mapping, Sequence
    from datetime import date, datetime

    import pyarrow as pa

    from ecom_platform.sources.shop_queries import ShopQueries
    from ecom_platform.sources.shop_tables import SourceColumn, SourceTable
    from ecom_platform.sources.shop_times import Intervals


class Dialect(Protocol):
    """How the database writes what the queries over a shop need, as SQL expressions."""

    @property
    def intervals(self) -> Intervals:
        """The business days, and the zone of times that carry none."""
        ...

    def quote(self, identifier: str) -> str:
        """Quote an identifier."""
        ...

    def text(self, value: str) -> str:
        """Return any value as text."""
        ...

    def id_of(self, column: SourceColumn) -> str:
        """Return an id, an integer where the lake has one, else text."""
        ...

    def linked(self, reference: SourceColumn, identity: SourceColumn) -> tuple[str, str]:
        """Return a reference and the id of its parent as expressions that can be compared."""
        ...

    def sort_key(self, column: SourceColumn) -> str:
        """Return what ORDER BY needs for one order of any values, NULL last."""
        ...

    def number(self, column: SourceColumn) -> str:
        """Return money as an exact number, as stored; NULL where it is not a finite one."""
        ...

    def hundredths(self, column: SourceColumn) -> tuple[str, str]:
        """Return money as hundredths (BIGINT), and as text where a DECIMAL(18,2) is not exact."""
        ...

    def time(self, column: SourceColumn) -> str:
        """Return a readable time in the form that `Session.typed` makes the lake's; else NULL."""
        ...

    def unreadable_text(self, column: SourceColumn) -> str:
        """Return the text of a time that is not readable; NULL for all others."""
        ...

    def readable(self, column: SourceColumn) -> str:
        """Return the condition of a time within the years 1 to 9999."""
        ...

    def unreadable(self, column: SourceColumn) -> str:
        """Return the condition of a time that is NULL or not readable."""
        ...

    def bounds(self, column: SourceColumn, first: date, last: date) -> tuple[str, str]:
        """Return a half-open interval of the raw column that holds every time of some days."""
        ...

    def at(self, column: SourceColumn, instant: datetime) -> str:
        """Return an instant to compare the raw column with."""
        ...

    def day(self, column: SourceColumn, first: date, last: date) -> str:
        """Return the business day of a time as DATE; the lake's first where it has none.

        Right for the days `first` to `last`; for all others some other day.
        """
        ...

    def row_hash(self, columns: Collection[SourceColumn], conditions: Sequence[str]) -> str:
        """Return the hash of a row over all of some columns (an integer, never NULL).

        Args:
            columns: Of the row, and of what is joined to it.
            conditions: What else is to be told apart; never NULL.
        """
        ...


class Connection(Protocol):
    """One read-only transaction.

    Every method raises SourceError where the statement would fail again, and
    SourceUnavailableError where the connection was lost or ended.
    """

    def rows(self, sql: str) -> list[dict[str, Any]]:
        """Return the rows of a small result."""
        ...

    def batches(self, sql: str) -> Generator[pa.RecordBatch]:
        """Stream a result, in batches of a few megabytes; to be closed when not read to its end."""
        ...

    def limit(self, seconds: float) -> None:
        """Have the server end every further statement after so many seconds."""
        ...

    def cancel(self) -> None:
        """End the statement that runs, from another thread."""
        ...


#: A query that reads some days, and the first and the last of them.
Piece = tuple[str, "date", "date"]


class Session(Protocol):
    """Connections to one server, all on one snapshot of it."""

    @property
    def dialect(self) -> Dialect:
        """How its queries are written."""
        ...

    def connections(self, count: int) -> Sequence[Connection]:
        """Return so many connections, opening those that are not open yet.

        Raises:
            SourceError: The server refuses one for good.
            SourceUnavailableError: It does not answer now, or the snapshot has ended.
        """
        ...

    def describe(self, table: str) -> SourceTable:
        """Describe `orders`, `customers` or `payments`, and keep it as it is until the end.

        Raises:
            SourceError: The table or a column is missing, of another type, or may not be read.
        """
        ...

    def row_count(self, table: SourceTable) -> int:
        """Return how many rows the server believes a table to have."""
        ...

    def pieces(self, queries: ShopQueries, table: str, first: date, last: date) -> list[Piece]:
        """Return queries that together read some days, each to be run by another connection."""
        ...

    def typed(
        self, tables: Mapping[str, SourceTable], table: str, batch: pa.RecordBatch
    ) -> pa.RecordBatch:
        """Return a batch of an extraction with the types of the raw dataset.

        Money stays in hundredths (BIGINT).

        Raises:
            SourceError: A value is none of its type.
        """
        ...
