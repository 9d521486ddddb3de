"""The six metrics in plain Python, from their definitions alone; nothing of how the platform works.

Slow, obvious and independent: no SQL, no dataframes, none of the platform's code but its
settings. Tests compare what the platform publishes with what these functions say.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any, NamedTuple
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ecom_platform.settings import Settings

    Tables = dict[str, dict[tuple[Any, ...], dict[str, Any]]]

METRICS = (
    "total_revenue", "total_orders", "total_customers",
    "payment_status", "average_order_value", "customer_retention_rate",
)  # fmt: skip

_ZERO = Decimal("0.00")
_TOO_LARGE = Decimal(10) ** 16  # the first amount that DECIMAL(18,2) cannot hold
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
_TIMESTAMP = re.compile(
    r"\d{4}-\d\d-\d\d([ T]([01]\d|2[0-3]):\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d(:?\d\d)?)?)?",
    re.ASCII,
)


class Order(NamedTuple):
    """A source row: text where the source is text, typed where it has types; None is missing."""

    id: Any
    customer_id: Any
    total_amount: str | Decimal | None
    created_at: str | datetime | None
    status: str | None


class Customer(NamedTuple):
    """A source row."""

    id: Any
    email: str | None
    region: str | None
    signup_date: str | date | None


class Payment(NamedTuple):
    """A source row."""

    id: Any
    order_id: Any
    amount: str | Decimal | None
    status: str | None
    paid_at: str | datetime | None


class Shop(NamedTuple):
    """A whole source.

    Customers of one id must agree on the region, orders of one id on customer and creation
    time: the definitions do not say which of them would count.
    """

    orders: list[Order]
    customers: list[Customer]
    payments: list[Payment]


class CleanOrder(NamedTuple):
    """An order that counts."""

    day: date
    region: str
    id: Any
    customer_id: Any
    created_at: datetime
    is_void: bool


class CleanPayment(NamedTuple):
    """A payment that counts."""

    day: date
    region: str
    status: str
    amount: Decimal


class Counts(NamedTuple):
    """What became of one day's rows of one table: each row is in exactly one of these."""

    cleaned: int
    quarantined: int
    duplicates: int


class Cleaned(NamedTuple):
    """A cleaned shop; the counts are by (table, day), for every day that has rows."""

    orders: list[CleanOrder]
    payments: list[CleanPayment]
    counts: dict[tuple[str, date], Counts]


def clean(shop: Shop, settings: Settings) -> Cleaned:
    """File orders and payments under their business days, and keep those that can be used."""
    zone, source_zone = ZoneInfo(settings.timezone), ZoneInfo(settings.source_timezone)
    orders_by_id: dict[Any, Order] = {row.id: row for row in shop.orders if row.id is not None}
    words = settings.payment_status_words
    regions = {row.id: region_name(row.region) for row in shop.customers if row.id is not None}

    def day_of(instant: datetime | None) -> date:
        return instant.astimezone(zone).date() if instant else settings.start_date

    filed_orders: list[tuple[date, Order, CleanOrder | None]] = []
    for row in shop.orders:
        created_at, usable = read_instant(row.created_at, source_zone), None
        day = day_of(created_at)
        if row.id is not None and created_at:
            region = regions.get(row.customer_id, "unknown")
            is_void = (word(row.status) or "unknown") in settings.void_order_statuses
            usable = CleanOrder(day, region, row.id, row.customer_id, created_at, is_void)
        filed_orders.append((day, row, usable))

    filed_payments: list[tuple[date, Payment, CleanPayment | None]] = []
    for row in shop.payments:
        order, amount, usable = orders_by_id.get(row.order_id), read_amount(row.amount), None
        paid_at = read_instant(row.paid_at, source_zone)
        day = day_of(paid_at or (read_instant(order.created_at, source_zone) if order else None))
        is_readable = paid_at is not None or row.paid_at is None
        if row.id is not None and amount is not None and is_readable:
            region = regions.get(order.customer_id, "unknown") if order else "unknown"
            status = words.get(word(row.status), "other")
            usable = CleanPayment(day, region, status, amount)
        filed_payments.append((day, row, usable))

    filed_customers: list[tuple[date, Customer, bool]] = []
    for row in shop.customers:
        day = read_date(row.signup_date)
        usable = row.id is not None and (day is not None or row.signup_date is None)
        filed_customers.append((max(day or settings.start_date, settings.start_date), row, usable))

    orders, order_counts = _sift(filed_orders, settings.start_date)
    payments, payment_counts = _sift(filed_payments, settings.start_date)
    _, customer_counts = _sift(filed_customers, settings.start_date)
    counts = {("orders", day): found for day, found in order_counts.items()}
    counts |= {("payments", day): found for day, found in payment_counts.items()}
    counts |= {("customers", day): found for day, found in customer_counts.items()}
    return Cleaned(orders, payments, counts)


