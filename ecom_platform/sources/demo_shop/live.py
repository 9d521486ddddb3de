# ADBC's own annotations leave parameters and rows unknown.
# pyright: reportMissingTypeStubs=false
"""The demo shop going on: what happens in its database next, one transaction for each event.

New orders come from `future`, what happens to older ones from `changes`. When the next event
is due is the caller's.
"""

from __future__ import annotations

from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np

from ecom_platform.errors import SourceError, SourceUnavailableError
from ecom_platform.sources.demo_shop.changes import CHANGES, payment_is
from ecom_platform.sources.demo_shop.future import new_orders
from ecom_platform.sources.demo_shop.load import read_mark

if TYPE_CHECKING:
    from collections.abc import Generator

    from adbc_driver_postgresql.dbapi import Connection, Cursor

    from ecom_platform.sources.demo_shop.changes import Change
    from ecom_platform.sources.demo_shop.demand import DemoShop
    from ecom_platform.sources.demo_shop.future import NewOrder

NEW_ORDER = "new order"
#: What remains of a corrected amount; how many days ago the bank booked what it tells now.
CORRECTION, BOOKED_DAYS = (0.70, 0.95), 1.5
#: One writer at a time: two would give one number to two orders.
LOCK = 0x6C697665

_TICK = timedelta(microseconds=1)

#: The newest order until a moment to which a change can happen. What was spoilt is left alone.
_FIND = """
SELECT o.id, o.created_at::text, o.total_amount::text
FROM orders AS o
WHERE o.created_at BETWEEN $1::timestamptz AND $2::timestamptz
  AND o.total_amount BETWEEN 1 AND 1000000 AND {which}
ORDER BY o.created_at DESC, o.id DESC
LIMIT 1
"""
#: By business day: the revenue of an order, and all that its rows say.
_LOOK = f"""
WITH seen AS (
    SELECT o.created_at AS at, 0 AS revenue, o::text AS content FROM orders AS o WHERE o.id = $1
    UNION
    SELECT
        coalesce(p.paid_at, o.created_at),
        CASE
            WHEN {payment_is("completed")} AND p.amount BETWEEN -1000000 AND 1000000
            THEN p.amount ELSE 0
        END,
        p::text
    FROM payments AS p LEFT JOIN orders AS o ON o.id = p.order_id
    WHERE p.order_id = $1
)
SELECT
    (at AT TIME ZONE $2)::date::text,
    sum(revenue)::text,
    string_agg(content, ' ' ORDER BY content)
FROM seen GROUP BY 1
"""


@dataclass(frozen=True)
class Event:
    """Something that has happened in the shop.

    Args:
        what: For people.
        order: The order's number.
        amount: Its total; before the event, where it was there before.
        days: Each business day it touches -> what it changed that day's revenue by.
    """

    what: str
    order: int
    amount: Decimal
    days: dict[date, Decimal]


