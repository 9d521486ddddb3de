"""One PostgreSQL server for the tests of a worker, and an empty database for each test."""

from __future__ import annotations

import tempfile
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from ecom_platform.sources.embedded_postgres import embedded_postgres
from ecom_platform_tests.sources.postgres_database import Database

if TYPE_CHECKING:
    from collections.abc import Iterator

_NUMBERS = count(1)


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The address of a running server."""
    # Not below pytest's own folder: a second pytest would take it from the server's user.
    with tempfile.TemporaryDirectory(prefix="postgres-") as folder, embedded_postgres(
        Path(folder)
    ) as url:
        yield url


@pytest.fixture
def database(postgres: str) -> Iterator[Database]:
    """An empty database; whoever is still connected at the end is disconnected."""
    name = f"shop_{next(_NUMBERS)}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"create database {name}")
        yield Database(postgres, name)
        connection.execute(f"drop database {name} with (force)")
