"""What every source offers: days of a table, read in one consistent snapshot.

A source knows nothing of the lake. It writes plain Parquet files to a scratch
folder, in the columns of the raw datasets (`datasets.RAW`) plus `date`, the
business day the row is filed under.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Decimal, localcontext
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager
    from datetime import date, datetime
    from pathlib import Path

    #: Table -> day -> fingerprint: a text that is another one when the rows are others.
    Fingerprints = dict[str, dict[date, str]]

#: The fingerprint of a day without rows, in every table.
NO_ROWS = "0:0"

#: So far ahead of ours may the source's clocks be.
CLOCKS_DIFFER = timedelta(hours=1)

#: The column that carries a row's money, for reconciliation.
AMOUNT_COLUMN = {"orders": "total_amount", "payments": "amount"}
#: What is a number in a text.
NUMBER = "[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]{1,2})?"
_CENT = Decimal("0.01")


def add_exactly(plain: Decimal | None, texts: Mapping[str, int] | None) -> Decimal:
    """Add up numbers of any size; return the sum with cents, or with all its digits.

    Args:
        plain: A sum.
        texts: Numbers as text -> how often each is there.
    """
    with localcontext(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN):
        total = sum(
            (Decimal(text) * count for text, count in (texts or {}).items()), plain or Decimal(0)
        )
        cents = total.quantize(_CENT)
        return cents if cents == total else total.normalize()


@dataclass(frozen=True)
class Totals:
    """What the source itself says of one day of one table.

    Args:
        rows: Number of rows.
        amount: Sum of the money column as stored, unrounded, without values that are
            not finite numbers; None for a table without money.
    """

    rows: int
    amount: Decimal | None


@dataclass(frozen=True)
class Undated:
    """Rows that are filed under the first day because nothing else says which is theirs.

    Of a payment that is not paid yet, its order has none. Rows in day folders have a day.

    Args:
        rows: Number of rows.
        example: What one has for a time, as text without addresses; empty where that is NULL.
        advice: What would make such rows readable, as a sentence.
    """

    rows: int = 0
    example: str = ""
    advice: str = ""

    def __str__(self) -> str:
        """Return them as the end of a sentence, with the advice after it."""
        like = f", such as `{self.example}`" if self.example else ""
        return f"{self.rows:,}{like}. {self.advice}"


@dataclass(frozen=True)
class TableState:
    """What a table is like now, whatever the day.

    Args:
        columns: All that it has, in the source's own names -> type as the source spells it;
            none where the source does not say.
        future_rows: Rows dated more than `CLOCKS_DIFFER` after now, which belong to no day that
            is ever made. Of files, rows dated after today.
        latest: The time or day of the latest of these, as text.
        is_empty: Whether it has no row at all; False where that is said day by day, by folders.
        early_rows: Rows of days before the first one, which are never read. Of a table in day
            folders, which are not read either, the number of these folders.
        earliest: The time or day of the earliest of these, as text.
        undated: Rows without a day of their own.
        without_end: CSV files that were read for this run and end without a line end.
    """

    columns: Mapping[str, str]
    future_rows: int = 0
    latest: str = ""
    is_empty: bool = False
    early_rows: int = 0
    earliest: str = ""
    undated: Undated = field(default_factory=Undated)
    without_end: list[str] = field(default_factory=list[str])


@dataclass(frozen=True)
class Extraction:
    """Some days of one table, in Parquet files of a scratch folder.

    Args:
        files: Parquet files of the raw schema plus `date` (DATE). Rows of bad days are
            not in them. No file at all means that no day has a row.
        totals: Per day that has rows, as the source counted them.
        bad_days: ISO day -> why that day could not be read. The other days are good.
        fingerprints: Of every day that is not bad.
    """

    files: list[Path]
    totals: dict[date, Totals]
    bad_days: dict[str, str] = field(default_factory=dict[str, str])
    fingerprints: dict[date, str] = field(default_factory=dict["date", str])


class Snapshot(Protocol):
    """One consistent view of the three tables."""

    def state(self, table: str, now: datetime) -> TableState:
        """Say what a table is like now.

        Raises:
            SourceError: The table cannot be read as declared.
            SourceUnavailableError: The source does not answer now.
        """
        ...

    def extract(self, table: str, first: date, last: date, scratch: Path) -> Extraction:
        """Read the business days `first` to `last` of `orders`, `customers` or `payments`.

        Rows without a business day of their own (no or unreadable timestamp) are filed
        under the first partition of the calendar, and extracted with it.

        Raises:
            SourceError: The table cannot be read as declared, whatever the day.
            SourceUnavailableError: The source does not answer now.
        """
        ...


class Source(Protocol):
    """A place that holds the three tables."""

    def snapshot(self) -> AbstractContextManager[Snapshot]:
        """Open a consistent, read-only view; it is released when the context ends."""
        ...

    def check(self) -> list[str]:
        """Check that the three tables can be read; return one line of facts for each.

        Raises:
            SourceError: A table or column is missing or of the wrong type.
            SourceUnavailableError: The source does not answer now.
        """
        ...
