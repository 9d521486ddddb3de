"""The circuit breaker of the raw days: which of them would lose too much of what was published.

A source that is cut short, emptied or restored from an old backup still answers, with fewer rows.
Here are the measures of a day that tell, and the rule; `lake/breaker.py` compares with the lake.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from ecom_platform.datasets import RAW_CUSTOMERS, RAW_ORDERS, RAW_PAYMENTS
from ecom_platform.sources.base import AMOUNT_COLUMN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from ecom_platform.datasets import Dataset
    from ecom_platform.quality.limits import LossLimits

#: Measure -> its value in a day.
Measures = dict[str, Decimal]

ROWS, AMOUNT = "rows", "amount"


@dataclass(frozen=True)
class Measure:
    """What is counted, or summed, of a day.

    Args:
        label: What it is, in plural.
        value: SQL of a row's part in it; the measure is the sum of them.
    """

    label: str
    value: str


def _measures(dataset: Dataset, dated_by: str, **conditions: tuple[str, str]) -> dict[str, Measure]:
    # Only rows that are on their day by a time of their own. Others move: a pending payment when
    # it is paid, a row without a readable time when the time is corrected.
    name, own = dataset.name, f"{dated_by} IS NOT NULL"
    found = {ROWS: Measure(name, f"CAST({own} AS INTEGER)")}
    for key, (label, condition) in conditions.items():
        value = f"CAST({own} AND coalesce({condition}, false) AS INTEGER)"
        found[key] = Measure(f"{name} {label}", value)
    if name in AMOUNT_COLUMN:
        money = AMOUNT_COLUMN[name]
        # Both signs count: what is refunded is no loss, and does not hide one.
        value = f"CASE WHEN {own} THEN abs({money}) END"
        found[AMOUNT] = Measure(f"the sum of {money} of {name}", value)
    return found


#: `layer/name` -> its measures by name, the most telling first.
MEASURES: Mapping[str, Mapping[str, Measure]] = {
    RAW_ORDERS.path: _measures(
        RAW_ORDERS,
        "created_at",
        customers=("whose customer is known", "customer_found"),
        regions=("with a region", "trim(customer_region) <> ''"),
        statuses=("with a status", "trim(status) <> ''"),
    ),
    RAW_CUSTOMERS.path: _measures(
        RAW_CUSTOMERS, "signup_date", regions=("with a region", "trim(region) <> ''")
    ),
    RAW_PAYMENTS.path: _measures(
        RAW_PAYMENTS,
        "paid_at",
        orders=("whose order is known", "order_found"),
        regions=("with a region", "trim(customer_region) <> ''"),
        statuses=("with a status", "trim(status) <> ''"),
    ),
}


@dataclass(frozen=True)
class Compared:
    """A day beside its published version.

    Args:
        before: Measures of the published version; None where the day was never published.
        now: The same of what is about to be published.
        same: Whether these are the very rows that are published.
    """

    before: Measures | None
    now: Measures
    same: bool = False

    def lost(self, measure: str) -> Decimal:
        """Return how much less there is of a measure; negative where there is more."""
        return _value(self.before, measure) - _value(self.now, measure)


@dataclass(frozen=True)
class Loss:
    """A day that would lose too much.

    Args:
        measure: Of what.
        before: How much is published; None where nothing is.
        now: How much there would be.
        reason: The same in words.
    """

    measure: str
    before: Decimal | None
    now: Decimal
    reason: str


def find_losses(
    dataset: Dataset,
    days: Mapping[str, Compared],
    limits: LossLimits,
    of_few_rows: Callable[[Iterable[str]], Decimal],
    *,
    is_emptied: bool,
) -> dict[str, Loss]:
    """Find the days that must not be published without somebody's word for it.

    Args:
        dataset: A raw dataset.
        days: ISO day -> its measures, of all days of the run that could be published.
        limits: What may be lost.
        of_few_rows: Says of some days how much money was lost by those `limits.rows` rows that
            lost most. That takes reading what is published, and is asked only where much is lost.
        is_emptied: Whether the source's table has no row at all, and the lake has some of it.
    """
    if is_emptied:
        return dict(_of_an_empty_table(dataset, days))
    found: dict[str, Loss] = {}
    for name, measure in MEASURES[dataset.path].items():

        def is_too_much(
            days: Iterable[str], lost: Decimal, before: Decimal, limit: float, name: str = name
        ) -> bool:
            share = Decimal(str(limit))
            if lost <= share * before:
                return False
            if name != AMOUNT:
                return lost > limits.rows
            # What a few rows lost is no matter, be it one with a million.
            few = of_few_rows(days)
            return lost - few > share * (before - few)

        losing = {day: one.lost(name) for day, one in days.items() if one.lost(name) > 0}
        for day, lost in losing.items():
            if is_too_much([day], lost, _value(days[day].before, name), limits.day_share):
                found.setdefault(day, _of_a_day(name, measure, days[day]))
        published = [_value(one.before, name) for one in days.values() if one.before is not None]
        # What some days gain does not make up for it: rows may have been moved there.
        all_lost, before = sum(losing.values(), Decimal(0)), sum(published, Decimal(0))
        # Of a run of one day, all that can be said is said above.
        if len(published) > 1 and is_too_much(losing, all_lost, before, limits.run_share):
            of_all = f"{all_lost:,} of {before:,}"
            # Rows or money that are gone speak against all that the source says. Where parents are
            # gone, the rows are there: one file that was cut takes no other day along.
            suspects = days if name in (ROWS, AMOUNT) else {day: days[day] for day in losing}
            for day, loss in _of_a_run(name, measure, suspects, of_all):
                found.setdefault(day, loss)
    return {day: found[day] for day in sorted(found)}


def _of_an_empty_table(
    dataset: Dataset, days: Mapping[str, Compared]
) -> Iterator[tuple[str, Loss]]:
    for day, one in days.items():
        if not one.same:
            before = _value(one.before, ROWS)
            reason = (
                f"the source has no {dataset.name} at all any more; "
                f"of this day {before:,} are published"
            )
            yield day, _loss(ROWS, one, reason)


def _of_a_day(name: str, measure: Measure, day: Compared) -> Loss:
    counts = _counts(_value(day.before, name), _value(day.now, name))
    return _loss(name, day, f"too much would be lost of {measure.label}: {counts}")


def _of_a_run(
    name: str, measure: Measure, days: Mapping[str, Compared], of_all: str
) -> Iterator[tuple[str, Loss]]:
    """Yield the days of a run that has lost too much: such a source is not believed at all.

    A day that has rows of its own, and was never published, loses nothing.
    """
    for day, one in days.items():
        if not one.same and (one.before is not None or not _value(one.now, ROWS)):
            counts = _counts(_value(one.before, name), _value(one.now, name))
            reason = (
                f"too much would be lost of {measure.label}: {of_all} in the days of the run; "
                f"in this one, {counts}"
            )
            yield day, _loss(name, one, reason)


def _loss(name: str, day: Compared, reason: str) -> Loss:
    before = None if day.before is None else _value(day.before, name)
    return Loss(name, before, _value(day.now, name), f"{reason}. If that is meant: --accept-loss")


def _counts(before: Decimal, now: Decimal) -> str:
    return f"{before:,} before, {now:,} now"


def _value(measures: Measures | None, name: str) -> Decimal:
    return (measures or {}).get(name, Decimal(0))
