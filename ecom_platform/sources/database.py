"""A shop's database as a source: days of its tables, read in one snapshot.

What differs between databases is in `postgres/` and `mysql/`, behind `dialect.py`; here is who
reads what, and when.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing, contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import partial
from queue import SimpleQueue
from threading import Event
from time import monotonic
from typing import TYPE_CHECKING, Any

from ecom_platform.calendar import days_between
from ecom_platform.errors import SourceError, SourceTooSlowError, SourceUnavailableError
from ecom_platform.privacy import redact
from ecom_platform.settings import SOURCE_COLUMNS
from ecom_platform.sources.base import (
    CLOCKS_DIFFER,
    NO_ROWS,
    Extraction,
    TableState,
    Totals,
    Undated,
)
from ecom_platform.sources.shop_queries import ShopQueries
from ecom_platform.sources.shop_tables import DATASETS, DATED_BY, tables_needed

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping
    from pathlib import Path

    import pyarrow as pa

    from ecom_platform.settings import Settings
    from ecom_platform.sources.base import Fingerprints
    from ecom_platform.sources.dialect import Connection, Session
    from ecom_platform.sources.shop_tables import SourceTable


class DatabaseSource:
    """Orders, customers and payments in PostgreSQL, MySQL or MariaDB.

    Args:
        settings: The address, names of tables and columns, zones, connections, timeout.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @contextmanager
    def snapshot(self) -> Generator[DatabaseSnapshot]:
        """Open a consistent, read-only view; it is released when the context ends.

        Raises:
            SourceError: The database refuses the connection for good.
            SourceUnavailableError: The database does not answer now.
        """
        if self._settings.source_kind == "mysql":
            from ecom_platform.sources.mysql.session import open_session
        else:
            from ecom_platform.sources.postgres.session import open_session
        with open_session(self._settings) as session:
            yield DatabaseSnapshot(self._settings, session)

    def check(self) -> list[str]:
        """Check that the three tables can be read; return a line of facts for each.

        Lines that begin with `Warning` follow the table they are about.

        Raises:
            SourceError: A table or column is missing, of the wrong type, or may not be read.
            SourceUnavailableError: The database does not answer now.
        """
        with self.snapshot() as snapshot:
            return [line for table in SOURCE_COLUMNS for line in snapshot.facts(table)]


