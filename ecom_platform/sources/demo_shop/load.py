# ADBC's own annotations leave parameters and rows unknown.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false
"""The demo shop's tables in PostgreSQL: their schema, and how they are filled.

What is in them comes from `rows`; how the platform reads them is `sources.database`.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from itertools import chain
from typing import TYPE_CHECKING

import pyarrow as pa
from pydantic import TypeAdapter

from ecom_platform.errors import SourceError, SourceUnavailableError
from ecom_platform.sources.demo_shop.demand import DemoShop, plan
from ecom_platform.sources.demo_shop.rows import Rows, customer_rows, order_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from adbc_driver_postgresql.dbapi import Cursor

#: How the comment on each table begins; what follows says which shop it is.
MARK = "Simulated by ecom_platform; made anew by every demo."
_DESCRIPTION = TypeAdapter(DemoShop)

#: As in a shop that has lived for some years. Its customers have a primary key. Its orders and
#: payments come from tills and payment providers through a queue that delivers at least once,
#: into tables that check little: no primary key, no scale of money, nothing but the id
#: required, and no foreign keys. So what `dirt.RATES` lists can be in them.
TABLES = {
    "customers": "id bigint PRIMARY KEY, email text, region text, signup_date date",
    "orders": "id bigint NOT NULL, customer_id bigint, total_amount numeric, "
    "created_at timestamptz, status text",
    "payments": "id bigint NOT NULL, order_id bigint, amount numeric, status text, "
    "paid_at timestamptz",
}
INDEXES = {
    "orders": ("id", "customer_id", "created_at"),
    "payments": ("id", "order_id", "paid_at"),
}

#: Rows sent to the database at once.
SENT_ROWS = 50_000


def load_demo_shop(
    dsn: str, shop: DemoShop, progress: Callable[[int, int], None] | None = None
) -> dict[str, int]:
    """Make `customers`, `orders` and `payments` anew and fill them, in one transaction.

    The tables are as the shop stands at the end of its last day. Whoever reads them meanwhile
    waits; after an error, what was there before is still there.

    Args:
        dsn: `postgresql://` address of the database.
        shop: Which shop.
        progress: Called now and then with the orders sent and the orders in all.

    Returns:
        Rows by table.

    Raises:
        SourceError: A table of that name exists that no demo has made, or the database refuses.
        SourceUnavailableError: The database does not answer.
    """
    # Slow to import, and not needed where the platform runs on a real shop.
    from adbc_driver_postgresql import dbapi

    demand = plan(shop)
    total = int(demand.orders.sum())
    _, now = shop.calendar.bounds(shop.last_day, shop.last_day)
    sent = dict.fromkeys(TABLES, 0)
    try:
        connection = dbapi.connect(dsn)
    except dbapi.Error:
        raise SourceUnavailableError(
            "The database of the demo shop does not answer.",
            hint="Check its address, and that the server runs.",
        ) from None
    try:
        with closing(connection), connection.cursor() as cursor:
            _create(cursor, shop)
            sending: Future[None] | None = None
            everything = chain(customer_rows(shop, demand), order_rows(shop, demand, now))
            with ThreadPoolExecutor(1) as sender:  # the next rows are made while these are sent
                for table, rows, as_text in _gathered(everything):
                    if sending:
                        sending.result()
                    sending = sender.submit(_send, cursor, table, rows, as_text)
                    sent[table] += rows.num_rows
                    if progress:
                        progress(sent["orders"], total)
            if sending:
                sending.result()
            for table, columns in INDEXES.items():
                for column in columns:
                    cursor.execute(f"CREATE INDEX ON {table} ({column})")
            for table in TABLES:
                cursor.execute(f"ANALYZE {table}")
            connection.commit()
    except dbapi.Error as error:
        raise SourceError(
            f"The database does not take the demo shop: {str(error).splitlines()[0]}",
            hint="Give the demo an empty database of its own, with room on its disk.",
        ) from None
    return sent


def read_mark(cursor: Cursor) -> DemoShop:
    """Return which shop it is that the tables hold.

    Raises:
        SourceError: A table is missing, or is one that no demo has made.
    """
    marks = {_mark(cursor, table) or "" for table in TABLES}
    mark = marks.pop()
    if not marks and mark.startswith(MARK):
        return _DESCRIPTION.validate_json(mark.removeprefix(MARK))
    raise SourceError(
        f"The tables {', '.join(TABLES)} of this database are not a demo's. Nothing was changed.",
        hint="Make a demo: ecom demo",
    )


def _mark(cursor: Cursor, table: str) -> str | None:
    """Return the comment of a table; None where there is no such table."""
    cursor.execute(
        "SELECT coalesce(obj_description(to_regclass($1), 'pg_class'), '') "
        "WHERE to_regclass($1) IS NOT NULL",
        (table,),
    )
    found = cursor.fetchall()
    return found[0][0] if found else None


def _create(cursor: Cursor, shop: DemoShop) -> None:
    marks = {table: _mark(cursor, table) for table in TABLES}
    strangers = ", ".join(
        table for table, mark in marks.items() if not (mark is None or mark.startswith(MARK))
    )
    if strangers:
        raise SourceError(
            f"The database already has {strangers}, which no demo has made. Nothing was changed.",
            hint="Give the demo an empty database of its own.",
        )
    mark = _DESCRIPTION.dump_json(shop).decode()
    for table, columns in TABLES.items():
        cursor.execute(f"DROP TABLE IF EXISTS {table}")
        cursor.execute(f"CREATE TABLE {table} ({columns})")
        cursor.execute(f"COMMENT ON TABLE {table} IS '{MARK} {mark}'")


def _gathered(everything: Iterable[Rows]) -> Iterator[tuple[str, pa.Table, bool]]:
    """Join batches of the same kind into tables of SENT_ROWS rows and more."""
    waiting: dict[tuple[str, bool], list[pa.RecordBatch]] = {}
    for table, batch, as_text in everything:
        batches = waiting.setdefault((table, as_text), [])
        batches.append(batch)
        if sum(map(len, batches)) >= SENT_ROWS:
            yield table, pa.Table.from_batches(waiting.pop((table, as_text))), as_text
    for (table, as_text), batches in waiting.items():
        yield table, pa.Table.from_batches(batches), as_text


def _send(cursor: Cursor, table: str, rows: pa.Table, as_text: bool) -> None:
    if not as_text:
        cursor.adbc_ingest(table, rows, mode="append")
        return
    types = [column.split()[1] for column in TABLES[table].split(", ")]
    values = ", ".join(f"${place}::{type_}" for place, type_ in enumerate(types, 1))
    cursor.executemany(f"INSERT INTO {table} VALUES ({values})", rows)
