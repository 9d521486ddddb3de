"""The marts, computed a second time: in Python, row by row, from orders and payments.

Slow and plain on purpose. It shares no code and no trick with the SQL: distinct customers are
counted as sets, in every span of days anew.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ONE_DAY = timedelta(days=1)
ZERO = Decimal("0.00")


@dataclass(frozen=True)
class Order:
    """An order; `customer` is None for a guest, `amount` where it is not known."""

    id: str
    customer: str | None
    region: str
    day: date
    at: datetime
    amount: Decimal | None
    is_void: bool


@dataclass(frozen=True)
class Payment:
    """A payment; `day` is the day it was paid, or its order's while it is not."""

    order: str
    region: str
    day: date
    amount: Decimal
    status: str


Dated = TypeVar("Dated", Order, Payment)


@dataclass(eq=False)
class MartsOracle:
    """All marts of a shop whose days from `first` to `last` are computed, but for some.

    Args:
        orders: Of the days whose orders are there.
        payments: Of the days whose payments are there.
        first: First day.
        last: Last day.
        retention_days: ECOM_RETENTION_DAYS.
        no_orders: Days whose orders are missing.
        no_payments: Days whose payments are missing.
    """

    orders: list[Order]
    payments: list[Payment]
    first: date
    last: date
    retention_days: int = 90
    no_orders: frozenset[date] = frozenset()
    no_payments: frozenset[date] = frozenset()

    @cached_property
    def days(self) -> list[date]:
        """The days of which something is computed."""
        found = [self.first + n * ONE_DAY for n in range((self.last - self.first).days + 1)]
        return [day for day in found if day not in self.no_orders & self.no_payments]

    @cached_property
    def order_days(self) -> list[date]:
        """The days whose orders are there."""
        return [day for day in self.days if day not in self.no_orders]

    @cached_property
    def revenue_days(self) -> list[date]:
        """The days whose payments are there."""
        return [day for day in self.days if day not in self.no_payments]

    @cached_property
    def report_day(self) -> date:
        """The newest day with both."""
        return max(set(self.order_days) & set(self.revenue_days))

    @cached_property
    def known_since(self) -> dict[str, date]:
        """Region -> the first day with an order, a payment or an active customer of it."""
        seen: dict[str, date] = {"all": self.first}
        for one in sorted([*self.orders, *self.payments], key=lambda one: one.day):
            seen.setdefault(one.region, one.day)
        return seen

    @cached_property
    def ordered_since(self) -> dict[str, date]:
        """Region -> the first day with an order of it."""
        seen: dict[str, date] = {"all": self.first}
        for order in sorted(self.orders, key=lambda order: order.day):
            seen.setdefault(order.region, order.day)
        return seen

    @cached_property
    def firsts(self) -> dict[str, Order]:
        """Customer -> the first order that is not void."""
        return {customer: orders[0] for customer, orders in self.kept.items()}

    @cached_property
    def kept(self) -> dict[str, list[Order]]:
        """Customer -> orders that are not void, in time."""
        found: dict[str, list[Order]] = defaultdict(list)
        for order in sorted(self.orders, key=lambda o: (o.at, o.id)):
            if order.customer and not order.is_void:
                found[order.customer].append(order)
        return found

    @cached_property
    def _orders_by_day(self) -> dict[date, list[Order]]:
        return _by_day(self.orders)

    @cached_property
    def _payments_by_day(self) -> dict[date, list[Payment]]:
        return _by_day(self.payments)

    @cache  # noqa: B019 - lives as long as a test
    def retention(self, day: date, region: str) -> tuple[int, int] | None:
        """Return active and repeat customers; each counts in the region of the latest order.

        None where orders of a day of the window are missing.
        """
        since = day - (self.retention_days - 1) * ONE_DAY
        if any(since <= missing <= day for missing in self.no_orders):
            return None
        active = repeat = 0
        for orders in self.kept.values():
            within = [order for order in orders if since <= order.day <= day]
            if within and region in ("all", within[-1].region):
                active += 1
                repeat += len(within) > 1
        return active, repeat

    def kpis(self, first: date, last: date, region: str) -> dict[str, Any]:
        """Return the KPIs of a span of days: sums of those that are there, else nothing."""
        names = (
            "total_revenue", "total_orders", "void_orders", "total_customers",
            "average_order_value", "customer_retention_rate",
        )  # fmt: skip
        ordered, paid = (
            _within(self.order_days, first, last),
            _within(self.revenue_days, first, last),
        )
        orders = self._orders_of(ordered, region)
        of_both = sorted({*ordered} & {*paid})
        count = len(self._orders_of(of_both, region))
        rate = None
        if self.first <= last <= self.last and (found := self.retention(last, region)):
            active, repeat = found
            rate = repeat / active if active else None
        values = (
            self._revenue_of(paid, region) if paid else None,
            len(orders) if ordered else None,
            sum(order.is_void for order in orders) if ordered else None,
            len({order.customer for order in orders if order.customer}) if ordered else None,
            float(self._revenue_of(of_both, region)) / count if count else None,
            rate,
        )
        return dict(zip(names, values, strict=True))

    def _orders_of(self, days: list[date], region: str) -> list[Order]:
        return [o for d in days for o in self._orders_by_day[d] if region in ("all", o.region)]

    def _revenue_of(self, days: list[date], region: str) -> Decimal:
        return sum(
            (
                p.amount
                for d in days
                for p in self._payments_by_day[d]
                if p.status == "completed" and region in ("all", p.region)
            ),
            ZERO,
        )

    def new(self, first: date, last: date, region: str) -> int:
        """Return the customers whose first order is in a span of days, and in the region."""
        return sum(
            first <= order.day <= last and region in ("all", order.region)
            for order in self.firsts.values()
        )

    def returning(self, first: date, last: date, region: str) -> int:
        """Return the customers who ordered in a span of days and region, and before it."""
        return sum(
            orders[0].day < first
            and any(first <= o.day <= last and region in ("all", o.region) for o in orders)
            for orders in self.kept.values()
        )

    # ----------------------------------------------------------------------- marts

    def kpi_daily(self) -> Iterator[dict[str, Any]]:
        """Yield the rows of the mart."""
        for region, since in self.known_since.items():
            for day in self.days:
                if day < since:
                    continue
                active, repeat = self.retention(day, region) or (None, None)
                row = {"date": day, "region": region, **self.kpis(day, day, region)}
                row |= {"active_customers": active, "repeat_customers": repeat}
                for name, other in {
                    "day_before": day - ONE_DAY,
                    "week_before": day - 7 * ONE_DAY,
                    "28_days_before": day - 28 * ONE_DAY,
                    "year_before": years_before(day),
                }.items():
                    before = self.kpis(other, other, region)
                    row |= {f"{kpi}_{name}": value for kpi, value in before.items()}
                yield row

    def kpi_monthly(self) -> Iterator[dict[str, Any]]:
        """Yield the rows of the mart."""
        for region, since in self.known_since.items():
            for month in months(self.first, self.last):
                if end_of(month) < since:
                    continue
                last = _within(self.days, month, end_of(month))[-1]
                active, repeat = self.retention(last, region) or (None, None)
                revenue_days = _within(self.revenue_days, month, end_of(month))
                order_days = _within(self.order_days, month, end_of(month))
                row = {
                    "month": month,
                    "region": region,
                    "revenue_days": len(revenue_days),
                    "order_days": len(order_days),
                    "is_complete": min(len(revenue_days), len(order_days)) == end_of(month).day,
                    **self._month(month, region),
                    "active_customers": active,
                    "repeat_customers": repeat,
                }
                for name, other in {
                    "month_before": add_months(month, -1),
                    "year_before": add_months(month, -12),
                }.items():
                    before = self._month(other, region)
                    row |= {f"{kpi}_{name}": value for kpi, value in before.items()}
                yield row

    def _month(self, month: date, region: str) -> dict[str, Any]:
        # Retention is as of the last day of the month that is computed.
        found = _within(self.days, month, end_of(month))
        return self.kpis(month, found[-1] if found else end_of(month), region)

    def kpi_ranges(self) -> Iterator[dict[str, Any]]:
        """Yield the rows of the mart."""
        for region in self.known_since:
            for name, comparison, first, last in ranges(self.report_day):
                computed = len(_within(self.order_days, first, last))
                yield {
                    "range": name,
                    "comparison": comparison,
                    "region": region,
                    "first_day": first,
                    "last_day": last,
                    "days": (last - first).days + 1,
                    "revenue_days": len(_within(self.revenue_days, first, last)),
                    "order_days": computed,
                    **self.kpis(first, last, region),
                    "new_customers": self.new(first, last, region) if computed else None,
                    "returning_customers": self.returning(first, last, region)
                    if computed
                    else None,
                }

    def customers_by_week(self) -> Iterator[dict[str, Any]]:
        """Yield the rows of the mart."""
        span = (self.report_day - self.order_days[0]).days + 1
        for region in self.ordered_since:
            for number in range(span // 7):
                last = self.report_day - 7 * number * ONE_DAY
                first = last - 6 * ONE_DAY
                yield {
                    "bin": number,
                    "region": region,
                    "first_day": first,
                    "last_day": last,
                    "order_days": len(_within(self.order_days, first, last)),
                    "total_customers": self.kpis(first, last, region)["total_customers"],
                }

    def customers_to_date(self) -> Iterator[dict[str, Any]]:
        """Yield the rows of the mart."""
        for region, since in self.ordered_since.items():
            for day in self.order_days:
                if day >= since:
                    yield {
                        "date": day,
                        "region": region,
                        "new_customers": self.new(day, day, region),
                        "returning_customers": self.returning(day, day, region),
                        "customers_to_date": self.new(self.first, day, region),
                    }

    def customer_cohorts(self) -> Iterator[dict[str, Any]]:
        """Yield the rows of the mart."""
        span = months(min(first.day for first in self.firsts.values()), self.last)
        for cohort, region, members in self._cohorts():
            for number in range(len(span)):
                month = add_months(cohort, number)
                known = month <= self.last
                ordered = sum(
                    any(month <= order.day <= end_of(month) for order in self.kept[member])
                    for member in members
                )
                yield {
                    "cohort_month": cohort,
                    "months_since": number,
                    "region": region,
                    "cohort_customers": len(members),
                    "customers": ordered if known else None,
                    "retention": ordered / len(members) if known else None,
                    "is_complete": end_of(month) <= self.last,
                }

    def repeat_purchase_90d(self) -> Iterator[dict[str, Any]]:
        """Yield the rows of the mart."""
        for cohort, region, members in self._cohorts():
            ripe = [m for m in members if (self.last - self.firsts[m].day).days >= 90]
            again = sum(
                len(self.kept[m]) > 1 and (self.kept[m][1].day - self.kept[m][0].day).days <= 90
                for m in ripe
            )
            if ripe:
                yield {
                    "cohort_month": cohort,
                    "region": region,
                    "cohort_customers": len(ripe),
                    "repeat_customers": again,
                    "repeat_rate": again / len(ripe),
                }

    def _cohorts(self) -> Iterator[tuple[date, str, list[str]]]:
        found: dict[tuple[date, str], list[str]] = defaultdict(list)
        for customer, order in self.firsts.items():
            for region in (order.region, "all"):
                found[order.day.replace(day=1), region].append(customer)
        for (cohort, region), members in found.items():
            yield cohort, region, members

    def payment_funnel(self) -> Iterator[dict[str, Any]]:
        """Yield the rows of the mart."""
        paid: dict[str, list[Payment]] = defaultdict(list)
        for payment in self.payments:
            paid[payment.order].append(payment)
        for region, since in self.ordered_since.items():
            for day in self.order_days:
                if day < since:
                    continue
                is_known = day not in self.no_payments
                orders = [o for o in self._orders_by_day[day] if region in ("all", o.region)]
                known = [order.amount for order in orders if order.amount is not None]
                outcomes = [_outcome(paid[order.id]) for order in orders]
                received = [
                    (payment.amount, (payment.day - day).days)
                    for order in orders
                    for payment in paid[order.id]
                    if payment.status == "completed"
                ]
                row = {
                    "date": day,
                    "region": region,
                    "orders": len(orders),
                    "ordered_amount": sum(known, ZERO) if known or not orders else None,
                    "orders_without_amount": len(orders) - len(known),
                    "received_amount": sum((amount for amount, _ in received), ZERO)
                    if is_known
                    else None,
                }
                for outcome in ("paid", "pending", "failed", "refunded", "other", "unpaid"):
                    row[f"{outcome}_orders"] = outcomes.count(outcome) if is_known else None
                for age in (0, 1, 3, 7):
                    within = sum((amount for amount, after in received if after <= age), ZERO)
                    old = len(_within(self.revenue_days, day, day + age * ONE_DAY)) == age + 1
                    row[f"received_amount_within_{age}_days"] = within if old else None
                yield row


def _within(days: list[date], first: date, last: date) -> list[date]:
    return [day for day in days if first <= day <= last]


def _outcome(payments: list[Payment]) -> str:
    statuses = {payment.status for payment in payments}
    if not statuses:
        return "unpaid"
    for status, outcome in (
        ("completed", "paid"), ("pending", "pending"), ("refunded", "refunded"),
    ):  # fmt: skip
        if status in statuses:
            return outcome
    return "failed" if statuses == {"failed"} else "other"


def ranges(report: date) -> Iterator[tuple[str, str, date, date]]:
    """Yield range, comparison, first and last day, of all ranges up to the report day."""
    week, year = 7 * ONE_DAY, years_before(report)
    for days in (1, 7, 28, 90):
        first, back = report - (days - 1) * ONE_DAY, days * ONE_DAY
        yield f"{days}D", "current", first, report
        yield f"{days}D", "previous_period", first - back, report - back
        yield f"{days}D", "previous_week", first - week, report - week
        yield f"{days}D", "previous_year", year - (days - 1) * ONE_DAY, year
    first, before = year + ONE_DAY, years_before(report, 2) + ONE_DAY
    yield "12M", "current", first, report
    yield "12M", "previous_period", before, year
    yield "12M", "previous_week", first - week, report - week
    yield "12M", "previous_year", before, year
    month = report.replace(day=1)
    for name, start, length in (
        ("MTD", month, 1),
        ("QTD", add_months(month, -((month.month - 1) % 3)), 3),
        ("YTD", month.replace(month=1), 12),
    ):
        before = add_months(start, -length)
        yield name, "current", start, report
        yield name, "previous_period", before, min(before + (report - start), start - ONE_DAY)
        yield name, "previous_week", start - week, report - week
        yield name, "previous_year", years_before(start), year


def years_before(day: date, years: int = 1) -> date:
    """Return the same calendar date of an earlier year; of 29 February the 28th."""
    try:
        return day.replace(year=day.year - years)
    except ValueError:
        return day.replace(year=day.year - years, day=28)


def add_months(month: date, count: int) -> date:
    """Return the first day of a month, some months later."""
    number = month.year * 12 + month.month - 1 + count
    return date(number // 12, number % 12 + 1, 1)


def end_of(month: date) -> date:
    """Return the last day of a month."""
    return add_months(month, 1) - ONE_DAY


def months(first: date, last: date) -> list[date]:
    """Return the months from that of one day to that of another."""
    found = [first.replace(day=1)]
    while add_months(found[-1], 1) <= last:
        found.append(add_months(found[-1], 1))
    return found


def _by_day(rows: Iterable[Dated]) -> dict[date, list[Dated]]:
    found: dict[date, list[Dated]] = defaultdict(list)
    for row in rows:
        found[row.day].append(row)
    return found