def _sift(
    filed: Iterable[tuple[date, Order | Customer | Payment, Any]], start: date
) -> tuple[list[Any], dict[date, Counts]]:
    """Drop, day by day, exact duplicates, then unusable rows and ids of several rows."""
    days: dict[date, list[tuple[Any, Any]]] = defaultdict(list)
    for day, row, usable in filed:
        if day >= start:
            days[day].append((tuple(map(_comparable, row)), usable))
    kept: list[Any] = []
    counts: dict[date, Counts] = {}
    for day, rows in days.items():
        distinct = dict(rows)
        uses = Counter(row[0] for row in distinct)
        good = [usable for row, usable in distinct.items() if usable and uses[row[0]] == 1]
        counts[day] = Counts(len(good), len(distinct) - len(good), len(rows) - len(distinct))
        kept += good
    return kept, counts


def metrics(shop: Shop, settings: Settings, days: Iterable[date]) -> Tables:
    """Return each metric's rows: name -> (day, region[, status]) -> column -> value."""
    return metrics_of(clean(shop, settings), settings, days)


def metrics_of(cleaned: Cleaned, settings: Settings, days: Iterable[date]) -> Tables:
    """Do as `metrics`, from rows that are clean already."""
    tables: Tables = {name: {} for name in METRICS}

    def put(metric: str, *key: date | str, **columns: Any) -> None:
        tables[metric][key] = columns

    for day in days:
        payments = [row for row in cleaned.payments if row.day == day]
        for region, rows in _by_region(payments):
            completed = [row.amount for row in rows if row.status == "completed"]
            put("total_revenue", day, region, total_revenue=sum(completed, _ZERO))
            for status in {row.status for row in rows}:
                amounts = [row.amount for row in rows if row.status == status]
                total = sum(amounts, _ZERO)
                put("payment_status", day, region, status, payments=len(amounts), amount=total)

        orders = [row for row in cleaned.orders if row.day == day]
        for region, rows in _by_region(orders):
            void_orders = sum(row.is_void for row in rows)
            put("total_orders", day, region, total_orders=len(rows), void_orders=void_orders)
            customers = {row.customer_id for row in rows if row.customer_id is not None}
            put("total_customers", day, region, total_customers=len(customers))

        for region, rows in _by_region([*payments, *orders]):
            revenue = tables["total_revenue"].get((day, region), {}).get("total_revenue", _ZERO)
            placed = sum(isinstance(row, CleanOrder) for row in rows)
            put(
                "average_order_value", day, region,
                total_revenue=revenue,
                total_orders=placed,
                average_order_value=float(revenue) / placed if placed else None,
            )  # fmt: skip

        first = day - timedelta(days=settings.retention_days - 1)
        window = [row for row in cleaned.orders if first <= row.day <= day and not row.is_void]
        window = [row for row in window if row.customer_id is not None]
        window.sort(key=lambda row: (row.created_at, row.id))
        times = Counter(row.customer_id for row in window)
        latest = {row.customer_id: row for row in window}
        for region, rows in _by_region(latest.values()):
            repeat = sum(times[row.customer_id] > 1 for row in rows)
            put(
                "customer_retention_rate", day, region,
                active_customers=len(rows),
                repeat_customers=repeat,
                customer_retention_rate=repeat / len(rows) if rows else None,
            )  # fmt: skip
    return tables


def _by_region(rows: Iterable[Any]) -> Iterator[tuple[str, list[Any]]]:
    """Yield all rows as region `all`, then those of each region that occurs."""
    rows = list(rows)
    yield "all", rows
    for region in {row.region for row in rows}:
        yield region, [row for row in rows if row.region == region]


def read_amount(value: str | Decimal | None) -> Decimal | None:
    """Round half-up to cents; None for what is no finite number or too large for the lake."""
    if value is None or (isinstance(value, str) and not _NUMBER.fullmatch(value.strip())):
        return None
    amount = Decimal(value)
    if not amount.is_finite() or amount.copy_abs() >= _TOO_LARGE:
        return None
    cents = amount.quantize(Decimal("0.01"), ROUND_HALF_UP)
    return cents if cents.copy_abs() < _TOO_LARGE else None


def read_instant(value: str | datetime | None, source_zone: ZoneInfo) -> datetime | None:
    """Read an ISO 8601 timestamp; without an offset it is a wall-clock time of the source.

    Where that time exists twice, or not at all, it is the later of its two readings, as in
    PostgreSQL and DuckDB.
    """
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value) if _TIMESTAMP.fullmatch(value) else None
        except ValueError:
            return None
    if value is None or value.tzinfo:
        return value
    return max(value.replace(tzinfo=source_zone, fold=fold).astimezone(UTC) for fold in (0, 1))


def read_date(value: str | date | None) -> date | None:
    """Read a sign-up: an ISO 8601 date, which is a business day already."""
    try:
        return date.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        return None


def region_name(value: str | None) -> str:
    """Return the region as the metrics spell it: never empty, never mistaken for `all`."""
    region = (value or "").strip() or "unknown"
    return "all (region)" if region.lower() == "all" else region


def word(value: str | None) -> str:
    """Return a status trimmed and lower-cased; empty when there is none."""
    return (value or "").strip().lower()


def _comparable(value: object) -> object:
    """Return the value such that NaN equals NaN, as it does between two rows."""
    return str(value) if isinstance(value, Decimal) and value.is_nan() else value
