"""The tables of a run are of one snapshot, also when one is lost on the way."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr

from ecom_platform.errors import SourceError, SourceUnavailableError
from ecom_platform.settings import Settings
from ecom_platform.sources.database import DatabaseSource
from ecom_platform.sources.run_snapshot import RunSnapshot

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from ecom_platform.sources.base import Snapshot
    from ecom_platform_tests.sources.postgres_database import Database

DAY = date(2024, 3, 1)


class Interrupted(DatabaseSource):
    """A source of which, once, all connections are ended while its last table is read."""

    def __init__(self, database: Database, **settings: Any) -> None:
        super().__init__(Settings(source=SecretStr(database.url), **settings))
        self.database, self.snapshots = database, 0

    @contextmanager
    def snapshot(self) -> Generator[Any]:
        self.snapshots += 1
        with super().snapshot() as snapshot:
            yield Ending(snapshot, self.database) if self.snapshots == 1 else snapshot


class Ending:
    def __init__(self, snapshot: Snapshot, database: Database) -> None:
        self.snapshot, self.database = snapshot, database

    def __getattr__(self, name: str) -> Any:
        return getattr(self.snapshot, name)

    def extract(self, table: str, *arguments: Any) -> Any:
        if table == "payments":
            self.database.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity "
                "where pid <> pg_backend_pid() and datname = current_database()"
            )
        return self.snapshot.extract(table, *arguments)


def test_when_a_snapshot_is_lost_all_its_tables_are_read_again(
    database: Database, tmp_path: Path
) -> None:
    database.create()
    database.insert("orders", (1, None, 5, f"{DAY} 09:00+00", "paid"))
    source = Interrupted(database)
    run = RunSnapshot(source, tmp_path)
    with pytest.raises(SourceUnavailableError):
        run.extract("orders", DAY, DAY)
    database.insert("orders", (2, None, 5, f"{DAY} 10:00+00", "paid"))
    database.insert("payments", (1, 2, 5, "paid", f"{DAY} 10:00+00"))
    assert run.extract("orders", DAY, DAY).totals[DAY].rows == 2
    database.execute("delete from payments")
    assert run.extract("payments", DAY, DAY).totals[DAY].rows == 1
    assert source.snapshots == 2


def test_a_table_that_cannot_be_read_does_not_keep_others_from_it(
    database: Database, tmp_path: Path
) -> None:
    database.create()
    database.execute("drop table payments")
    run = RunSnapshot(DatabaseSource(Settings(source=SecretStr(database.url))), tmp_path)
    assert run.extract("orders", DAY, DAY).totals == {}
    with pytest.raises(SourceError, match="no table payments"):
        run.extract("payments", DAY, DAY)


def test_an_error_of_the_first_table_is_told_and_not_what_follows_from_it(
    database: Database, tmp_path: Path
) -> None:
    database.create()
    database.insert("customers", (1, "a@example.invalid", "North", DAY))
    database.insert("orders", (1, 1, 5, f"{DAY} 09:00+00", "paid"))
    database.execute("alter table customers rename to kept")
    database.execute(
        "create view customers as select id, (id / 0)::text as email, region, signup_date from kept"
    )
    run = RunSnapshot(DatabaseSource(Settings(source=SecretStr(database.url))), tmp_path)
    with pytest.raises(SourceError, match="division by zero"):
        run.extract("customers", DAY, DAY)
    assert run.extract("orders", DAY, DAY).totals[DAY].rows == 1


def test_only_the_tables_of_the_run_are_read(database: Database, tmp_path: Path) -> None:
    database.create()
    run = RunSnapshot(
        DatabaseSource(Settings(source=SecretStr(database.url))), tmp_path, ["orders"]
    )
    run.extract("orders", DAY, DAY)
    assert [folder.name for folder in (tmp_path / "source").iterdir()] == [f"orders-{DAY}-{DAY}"]
