"""A database of a real PostgreSQL server for one test."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg

from ecom_platform_tests.sources.shop_database import START, Read, ShopDatabase, read

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["START", "Database", "Read", "read"]


class Database(ShopDatabase):
    """A database of PostgreSQL."""

    types = {  # noqa: RUF012
        "words": "text",
        "naive": "timestamp",
        "instant": "timestamptz",
        "any_number": "numeric",
    }

    def execute(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(sql.encode(), values or None)
            return cursor.fetchall() if cursor.description else []

    def copy(self, table: str, rows: Iterable[tuple[Any, ...]]) -> None:
        with (
            psycopg.connect(self.url) as connection,
            connection.cursor() as cursor,
            cursor.copy(f"copy {table} from stdin".encode()) as copy,
        ):
            for row in rows:
                copy.write_row(row)
