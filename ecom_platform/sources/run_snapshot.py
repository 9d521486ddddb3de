"""One snapshot of the source for a whole run, opened when the first table is asked for."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ecom_platform.errors import SourceError, SourceUnavailableError
from ecom_platform.settings import SOURCE_COLUMNS

if TYPE_CHECKING:
    from datetime import date
    from pathlib import Path

    from ecom_platform.sources.base import Extraction, Snapshot, Source, TableState


class RunSnapshot:
    """Extracts the tables that a run asks for, all from one snapshot, each once.

    Args:
        source: The source.
        scratch: A folder of the run's own.
    """

    def __init__(self, source: Source, scratch: Path) -> None:
        self._source = source
        self._scratch = scratch
        self._open = ExitStack()
        self._snapshot: Snapshot | None = None
        self._extracted: dict[tuple[str, date, date], Extraction] = {}
        self._states: dict[str, TableState] = {}

    def extract(self, table: str, first: date, last: date) -> Extraction:
        """Read some days of a table; asked again, give what was read before.

        Raises:
            SourceError: The table cannot be read, or the snapshot that other tables were
                read from has ended.
            SourceUnavailableError: The source does not answer now.
        """
        wanted = (table, first, last)
        if wanted not in self._extracted:
            self._extracted[wanted] = self._read(table, first, last)
            if {name for name, *_ in self._extracted} >= set(SOURCE_COLUMNS):
                self.close()  # a transaction left open would hold back the source's vacuum
        return self._extracted[wanted]

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

    def _read(self, table: str, first: date, last: date) -> Extraction:
        folder = self._scratch / "source" / f"{table}-{first}-{last}"
        folder.mkdir(parents=True, exist_ok=True)
        try:
            if self._snapshot is None:
                self._snapshot = self._open.enter_context(self._source.snapshot())
            extracted = self._snapshot.extract(table, first, last, folder)
            self._states[table] = self._snapshot.state(table, datetime.now(UTC))
        except SourceUnavailableError as error:
            self.close()
            if not self._extracted:
                raise
            others = " and ".join(sorted({name for name, *_ in self._extracted}))
            raise SourceError(
                f"{error.message} The snapshot that {others} were read from is gone, and "
                f"{table} of another moment would not match them.",
                hint="Run the same days again.",
            ) from error
        return extracted

    def close(self) -> None:
        """Release the snapshot."""
        self._snapshot = None
        self._open.close()
