"""Which traps a made-up shop has, told from its rows alone."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from ecom_platform_tests.oracle import clean, read_amount, read_date, read_instant, word

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ecom_platform_tests.shops import Case

#: What a source can hold that figures must survive.
FEATURES = (
    "a day of 23 hours",
    "a day of 25 hours",
    "a day without midnight",
    "naive times of another timezone",
    "a row at the first or last moment of a day",
    "ids of whole numbers above 2^53",
    "ids of uuids",
    "ids of texts that look alike",
    "an order of a guest",
    "an order of an unknown customer",
    "a payment of no order",
    "a payment of an unknown order",
    "several payments of one order",
    "several orders of one customer",
    "a refund",
    "a failed payment",
    "a pending payment",
    "a payment that is dated by its order",
    "one payment both pending and paid",
    "an unknown payment status",
    "a missing status",
    "a void order",
    "a negative completed payment",
    "equal payments of one day",
    "an amount of more than two decimals",
    "an amount too large or not finite",
    "exact duplicates",
    "rows that differ under one id",
    "a row without id",
    "a missing amount",
    "a missing time of an order",
    "a missing region",
    "a missing e-mail address",
    "a missing sign-up",
    "a region called all",
    "regions that differ in case",
    "a region with separators or beyond ASCII",
    "a row before the first day",
    "an amount that is a word",
    "an unreadable time",
    "an unreadable sign-up",
    "a region with payments but no orders",
    "quarantined rows",
)
#: A typed column cannot hold these.
FEATURES_OF_TEXTS = ("an amount that is a word", "an unreadable time", "an unreadable sign-up")


def features_of(case: Case) -> Iterator[str]:
    """Yield which of `FEATURES` a case has."""
    yield from _times(case)
    yield from _parents(case)
    yield from _values(case)
    yield from _customers(case)


def _found(name: str, *conditions: object) -> Iterator[str]:
    if any(conditions):
        yield name


def _times(case: Case) -> Iterator[str]:
    orders, _, payments = case.shop
    zone = ZoneInfo(case.settings.timezone)
    source_zone = ZoneInfo(case.settings.source_timezone)
    starts = [
        datetime.combine(day, time(), zone) for day in (*case.days, case.days[-1] + timedelta(1))
    ]
    instants = [start.astimezone(UTC) for start in starts]
    hours = {round((end - start) / timedelta(hours=1)) for start, end in pairwise(instants)}
    yield from _found("a day of 23 hours", 23 in hours)
    yield from _found("a day of 25 hours", 25 in hours)
    yield from _found(
        "a day without midnight",
        *(at.astimezone(zone).time() != time() for at in instants),
    )
    times = [row.created_at for row in orders] + [row.paid_at for row in payments]
    is_naive = any(at is not None and _is_without_offset(at) for at in times)
    yield from _found("naive times of another timezone", is_naive and zone.key != source_zone.key)
    read = {read_instant(at, source_zone) for at in times}
    yield from _found(
        "a row at the first or last moment of a day",
        *(at in read or at - timedelta(microseconds=1) in read for at in instants),
    )

    yield from _found(
        "an unreadable time", *(bool(at) and read_instant(at, source_zone) is None for at in times)
    )
    yield from _found("a missing time of an order", *(row.created_at is None for row in orders))
    yield from _found("a row before the first day", *(at and at < instants[0] for at in read))


def _parents(case: Case) -> Iterator[str]:
    orders, customers, payments = case.shop
    customer_ids = {row.id for row in customers}
    order_ids = {row.id for row in orders}
    all_ids = [row.id for row in (*orders, *customers, *payments) if row.id is not None]
    yield from _found("ids of whole numbers above 2^53", *(_is_large(value) for value in all_ids))
    yield from _found("ids of uuids", *(len(str(value)) == 36 for value in all_ids))
    yield from _found(
        "ids of texts that look alike",
        *(str(value).startswith("0") and len(str(value)) > 1 for value in all_ids
          if len(str(value)) < 36),
    )  # fmt: skip
    buyers = Counter(row.customer_id for row in dict.fromkeys(orders))
    yield from _found("an order of a guest", None in buyers)
    yield from _found("an order of an unknown customer", bool(set(buyers) - customer_ids - {None}))
    yield from _found(
        "several orders of one customer", *(n > 1 for who, n in buyers.items() if who)
    )
    paid_for = Counter(row.order_id for row in dict.fromkeys(payments))
    yield from _found("a payment of no order", None in paid_for)
    yield from _found("a payment of an unknown order", bool(set(paid_for) - order_ids - {None}))
    yield from _found("several payments of one order", *(n > 1 for o, n in paid_for.items() if o))


def _values(case: Case) -> Iterator[str]:
    orders, customers, payments = case.shop
    settings, words = case.settings, case.settings.payment_status_words
    order_ids = {row.id for row in orders}
    statuses = [(row, words.get(word(row.status), "other")) for row in payments]
    of_status = {status for _, status in statuses}
    yield from _found("a refund", "refunded" in of_status)
    yield from _found("a failed payment", "failed" in of_status)
    yield from _found("a pending payment", "pending" in of_status)
    yield from _found(
        "a payment that is dated by its order",
        *(row.paid_at is None and row.order_id in order_ids for row in payments),
    )
    dates = {(row.id, row.paid_at is None) for row in payments if row.id is not None}
    yield from _found("one payment both pending and paid", len(dates) > len({i for i, _ in dates}))
    yield from _found(
        "an unknown payment status",
        *(status == "other" and bool(word(row.status)) for row, status in statuses),
    )
    yield from _found("a missing status", *(row.status is None for row in (*orders, *payments)))
    yield from _found(
        "a void order", *(word(row.status) in settings.void_order_statuses for row in orders)
    )
    yield from _found(
        "a negative completed payment",
        *(status == "completed" and (read_amount(row.amount) or 0) < 0 for row, status in statuses),
    )

    amounts = [row.total_amount for row in orders] + [row.amount for row in payments]
    rounded = [(value, read_amount(value)) for value in amounts if value is not None]
    yield from _found(
        "an amount of more than two decimals",
        *(cents is not None and cents != Decimal(value) for value, cents in rounded),
    )
    yield from _found(
        "an amount too large or not finite",
        *(cents is None and _is_number(value) for value, cents in rounded),
    )
    yield from _found("an amount that is a word", *(not _is_number(value) for value, _ in rounded))
    yield from _found("a missing amount", None in amounts)

    tables = [orders, customers, payments]
    yield from _found("exact duplicates", *(len(set(rows)) < len(rows) for rows in tables))
    yield from _found(
        "rows that differ under one id",
        *(len({row.id for row in rows}) < len(set(rows)) for rows in tables),
    )
    yield from _found("a row without id", *(row.id is None for rows in tables for row in rows))


def _customers(case: Case) -> Iterator[str]:
    customers = case.shop.customers
    regions = {row.region for row in customers}
    named = {(region or "").strip() for region in regions} - {""}
    yield from _found("a missing region", None in regions)
    yield from _found("a region called all", *(region.lower() == "all" for region in named))
    yield from _found(
        "regions that differ in case", len({region.lower() for region in named}) < len(named)
    )
    yield from _found(
        "a region with separators or beyond ASCII",
        *(not region.isascii() or bool(set(region) & set(',"\n')) for region in named),
    )
    yield from _found("a missing e-mail address", *(row.email is None for row in customers))
    signups = {row.signup_date for row in customers}
    yield from _found("a missing sign-up", None in signups)
    yield from _found("an unreadable sign-up", *(at and not read_date(at) for at in signups))

    cleaned = clean(case.shop, case.settings)
    received = [
        (row.day, row.amount)
        for row in cleaned.payments
        if row.status == "completed" and row.amount
    ]
    yield from _found("equal payments of one day", len(set(received)) < len(received))
    placed = {(row.day, row.region) for row in cleaned.orders}
    yield from _found(
        "a region with payments but no orders",
        *((row.day, row.region) not in placed for row in cleaned.payments),
    )
    yield from _found(
        "quarantined rows", *(count.quarantined > 0 for count in cleaned.counts.values())
    )


def _is_without_offset(at: Any) -> bool:
    """Say whether a timestamp, text or not, means another instant in another timezone."""
    east, west = ZoneInfo("Pacific/Auckland"), ZoneInfo("America/New_York")
    return read_instant(at, east) != read_instant(at, west)


def _is_large(value: Any) -> bool:
    """Say whether an id is a whole number that a float cannot hold."""
    return str(value).isdecimal() and int(value) > 2**53


def _is_number(value: Any) -> bool:
    """Say whether a source's amount is a number to it, finite or not."""
    try:
        Decimal(value)
    except InvalidOperation:
        return False
    return "_" not in str(value)
