"""A database of a real MariaDB server for one test."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pymysql

from ecom_platform_tests.sources.shop_database import ShopDatabase

if TYPE_CHECKING:
    from collections.abc import Iterable

_INSTANT = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d(?::\d\d(?:\.\d+)?)?)\+00(?::00)?")


class MariaDatabase(ShopDatabase):
    """A database of MariaDB; times with a zone are written as UTC."""

    types = {  # noqa: RUF012
        "words": "varchar(255)",
        "naive": "datetime(6)",
        "instant": "timestamp(6) null",
        "any_number": "decimal(65,30)",
        "text": "varchar(100) collate utf8mb4_bin",
    }

    _connection: pymysql.Connection[Any] | None = None

    def execute(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        with self._connected().cursor() as cursor:
            cursor.execute(sql, [_stored(value) for value in values] or None)
            return list(cursor.fetchall())

    def copy(self, table: str, rows: Iterable[tuple[Any, ...]]) -> None:
        stored = [[_stored(value) for value in row] for row in rows]
        with self._connected().cursor() as cursor:
            for start in range(0, len(stored), 10_000):
                some = stored[start : start + 10_000]
                places = ", ".join(["%s"] * len(some[0]))
                cursor.executemany(f"insert into {table} values ({places})", some)

    def _connected(self) -> pymysql.Connection[Any]:
        """Return the connection that all statements share."""
        if self._connection is None or not self._connection.open:
            self._connection = self.connect()
        return self._connection

    def close(self) -> None:
        """Close the shared connection."""
        if self._connection is not None:
            self._connection.close()

    def connect(self) -> pymysql.Connection[Any]:
        """Connect as `root`."""
        parts = urlsplit(self.url)
        return pymysql.connect(
            unix_socket=parse_qs(parts.query)["socket"][0],
            user="root",
            database=parts.path.strip("/"),
            autocommit=True,
            charset="utf8mb4",
            ssl_disabled=True,  # or certificates would be read, for longer than all else takes
            # So loose that what old databases hold can be stored.
            init_command="set time_zone = '+00:00', sql_mode = 'ALLOW_INVALID_DATES'",
        )


def _stored(value: Any) -> Any:
    if isinstance(value, datetime) and value.tzinfo:
        return value.astimezone(UTC).replace(tzinfo=None)
    if isinstance(value, str) and (instant := _INSTANT.fullmatch(value)):
        return instant[1]
    return value
