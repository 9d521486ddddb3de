"""Small whole shops full of traps, as a hypothesis strategy, and writing them to a source.

What the right answers are stands in `oracle.py`. A shop leaves out what the definitions do
not decide: one value spelled in two ways in rows of one id, exponents, tabs around words.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_OID, UUID, uuid5
from zoneinfo import ZoneInfo

import psycopg
from hypothesis import strategies as st

from ecom_platform.settings import DEFAULT_PAYMENT_STATUSES, Settings
from ecom_platform_tests.oracle import Customer, Order, Payment, Shop, read_amount, read_instant

if TYPE_CHECKING:
    from pathlib import Path

ROWS = {"orders": Order, "customers": Customer, "payments": Payment}

# Business timezone, source timezone, a day on which clocks change. Sao Paulo's changed at
# midnight, and Denver's midnight lies in the hour that New York's clocks repeat.
SITUATIONS = (
    ("UTC", "UTC", date(2024, 2, 29)),
    ("UTC", "America/New_York", date(2024, 11, 3)),
    ("Europe/Berlin", "Europe/Berlin", date(2024, 3, 31)),
    ("Europe/Berlin", "UTC", date(2024, 10, 27)),
    ("America/New_York", "America/New_York", date(2024, 3, 10)),
    ("America/New_York", "Europe/Berlin", date(2024, 11, 3)),
    ("America/Denver", "America/New_York", date(2024, 11, 3)),
    ("America/Sao_Paulo", "America/Sao_Paulo", date(2018, 2, 18)),
    ("America/Sao_Paulo", "America/Sao_Paulo", date(2018, 11, 4)),
    ("Asia/Kolkata", "UTC", date(2024, 1, 1)),
    ("Pacific/Auckland", "Pacific/Auckland", date(2024, 4, 7)),
    ("Pacific/Auckland", "Asia/Kolkata", date(2024, 9, 29)),
)
WALL_TIMES = (
    time(0), time(0, 0, 0, 1), time(0, 30), time(1, 30), time(1, 59, 59), time(2), time(2, 30),
    time(3), time(12), time(23), time(23, 30), time(23, 59, 59, 999999),
)  # fmt: skip
FROM_MIDNIGHT = (
    timedelta(0), timedelta(microseconds=-1), timedelta(microseconds=1), timedelta(minutes=-30),
    timedelta(minutes=30), timedelta(hours=-1), timedelta(hours=1),
)  # fmt: skip
OFFSETS = tuple(timezone(timedelta(minutes=minutes)) for minutes in (0, 60, 330, -180, 780))
UNREADABLE_TIMES = (
    "2024-02-30 10:00:00", "2023-02-29 00:00:00", "2024-13-01 12:00:00", "0000-00-00 00:00:00",
    "2024-03-10 25:00:00", "yesterday",
)  # fmt: skip

ROUNDED_AMOUNTS = (
    "0.005", "-0.005", "1.005", "1.015", "-1.015", "2.675", "0.004", "-0.004", "10.9950",
    "0.0049999999999999999999", "0.0050000000000000000001", "7", "-3.5", "-0.00", "0.000",
)  # fmt: skip
LARGEST_AMOUNTS = ("9999999999999999.99", "-9999999999999999.99")
TOO_LARGE_AMOUNTS = ("9999999999999999.995", "10000000000000000", "-10000000000000000.00")
NOT_FINITE_AMOUNTS = ("NaN", "Infinity", "-Infinity")
WORD_AMOUNTS = ("$12", "12,50", "1_000", "abc", "--1", "1.2.3", "-")

REGIONS = (
    "North", "north", "  North ", 'South, "Old"', "two\nlines", "São Paulo", "日本", "Ελλάδα",
    "All", " ALL  ", "all (region)", "unknown", "Unknown", "   ", None,
)  # fmt: skip
ORDER_WORDS = ("completed", "shipped", "returned", "cancelled", "canceled", "void", "test")
PAYMENT_WORDS = (
    *(word for group in DEFAULT_PAYMENT_STATUSES.values() for word in group),
    "completed", "paid", "settled", "abgeschlossen", "?!",
)  # fmt: skip


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
        return Settings(_env_file=None, **self.options)  # pyright: ignore[reportCallIssue]


@st.composite
def cases(draw: st.DrawFn, *, typed: bool = False) -> Case:
    """Make a small shop around a change of the clocks.

    Args:
        draw: Given by hypothesis.
        typed: Values such as typed database columns hold, for `write_postgres`, instead of
            texts, for `write_csv`: without unreadable dates and amounts that are words.
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
    }
    business_zone, source_zone = ZoneInfo(timezone_name), ZoneInfo(source_timezone)
    around = st.sampled_from([start - timedelta(days=1), *days, days[-1] + timedelta(days=1)])
    dates = around | st.just(change)
    order_times = _times(draw, dates, business_zone, source_zone, typed=typed)
    payment_times = _times(draw, dates, business_zone, source_zone, typed=typed)
    kinds = {table: draw(st.sampled_from(("bigint", "uuid", "text"))) for table in ROWS}

    def ids(table: str, count: int) -> list[Any]:
        found = [_id(kinds[table], number) for number in range(count)]
        return found if typed else [str(value) for value in found]

    *customer_ids, lost_customer = ids("customers", draw(st.integers(1, 6)))
    signups = _mostly(st.sampled_from([start - timedelta(days=400), *days]), st.none())
    customers = [
        Customer(
            id=customer_id,
            email=f"c{number}@example.invalid",
            region=draw(st.sampled_from((*REGIONS, "") if typed else REGIONS)),
            signup_date=draw(signups if typed else signups.map(lambda day: day and str(day))),
        )
        for number, customer_id in enumerate(customer_ids)
    ]

    *order_ids, lost_order = ids("orders", draw(st.integers(1, 13)))
    buyers = _mostly(st.sampled_from([*customer_ids, lost_customer]), st.none())
    order_amounts = _amounts(draw, LARGEST_AMOUNTS, typed=typed)
    orders = [
        Order(
            id=order_id,
            customer_id=draw(buyers),
            total_amount=draw(order_amounts),
            created_at=draw(_mostly(order_times, st.none())),
            status=draw(_words(ORDER_WORDS)),
        )
        for order_id in order_ids
    ]

    bought = _mostly(st.sampled_from([*order_ids, lost_order]), st.none())
    payment_amounts = _amounts(draw, (), typed=typed)
    payments = [
        Payment(
            id=payment_id,
            order_id=draw(bought),
            amount=draw(payment_amounts),
            status=draw(_words(PAYMENT_WORDS)),
            paid_at=draw(payment_times | payment_times | st.none()),
        )
        for payment_id in ids("payments", draw(st.integers(0, 15)))
    ]
    for payment in draw(_some(payments)):
        paid_at = draw(payment_times)
        if read_instant(paid_at, source_zone) != read_instant(payment.paid_at, source_zone):
            payments.append(payment._replace(paid_at=paid_at))

    return Case(
        Shop(
            orders + _mischief(draw, orders, "total_amount", typed=typed),
            customers
            + draw(_some(customers))
            + [row._replace(id=None) for row in draw(_some(customers))[:1]],
            payments + _mischief(draw, payments, "amount", typed=typed),
        ),
        options,
        days,
    )


