"""Dagster's event log in SQLite, with connections that are kept.

A range run records some thirty events for each day. Dagster's own SQLite storage opens
and closes a database for each of them, twice, at 8 to 10 ms an event; kept open it is
below 2 ms (benchmarks/event_storage.py). `dagster.yaml` selects this class.
"""

from __future__ import annotations

import os
import tempfile
from collections import OrderedDict
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dagster._core.storage.event_log.sqlite.sqlite_event_log import (
    SqliteEventLogStorage,
)
from sqlalchemy import create_engine, event
from sqlalchemy.pool import QueuePool

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from dagster._serdes import ConfigurableClassData
    from sqlalchemy.engine import Connection, Engine

#: Databases kept open: the index, and the shards of the runs last written or read.
KEPT = 8
#: How long a writer waits for another: what Dagster's own class waits.
BUSY_SECONDS = 60


class KeptSqliteEventLogStorage(SqliteEventLogStorage):
    """Stores events under `$DAGSTER_HOME/history/runs`, where Dagster's own class does."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._kept: OrderedDict[str, Engine] = OrderedDict()
        self._tables: set[str] = set()
        super().__init__(base_dir, inst_data)

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """Nothing to configure."""
        return {}

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> KeptSqliteEventLogStorage:
        """Make the storage of this Dagster home."""
        del config_value
        # Without a home, as in `dg check defs`, nothing is meant to be kept.
        home = os.environ.get("DAGSTER_HOME") or tempfile.mkdtemp(prefix="ecom-dagster-")
        return cls(str(Path(home) / "history" / "runs"), inst_data)

    def has_table(self, table_name: str) -> bool:
        """Say whether the index has a table, which is asked for each answer of a check."""
        if table_name not in self._tables and super().has_table(table_name):
            self._tables.add(table_name)
        return table_name in self._tables

    @contextmanager
    def _connect(self, shard: str) -> Generator[Connection]:
        with self._db_lock:
            engine = self._kept.get(shard) or self._open(shard)
            self._kept[shard] = engine
            self._kept.move_to_end(shard)
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)[1].dispose()
            if shard not in self._initialized_dbs:
                self._initdb(engine)
                self._initialized_dbs.add(shard)
            with engine.connect() as connection, connection.begin():
                yield connection

    def _open(self, shard: str) -> Engine:
        engine = create_engine(
            self.conn_string_for_shard(shard),
            poolclass=QueuePool,
            pool_size=1,
            connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False},
        )
        # In write-ahead mode, which Dagster sets, this loses nothing but the last moments
        # of a machine that loses power.
        event.listen(engine, "connect", lambda raw, _: raw.execute("PRAGMA synchronous=NORMAL"))
        return engine

    def dispose(self) -> None:
        """Close everything."""
        for engine in self._kept.values():
            engine.dispose()
        self._kept.clear()
        super().dispose()
