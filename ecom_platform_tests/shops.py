"""Small whole shops full of traps, as a hypothesis strategy.

The right answers are in `oracle.py`, writing a shop to a source is in `shop_writers.py`. A
shop leaves out what the definitions do not decide: one value spelled in two ways in rows of
one id, exponents, tabs around words.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import cached_property
from itertools import chain
from typing import Any
from uuid import NAMESPACE_OID, UUID, uuid5
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from ecom_platform.settings import Settings
from ecom_platform_tests.oracle import Customer, Order, Payment, Shop, read_instant
from ecom_platform_tests.shop_values import (
    FROM_MIDNIGHT,
    LARGEST_AMOUNTS,
    NOT_FINITE_AMOUNTS,
    OFFSETS,
    ORDER_WORDS,
    PAYMENT_WORDS,
    PRICES,
    REGIONS,
    ROUNDED_AMOUNTS,
    SITUATIONS,
    TOO_LARGE_AMOUNTS,
    UNREADABLE_TIMES,
    WALL_TIMES,
    WORD_AMOUNTS,
)
from ecom_platform_tests.shop_writers import ROWS

_IDS_OF_A_SHOP = 20  # more than it uses, and a multiple of the ways that `_id` spells one


@dataclass(frozen=True)
class Case:
    """A shop, the settings it is to be read with, and the days to ask for.

    Args:
        shop: The source.
        options: Arguments of `Settings`, without `source` and `lake`.
        days: Business days from the start date on; the shop has rows around them too.
    """

    shop: Shop
    options: dict[str, Any]
    days: list[date]

    @cached_property
    def settings(self) -> Settings:
        """The settings, for the oracle."""
        return Settings(_env_file=None, **self.options)


@st.composite
def cases(draw: st.DrawFn, *, typed: bool = False, most_shops: int = 1) -> Case:
    """Make a small shop around a change of the clocks.

    Args:
        draw: Given by hypothesis.
        typed: Values such as typed database columns hold, for `write_shop`, instead of
            texts, for `write_csv`: without unreadable dates and amounts that are words.
        most_shops: Up to so many small shops at once, with customers and orders of their own,
            in the same tables on the same days: a run costs little more than with one.
    """
    timezone_name, source_timezone, change = draw(st.sampled_from(SITUATIONS))
    start = change - timedelta(days=draw(st.integers(0, 2)))
    days = [start + timedelta(days=after) for after in range(4)]
    default_void = ("cancelled", "canceled", "void", "test", "deleted")
    options = {
        "timezone": timezone_name,
        "source_timezone": source_timezone,
        "start_date": start,
        "retention_days": draw(st.sampled_from((1, 2, 3, 90))),
        "void_order_statuses": draw(st.sampled_from((default_void, ("returned", "unknown")))),
        "payment_statuses": draw(st.sampled_from(({}, {"completed": ["Abgeschlossen "]}))),
        "quarantine_max_share": 1.0,
        "unknown_status_max_share": 1.0,
    }
    business_zone, source_zone = ZoneInfo(timezone_name), ZoneInfo(source_timezone)
    around = st.sampled_from([start - timedelta(days=1), *days, days[-1] + timedelta(days=1)])
    dates = around | st.just(change)
    signups = _mostly(st.sampled_from([start - timedelta(days=400), *days]), st.none())
    columns = _Columns(
        typed=typed,
        source_zone=source_zone,
        id_kinds={table: draw(st.sampled_from(("bigint", "uuid", "text"))) for table in ROWS},
        order_times=_times(draw, dates, business_zone, source_zone, typed=typed),
        payment_times=_times(draw, dates, business_zone, source_zone, typed=typed),
        order_amounts=_amounts(draw, LARGEST_AMOUNTS, typed=typed),
        payment_amounts=_amounts(draw, (), typed=typed),
        signups=signups if typed else _date_texts(signups),
    )
    # One alone leaves more days and regions without anything.
    count = draw(st.sampled_from((1, most_shops, most_shops)))
    shops = [_shop(draw, columns, _IDS_OF_A_SHOP * number) for number in range(count)]
    return Case(Shop(*(list(chain(*rows)) for rows in zip(*shops, strict=True))), options, days)


@dataclass(frozen=True)
class _Columns:
    """What the columns of a source hold: one kind of value each, in all its shops."""

    typed: bool
    source_zone: ZoneInfo
    id_kinds: dict[str, str]
    order_times: st.SearchStrategy[Any]
    payment_times: st.SearchStrategy[Any]
    order_amounts: st.SearchStrategy[Any]
    payment_amounts: st.SearchStrategy[Any]
    signups: st.SearchStrategy[Any]


def _shop(draw: st.DrawFn, columns: _Columns, first_id: int) -> Shop:
    typed = columns.typed

    def ids(table: str, count: int) -> list[Any]:
        kind = columns.id_kinds[table]
        found = [_id(kind, number) for number in range(first_id, first_id + count)]
        return found if typed else [str(value) for value in found]

    *customer_ids, lost_customer = ids("customers", draw(st.integers(1, 6)))
    customers = [
        Customer(
            id=customer_id,
            email=draw(_mostly(st.just(f"c{first_id + number}@example.invalid"), st.none())),
            region=draw(st.sampled_from((*REGIONS, "") if typed else REGIONS)),
            signup_date=draw(columns.signups),
        )
        for number, customer_id in enumerate(customer_ids)
    ]

    *order_ids, lost_order = ids("orders", draw(st.integers(1, 13)))
    buyers = _mostly(st.sampled_from([*customer_ids, lost_customer]), st.none())
    orders = [
        Order(
            id=order_id,
            customer_id=draw(buyers),
            total_amount=draw(columns.order_amounts),
            created_at=draw(_mostly(columns.order_times, st.none())),
            status=draw(_words(ORDER_WORDS)),
        )
        for order_id in order_ids
    ]

    bought = _mostly(st.sampled_from([*order_ids, lost_order]), st.none())
    payments = [
        Payment(
            id=payment_id,
            order_id=draw(bought),
            amount=draw(columns.payment_amounts),
            status=draw(_words(PAYMENT_WORDS)),
            paid_at=draw(columns.payment_times | columns.payment_times | st.none()),
        )
        for payment_id in ids("payments", draw(st.integers(0, 15)))
    ]
    *_, another_id = ids("payments", _IDS_OF_A_SHOP)
    payments += [row._replace(id=another_id) for row in draw(_some(payments))[:1]]
    for payment in draw(_some(payments)):
        paid_at = draw(columns.payment_times)
        old, new = (read_instant(at, columns.source_zone) for at in (payment.paid_at, paid_at))
        if new != old:
            payments.append(payment._replace(paid_at=paid_at))

    return Shop(
        orders + _mischief(draw, orders, "total_amount", typed=typed),
        customers
        + draw(_some(customers))
        + [row._replace(email="other@example.invalid") for row in draw(_some(customers))[:1]]
        + [row._replace(id=None) for row in draw(_some(customers))[:1]],
        payments + _mischief(draw, payments, "amount", typed=typed),
    )


def _mostly(usual: st.SearchStrategy[Any], rare: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    # Not 0 or 9: hypothesis likes the ends of a range, and simplifies towards 0.
    return st.integers(0, 9).flatmap(lambda roll: rare if roll == 6 else usual)


def _some(rows: list[Any]) -> st.SearchStrategy[list[Any]]:
    """Choose none, one or two of the rows."""
    if not rows:
        return st.just([])
    return st.just([]) | st.lists(st.sampled_from(rows), max_size=2, unique_by=rows.index)


def _id(kind: str, number: int) -> int | str | UUID:
    """Return the id of a number: 0 and neighbours beyond 2^53, or texts that look alike."""
    if kind == "bigint":
        return (number // 2, 2**53 + number // 2)[number % 2]
    if kind == "uuid":
        return uuid5(NAMESPACE_OID, str(number))
    return ("{}", "0{}", "00{}", "a{}", "A{}")[number % 5].format(number // 5 + 1)


def _words(words: tuple[str, ...]) -> st.SearchStrategy[str | None]:
    """Choose a word, in odd case and spacing."""
    spellings = (str, str.upper, str.title, lambda word: f"  {word} ")
    spelled = st.builds(
        lambda word, spell: spell(word), st.sampled_from(words), st.sampled_from(spellings)
    )
    return _mostly(spelled, st.sampled_from((None, "   ")))


def _amounts(
    draw: st.DrawFn, more: tuple[str, ...], *, typed: bool
) -> st.SearchStrategy[str | Decimal | None]:
    """Choose amounts as one column holds them; a typed one may hold nothing but cents."""
    any_cents = st.integers(-20_000, 50_000).map(lambda number: str(Decimal(number).scaleb(-2)))
    cents = any_cents | st.sampled_from(PRICES)
    if typed and draw(st.booleans()):
        return _mostly((cents | st.sampled_from(more) if more else cents).map(Decimal), st.none())
    usual = cents | st.sampled_from(ROUNDED_AMOUNTS + more)
    wrong = TOO_LARGE_AMOUNTS + NOT_FINITE_AMOUNTS + (() if typed else WORD_AMOUNTS)
    texts = _mostly(usual, st.none() | st.sampled_from(wrong))
    return texts.map(lambda text: text and Decimal(text)) if typed else texts


def _times(
    draw: st.DrawFn,
    dates: st.SearchStrategy[date],
    business: ZoneInfo,
    source: ZoneInfo,
    *,
    typed: bool,
) -> st.SearchStrategy[str | datetime]:
    """Choose timestamps as one column holds them; a typed one has all offsets or none."""
    walls = st.builds(datetime.combine, dates, st.sampled_from(WALL_TIMES))
    near_midnight = st.builds(
        lambda day, shift: datetime.combine(day, time(), business).astimezone(UTC) + shift,
        dates,
        st.sampled_from(FROM_MIDNIGHT),
    )
    naive = walls | near_midnight.map(lambda at: at.astimezone(source).replace(tzinfo=None))
    instants = near_midnight | st.builds(
        lambda wall, fold: wall.replace(tzinfo=business, fold=fold).astimezone(UTC),
        walls,
        st.sampled_from((0, 1)),
    )
    aware = st.builds(lambda at, offset: at.astimezone(offset), instants, st.sampled_from(OFFSETS))
    if typed:
        return aware if draw(st.booleans()) else naive
    return _mostly((naive | aware).flatmap(_time_texts), st.sampled_from(UNREADABLE_TIMES))


def _date_texts(days: st.SearchStrategy[date | None]) -> st.SearchStrategy[str | None]:
    return _mostly(days.map(lambda day: day and str(day)), st.sampled_from(("2024-02-30", "soon")))


def _time_texts(at: datetime) -> st.SearchStrategy[str]:
    text = at.isoformat()
    utc = text.replace("+00:00", "Z")
    return st.sampled_from((text.replace("T", " "), text, utc, text.replace("+00:00", "+00")))


def _mischief(draw: st.DrawFn, rows: list[Any], money: str, *, typed: bool) -> list[Any]:
    """Make more rows: exact duplicates, rows that differ under the same id, one without id."""
    odd_amount = Decimal("77.77") if typed else "77.77"
    duplicates = draw(_some(rows))
    by_status = [row._replace(status="disputed") for row in draw(_some(rows))[:1]]
    by_amount = [row._replace(**{money: odd_amount}) for row in draw(_some(rows))[:1]]
    nameless = [row._replace(id=None) for row in draw(_some(rows))[:1]]
    return duplicates + by_status + by_amount + nameless
