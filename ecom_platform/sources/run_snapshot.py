"""One snapshot of the source for a run: all its tables are read when the first is asked for."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ecom_platform.errors import SourceError, SourceUnavailableError
from ecom_platform.settings import SOURCE_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import date
    from pathlib import Path

    from ecom_platform.sources.base import Extraction, Snapshot, Source, TableState


class RunSnapshot:
    """Extracts the tables that a run asks for, all from one snapshot, each once.

    Before the first of them is published all are read, so that one that is lost on the way, such
    as on a standby that cancels a query, can be tried again with the others.

    Args:
        source: The source.
        scratch: A folder of the run's own.
        tables: Those that the run asks for.
    """

    def __init__(
        self, source: Source, scratch: Path, tables: Collection[str] = tuple(SOURCE_COLUMNS)
    ) -> None:
        self._source = source
        self._scratch = scratch
        self._tables = tables
        self._extracted: dict[tuple[str, date, date], Extraction | SourceError] = {}
        self._states: dict[str, TableState] = {}

    def extract(self, table: str, first: date, last: date) -> Extraction:
        """Read some days of a table; asked again, give what was read before.

        Raises:
            SourceError: The table cannot be read.
            SourceUnavailableError: The source does not answer now. Asked again, all tables are
                read anew.
        """
        wanted = (table, first, last)
        if wanted not in self._extracted:
            self._extracted |= self._read({table, *self._tables}, first, last)
        found = self._extracted[wanted]
        if isinstance(found, SourceError):
            raise found
        return found

    def state(self, table: str) -> TableState:
        """Say what a table was like when it was read, or, if it was not, what it is like now.

        Raises:
            SourceError: The table cannot be read as declared.
            SourceUnavailableError: The source does not answer now.
        """
        if table not in self._states:
            with self._source.snapshot() as snapshot:
                self._states[table] = snapshot.state(table, datetime.now(UTC))
        return self._states[table]

    def _read(
        self, tables: set[str], first: date, last: date
    ) -> dict[tuple[str, date, date], Extraction | SourceError]:
        """Read tables from one snapshot; where one cannot be read, the others from another.

        After an error, PostgreSQL refuses all that follows in the same snapshot.
        """
        found: dict[tuple[str, date, date], Extraction | SourceError] = {}
        with self._source.snapshot() as snapshot:
            for table in sorted(tables):
                try:
                    found[table, first, last] = self._read_table(snapshot, table, first, last)
                except SourceUnavailableError:
                    raise
                except SourceError as error:  # of interest to who asks for this table
                    broken, others = {(table, first, last): error}, tables - {table}
                    break
            else:
                return found
        return broken | self._read(others, first, last) if others else dict(broken)

    def _read_table(self, snapshot: Snapshot, table: str, first: date, last: date) -> Extraction:
        folder = self._scratch / "source" / f"{table}-{first}-{last}"
        folder.mkdir(parents=True, exist_ok=True)
        extraction = snapshot.extract(table, first, last, folder)
        self._states[table] = snapshot.state(table, datetime.now(UTC))
        return extraction
