"""One PostgreSQL server for the tests of a worker, and an empty database for each."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

import psycopg
import pytest

from ecom_platform.sources.embedded_postgres import embedded_postgres
from ecom_platform_tests.sources.postgres_database import Database

if TYPE_CHECKING:
    from collections.abc import Iterator

_NUMBERS = count(1)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a running server."""
    with embedded_postgres(tmp_path_factory.mktemp("postgres")) as url:
        yield url


@pytest.fixture
def database(postgres: str) -> Iterator[Database]:
    """An empty database; whoever is still connected at the end is disconnected."""
    name = f"shop_{next(_NUMBERS)}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"create database {name}")
        yield Database(postgres.replace("/postgres?", f"/{name}?"))
        connection.execute(f"drop database {name} with (force)")