class LiveShop:
    """The demo shop in a database. The same rows and seed, on one day, give the same events.

    Args:
        connection: To the database.
        shop: Which shop it is.
        seed: Another seed is another future.
    """

    def __init__(self, connection: Connection, shop: DemoShop, seed: int) -> None:
        self._connection = connection
        self._shop = shop
        with connection.cursor() as cursor:
            cursor.execute("SELECT coalesce(max(id), 0) + 1 FROM orders")
            [[number]] = cursor.fetchall()
        connection.commit()
        self._chance = np.random.default_rng([seed, number])
        self._orders = new_orders(shop, number)

    def next_event(self, now: datetime) -> Event:
        """Let the next thing happen, wholly or not at all.

        Raises:
            SourceError: The database refuses.
        """
        from adbc_driver_postgresql import dbapi

        try:
            with self._connection.cursor() as cursor:
                event = self._happen(cursor, now)
                self._connection.commit()
        except dbapi.Error as error:
            raise SourceError(
                f"The demo shop cannot go on: {str(error).splitlines()[0]}",
                hint="Make it anew: ecom demo",
            ) from None
        return event

    def _happen(self, cursor: Cursor, now: datetime) -> Event:
        shares = np.cumsum([change.share for change in CHANGES])
        place = int(np.searchsorted(shares, self._chance.random()))
        # Beyond their shares is a new order. Where a change can happen to no order, the next of
        # the table comes.
        for change in CHANGES[place:]:
            event = self._change(cursor, change, now)
            if event:
                return event
        return self._place(cursor, next(self._orders), now)

    def _change(self, cursor: Cursor, change: Change, now: datetime) -> Event | None:
        median, spread = change.age
        age = timedelta(microseconds=median * np.exp(self._chance.normal(0, spread)))
        booked = timedelta(days=self._chance.uniform(0, BOOKED_DAYS))
        factor = self._chance.uniform(*CORRECTION)
        calendar, day = self._shop.calendar, self._shop.first_day
        opened, opened_until = calendar.bounds(day, day)
        yesterday = calendar.last_closed(now)
        # The day that is not over yet was not published, and shows no change.
        _, today = calendar.bounds(yesterday, yesterday)
        newest = max(today - age, opened_until) - _TICK
        cursor.execute(_FIND.format(which=change.which), (opened.isoformat(), newest.isoformat()))
        found = cursor.fetchall()
        if not found:
            return None
        [[number, created, amount]] = found
        moments = (created, now.isoformat(), (today - booked - _TICK).isoformat())
        before = self._look(cursor, number)
        for statement in change.statements():
            cursor.execute(statement, (number, *moments, f"{factor:.4f}"))
        days = _difference(before, self._look(cursor, number))
        return Event(change.what, number, Decimal(amount), days)

    def _place(self, cursor: Cursor, order: NewOrder, now: datetime) -> Event:
        moment, zone = now.isoformat(), self._shop.timezone
        if order.newcomer:
            cursor.execute(
                "INSERT INTO customers "
                "VALUES ($1, $2, $3, ($4::timestamptz AT TIME ZONE $5)::date) "
                "ON CONFLICT DO NOTHING",
                (order.customer, *order.newcomer, moment, zone),
            )
        cursor.execute(
            "INSERT INTO orders "
            "VALUES ($1, nullif($2::bigint, 0), $3::numeric, $4::timestamptz, $5)",
            (order.number, order.customer or 0, str(order.amount), moment, order.word),
        )
        for payment in order.payments:
            cursor.execute(
                "INSERT INTO payments "
                "VALUES ($1, $2, $3::numeric, $4, nullif($5, '')::timestamptz)",
                (
                    payment.number, order.number, str(payment.amount), payment.word,
                    "" if payment.pending else moment,
                ),
            )  # fmt: skip
        days = _difference({}, self._look(cursor, order.number))
        return Event(NEW_ORDER, order.number, order.amount, days)

    def _look(self, cursor: Cursor, number: int) -> dict[date, tuple[Decimal, str]]:
        cursor.execute(_LOOK, (number, self._shop.timezone))
        return {
            date.fromisoformat(day): (Decimal(revenue), content)
            for day, revenue, content in cursor.fetchall()
        }


def _difference(
    before: dict[date, tuple[Decimal, str]], after: dict[date, tuple[Decimal, str]]
) -> dict[date, Decimal]:
    nothing = Decimal(), ""
    return {
        day: after.get(day, nothing)[0] - before.get(day, nothing)[0]
        for day in sorted(before | after)
        if before.get(day) != after.get(day)
    }


@contextmanager
def open_live_shop(address: str, seed: int) -> Generator[LiveShop]:
    """Connect to a database that `load_demo_shop` has filled, to go on with its shop.

    Raises:
        SourceError: No demo has made its tables, or another process goes on with them.
        SourceUnavailableError: The database does not answer.
    """
    from adbc_driver_postgresql import dbapi

    try:
        connection = dbapi.connect(address)
    except dbapi.Error:
        raise SourceUnavailableError(
            "The database of the demo shop does not answer.", hint="Make it anew: ecom demo"
        ) from None
    with closing(connection):
        with connection.cursor() as cursor:
            shop = read_mark(cursor)
            cursor.execute(f"SELECT pg_try_advisory_lock({LOCK})")
            [[alone]] = cursor.fetchall()
        if not alone:
            raise SourceError(
                "The demo shop is going on already, by another `ecom shop live`.",
                hint="Watch that one, or end it with Ctrl-C.",
            )
        yield LiveShop(connection, shop, seed)
