"""What tests stand on: a clean environment, database servers, an S3 server, a platform."""

from __future__ import annotations

import os
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import psycopg
import pytest
from hypothesis import settings as hypothesis_settings

from ecom_platform.sources.embedded_postgres import embedded_postgres
from ecom_platform_tests.sources.mariadb_database import MariaDatabase
from ecom_platform_tests.sources.mariadb_server import address_of, mariadb_server
from ecom_platform_tests.sources.postgres_database import Database

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ecom_platform_tests.sources.shop_database import ShopDatabase

_NUMBERS = count(1)
#: Files of minutes: what begins last keeps one core busy while the others have nothing to do.
_LONG = ("test_metrics_equal_oracle.py", "test_metamorphic.py", "test_rehearsal.py")

hypothesis_settings.register_profile("default", deadline=None, print_blob=True)
hypothesis_settings.load_profile("default")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest, and with those of web pages: they mostly wait for others' work."""
    items.sort(key=lambda item: "ui" not in item.path.parts and item.path.name not in _LONG)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting of the developer's reaches a test, and no test leaves files in the project."""
    for name in os.environ:
        if name.startswith(("ECOM_", "AWS_", "DAGSTER_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)  # where a `.env` file would be looked for


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The address of a running server."""
    # Not under pytest's own folder: each session on the machine makes that private again, and
    # the server, which does not run as root, would lose its data.
    with (
        TemporaryDirectory(prefix="ecom-postgres-", ignore_cleanup_errors=True) as folder,
        embedded_postgres(Path(folder)) as url,
    ):
        yield url


@pytest.fixture
def database(postgres: str) -> Iterator[Database]:
    """An empty database; whoever is still connected at the end is disconnected."""
    name = f"shop_{os.getpid()}_{next(_NUMBERS)}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"create database {name}")
        yield Database(postgres.replace("/postgres?", f"/{name}?"))
        connection.execute(f"drop database {name} with (force)")


@pytest.fixture(scope="session")
def mariadb() -> Iterator[str]:
    """The socket of a running MariaDB server; the test is skipped where none is installed."""
    with mariadb_server() as server:
        yield server.socket


@pytest.fixture
def maria(mariadb: str) -> Iterator[MariaDatabase]:
    """An empty database of MariaDB."""
    name = f"shop_{next(_NUMBERS)}"
    server = MariaDatabase(address_of(mariadb, "mysql"))
    server.execute(f"create database {name} character set utf8mb4")
    database = MariaDatabase(address_of(mariadb, name))
    yield database
    database.close()
    server.execute(f"drop database {name}")
    server.close()


@pytest.fixture(params=["postgres", "mariadb"])
def shop_database(request: pytest.FixtureRequest) -> ShopDatabase:
    """An empty database, of each kind."""
    return request.getfixturevalue({"postgres": "database", "mariadb": "maria"}[request.param])


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """The address of moto's S3 server, over HTTP."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A new bucket, and the `AWS_*` variables to reach it."""
    import boto3

    name = f"bucket-{os.getpid()}-{next(_NUMBERS)}"
    for variable, value in {
        "AWS_ENDPOINT_URL": s3_server,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(variable, value)
    client = boto3.client("s3", region_name="us-east-1", endpoint_url=s3_server)
    client.create_bucket(Bucket=name)
    return name