class DatabaseSnapshot:
    """The three tables as they were at one moment.

    Args:
        settings: As for `DatabaseSource`.
        session: Its connections.
    """

    def __init__(self, settings: Settings, session: Session) -> None:
        self._settings = settings
        self._session = session
        self._tables: dict[str, SourceTable] = {}
        for table in SOURCE_COLUMNS:
            try:
                self._tables[table] = session.describe(table)
            except SourceUnavailableError:
                raise
            except SourceError:  # told of when the table is asked for
                continue

    def extract(self, table: str, first: date, last: date, scratch: Path) -> Extraction:
        """Read the business days `first` to `last` of `orders`, `customers` or `payments`.

        Raises:
            SourceError: The table cannot be read as declared, whatever the day.
            SourceUnavailableError: The database, or the snapshot, was lost.
        """
        queries = self._queries(table)
        pieces = self._session.pieces(queries, table, first, last)
        tasks: list[Callable[[Connection], Any]] = [
            partial(_read_days, queries.totals(table, first, last))
        ]
        for number, (sql, start, end) in enumerate(pieces):
            path = scratch / f"{table}-{number}.parquet"
            tasks.append(partial(self._write, queries, table, sql, start, end, path))
        days, *files = self._run(tasks, self._settings.source_connections if pieces[1:] else 1)
        totals = {day: found for day, (found, _) in days.items()}
        return Extraction(
            [file for file in files if file],
            totals,
            fingerprints=_of_every_day(first, last, days),
        )

    def fingerprints(self, first: date, last: date, seconds: float) -> Fingerprints:
        """Return the fingerprints of the business days `first` to `last` of the three tables.

        That of a day is as `extract` gives it, also beside other days.

        Args:
            first: The first day.
            last: The last day.
            seconds: How long the database may take in all; no longer than its own timeout.

        Raises:
            SourceError: A table cannot be read as declared.
            SourceTooSlowError: The database did not answer in that time. The snapshot has ended.
            SourceUnavailableError: The database, or the snapshot, was lost.
        """
        (connection,) = self._session.connections(1)
        end = monotonic() + min(seconds, self._settings.source_statement_timeout)
        found: Fingerprints = {}
        for table in SOURCE_COLUMNS:
            sql = self._queries(table).totals(table, first, last)
            try:
                connection.limit(max(0.001, end - monotonic()))
                found[table] = _of_every_day(first, last, _read_days(sql, connection))
            except SourceUnavailableError as error:
                if monotonic() < end:
                    raise
                raise SourceTooSlowError(
                    f"The source takes more than {seconds:.1f} s to say what {first} to {last} are "
                    f"made of: {error.message}",
                    hint="Add the indexes that `ecom doctor` misses, or raise "
                    "ECOM_CHANGE_CHECK_SECONDS.",
                ) from None
        return found

    def state(self, table: str, now: datetime) -> TableState:
        """Say what a table is like now; see `base.Snapshot`."""
        queries, calendar = self._queries(table), self._settings.calendar
        (connection,) = self._session.connections(1)
        (ahead,) = connection.rows(queries.after(table, now + CLOCKS_DIFFER))
        (early,) = connection.rows(queries.before(table, calendar.start_of(calendar.start)))
        (undated,) = connection.rows(queries.undated(table))
        return TableState(
            self._tables[table].declared,
            int(ahead["row_count"]),
            ahead["latest"] or "",
            ahead["any_row"] == "0",
            int(early["row_count"]),
            early["earliest"] or "",
            Undated(
                int(undated["row_count"]),
                redact(undated["example"] or ""),
                "Give these rows a time in the source.",
            ),
        )

    def facts(self, table: str) -> list[str]:
        """Return what the doctor says of a table: a line of facts, then its warnings."""
        queries = self._queries(table)
        described = self._tables[table]
        (connection,) = self._session.connections(1)
        (span,) = connection.rows(queries.span(table))
        about = self._session.row_count(described)
        types = ", ".join(
            f"{self._settings.source_column(table, name)} {column.declared}"
            for name, column in described.columns.items()
        )
        dated_by = self._settings.source_column(table, DATED_BY[table])
        facts = f"{table}: table {described.name}, about {about:,} rows ({types}); {dated_by} "
        facts += f"from {span['oldest']} to {span['newest']}" if span["oldest"] else "is never set"
        return [facts, *self._warnings(table)]

    def _warnings(self, table: str) -> Iterator[str]:
        described = self._tables[table]
        about = f"Warning, table {described.name}:"
        looked_up = [DATED_BY[table], *(["order_id"] if table == "payments" else [])]
        for name in () if described.is_view else looked_up:
            if not described[name].indexed:
                own = self._settings.source_column(table, name)
                yield f"{about} no index begins with {own}, so a day reads the whole table."
        if table != "payments" and not described["id"].unique:
            yield (
                f"{about} no index proves its ids unique, so to look up "
                f"{'an order' if table == 'orders' else 'a customer'} takes longer."
            )
        yield from (f"{about} {warning}" for warning in described.warnings)
        state = self.state(table, datetime.now(UTC))
        if state.early_rows:
            yield (
                f"{about} rows before ECOM_START_DATE={self._settings.start_date}, which are never "
                f"read: {state.early_rows:,}, from {state.earliest} on."
            )
        if state.future_rows:
            yield f"{about} rows of the future: {state.future_rows:,}, up to {state.latest}."
        if state.undated.rows:
            column = self._settings.source_column(table, DATED_BY[table])
            yield f"{about} rows without a readable {column}: {state.undated}"

    def _queries(self, table: str) -> ShopQueries:
        for name in tables_needed(table):
            if name not in self._tables:
                self._tables[name] = self._session.describe(name)
        return ShopQueries(self._tables, self._session.dialect)

    def _write(
        self,
        queries: ShopQueries,
        table: str,
        sql: str,
        first: date,
        last: date,
        path: Path,
        connection: Connection,
    ) -> Path | None:
        from ecom_platform.sources.raw_file import RawFile

        def typed(batch: pa.RecordBatch) -> pa.RecordBatch:
            return self._session.typed(queries.tables, table, batch)

        file = RawFile(path, DATASETS[table], self._settings.calendar, first, last)
        with closing(connection.batches(sql)) as batches:
            return file.write(map(typed, batches))

    def _run(self, tasks: list[Callable[[Connection], Any]], count: int) -> list[Any]:
        """Run tasks, each on a connection of its own, so many at a time."""
        connections = self._session.connections(count)
        idle: SimpleQueue[Connection] = SimpleQueue()
        for connection in connections:
            idle.put(connection)

        failed = Event()

        def run(task: Callable[[Connection], Any]) -> Any:
            connection = idle.get()
            try:
                # After a failure, a transaction answers that it has failed, and not why.
                return None if failed.is_set() else task(connection)
            except BaseException:
                failed.set()
                raise
            finally:
                idle.put(connection)

        with ThreadPoolExecutor(count) as pool:
            futures = [pool.submit(run, task) for task in tasks]
            try:
                for future in as_completed(futures):
                    future.result()
            except BaseException:
                # Also when the run is interrupted: the database must not go on in vain.
                pool.shutdown(wait=False, cancel_futures=True)
                for connection in connections:
                    connection.cancel()
                raise
        return [future.result() for future in futures]


def _read_days(sql: str, connection: Connection) -> dict[date, tuple[Totals, str]]:
    """Return the totals and the fingerprint of each day that has rows."""
    return {
        date.fromisoformat(row["day"]): (
            Totals(int(row["row_count"]), row["amount"] and Decimal(row["amount"])),
            f"{row['row_count']}:{row['hash']}",
        )
        for row in connection.rows(sql)
    }


def _of_every_day(
    first: date, last: date, days: Mapping[date, tuple[Totals, str]]
) -> dict[date, str]:
    return {day: days[day][1] if day in days else NO_ROWS for day in days_between(first, last)}