def write_csv(shop: Shop, folder: Path) -> None:
    """Write `orders.csv`, `customers.csv` and `payments.csv`; None is an empty field."""
    for table, rows in shop._asdict().items():
        with (folder / f"{table}.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(ROWS[table]._fields)
            writer.writerows(rows)


def read_csv(folder: Path) -> Shop:
    """Read what `write_csv` writes: texts, and None for an empty field."""

    def rows(table: str) -> list[Any]:
        with (folder / f"{table}.csv").open(newline="", encoding="utf-8") as file:
            return [
                ROWS[table](**{column: value or None for column, value in row.items()})
                for row in csv.DictReader(file)
            ]

    return Shop(rows("orders"), rows("customers"), rows("payments"))


def write_postgres(shop: Shop, dsn: str) -> None:
    """Make the three tables anew, without keys, with column types that fit the values."""
    orders, customers, payments = shop
    customer_id = _id_type([row.id for row in customers] + [row.customer_id for row in orders])
    order_id = _id_type([row.id for row in orders] + [row.order_id for row in payments])
    types = {
        "orders": {
            "id": order_id,
            "customer_id": customer_id,
            "total_amount": _amount_type([row.total_amount for row in orders]),
            "created_at": _time_type([row.created_at for row in orders]),
            "status": "text",
        },
        "customers": {
            "id": customer_id, "email": "text", "region": "text", "signup_date": "date",
        },
        "payments": {
            "id": _id_type([row.id for row in payments]),
            "order_id": order_id,
            "amount": _amount_type([row.amount for row in payments]),
            "status": "text",
            "paid_at": _time_type([row.paid_at for row in payments]),
        },
    }  # fmt: skip
    with psycopg.connect(dsn) as connection, connection.cursor() as cursor:
        for table, columns in types.items():
            declared = ", ".join(f"{column} {kind}" for column, kind in columns.items())
            cursor.execute(f"drop table if exists {table}; create table {table} ({declared})")
            with cursor.copy(f"copy {table} from stdin") as copy:
                for row in getattr(shop, table):
                    copy.write_row(row)


def _id_type(values: list[Any]) -> str:
    kinds = {int: "bigint", UUID: "uuid"}
    return next((kinds.get(type(value), "text") for value in values if value is not None), "text")


def _amount_type(values: list[Any]) -> str:
    """Return a type with two decimals where all values have no more, else one without limits."""
    fits = all(value == read_amount(value) for value in values)
    return "numeric(18,2)" if fits else "numeric"


def _time_type(values: list[Any]) -> str:
    has_offset = any(value and value.tzinfo for value in values)
    return "timestamp with time zone" if has_offset else "timestamp without time zone"


def _mostly(usual: st.SearchStrategy[Any], rare: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    # Not 0 or 19: hypothesis likes the ends of a range, and simplifies towards 0.
    return st.integers(0, 19).flatmap(lambda roll: rare if roll == 13 else usual)


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
    return _mostly(spelled, st.none())


def _amounts(
    draw: st.DrawFn, more: tuple[str, ...], *, typed: bool
) -> st.SearchStrategy[str | Decimal | None]:
    """Choose amounts as one column holds them; a typed one may hold nothing but cents."""
    cents = st.integers(-20_000, 50_000).map(lambda number: str(Decimal(number).scaleb(-2)))
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
