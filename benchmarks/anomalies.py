"""What the anomaly checks catch, and how often they are wrong; beside simpler rules and STL.

Shops are simulated as the demo shop is, two years each, without a database. Each day is judged
as it is first seen, against days as they have become since: payments refunded, transfers
arrived. Ordinary days are those without a holiday, Black Week or promotion.

Usage: python benchmarks/anomalies.py [FOLDER]

FOLDER holds `orders.csv` of a real shop (created_at, total_amount), which is judged too. With
statsmodels installed, its STL is compared; it is no dependency of the platform.
"""

from __future__ import annotations

import csv
import sys
import time
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ecom_platform.quality.anomalies import Series, look
from ecom_platform.quality.drift import judge_drift
from ecom_platform.quality.thresholds import load_thresholds
from ecom_platform.quality.verdicts import Known
from ecom_platform.sources.demo_shop import life
from ecom_platform.sources.demo_shop.demand import (
    PLACING,
    PROMOTING,
    REGIONS,
    SETTLING,
    DemoShop,
    plan,
)
from ecom_platform.sources.demo_shop.season import BLACK_WEEK, HOLIDAYS, promotion

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

SEEDS = (1, 2, 3)
ORDERS_A_DAY = (10, 100, 1000)
FIRST, LAST = date(2023, 1, 1), date(2024, 12, 31)
WINDOW = 56
#: Every so many days, one is judged with a fault put in.
SAMPLED = 7
#: Regions that are lost, or slip.
PLACES = {1: "largest", 4: "fourth", 8: "smallest"}
THRESHOLDS = load_thresholds(None, [])
LIMITS = THRESHOLDS.anomalies.default
LEAK, LEAK_BEGINS = 0.02, 300


@dataclass
class Shop:
    """Numbers by region (the first is all of them) and day, of two views.

    Args:
        days: The dates.
        special: Whether a day has a holiday or promotion.
        orders: Orders placed.
        paid: Completed payments, as first seen and as they have become: their sum.
        failed: Failed payments, by the day.
        tries: Completed, refunded and failed payments.
    """

    days: list[date]
    special: NDArray[np.bool_]
    orders: Floats
    paid: tuple[Floats, Floats]
    failed: Floats
    tries: Floats


def simulate(seed: int, orders_a_day: int) -> Shop:
    """Make the orders and payments of a shop, and count them."""
    shop = DemoShop(FIRST, LAST, orders_a_day * ((LAST - FIRST).days + 1), seed=seed)
    demand = plan(shop)
    before = (FIRST - shop.opening).days
    days = demand.days[before:]
    regions, count = len(REGIONS) + 1, len(days)
    orders, failed, tries = (np.zeros((regions, count)) for _ in range(3))
    first, since = np.zeros((regions, count)), np.zeros((regions, count))
    origin = (FIRST - date(1970, 1, 1)).days
    much_later = datetime(LAST.year + 5, 1, 1, tzinfo=UTC)
    for part in life.parts(demand.first_orders, demand.returning, demand.guests):
        placing, settling = (
            shop.chance(purpose, demand.days[part.day], part.place)
            for purpose in (PLACING, SETTLING)
        )
        placed = life.place_orders(shop, demand, part, placing)
        _, made = life.settle(placed, settling, much_later)
        guest = len(REGIONS)
        region = np.where(placed.customer > 0, demand.region_of(placed.customer), guest)
        np.add.at(orders, (region, part.day - before), 1)
        paid_on = made.paid // life.DAY - origin
        kept = (made.paid != life.NEVER) & (paid_on >= 0) & (paid_on < count)
        state = np.searchsorted(life._FIRST_WORD, made.word, side="right") - 1  # noqa: SLF001
        of = region[made.order - placed.number[0]]
        for numbers, states, weights in (
            (first, (life.COMPLETED, life.REFUNDED), made.cents / 100),
            (since, (life.COMPLETED,), made.cents / 100),
            (failed, (life.FAILED,), np.ones(len(state))),
            (tries, (life.COMPLETED, life.REFUNDED, life.FAILED), np.ones(len(state))),
        ):
            chosen = kept & np.isin(state, states)
            np.add.at(numbers, (of[chosen], paid_on[chosen]), weights[chosen])
    special = np.array([is_special(shop, day) for day in days])
    with_all = [np.vstack((n.sum(axis=0), n)) for n in (orders, first, since, failed, tries)]
    return Shop(days, special, with_all[0], (with_all[1], with_all[2]), *with_all[3:])


def is_special(shop: DemoShop, day: date) -> bool:
    """Say whether a day of a simulated shop has a holiday, or a promotion runs."""
    november = date(day.year, 11, 1)
    thanksgiving = november + timedelta((3 - november.weekday()) % 7 + 21)
    lift, _ = promotion(day, shop.chance(PROMOTING, day - timedelta(day.weekday())))
    holiday = (day.month, day.day) in HOLIDAYS or (day - thanksgiving).days in BLACK_WEEK
    return holiday or lift > 1


def read_shop(folder: Path) -> Shop:
    """Count the orders of a real shop, which has one region."""
    with (folder / "orders.csv").open(encoding="utf-8") as file:
        rows = [(date.fromisoformat(r["created_at"][:10]), float(r["total_amount"]))
                for r in csv.DictReader(file)]  # fmt: skip
    first, last = min(rows)[0], max(rows)[0]
    days = [first + timedelta(n) for n in range((last - first).days + 1)]
    orders, paid = np.zeros((1, len(days))), np.zeros((1, len(days)))
    for day, amount in rows:
        orders[0, (day - first).days] += 1
        paid[0, (day - first).days] += amount
    none = np.zeros_like(orders)
    return Shop(days, np.zeros(len(days), bool), orders, (paid, paid), none, none)


# --------------------------------------------------------------------------- detectors


def ours(
    kind: str, history: Floats, today: Floats, usual: NDArray[np.bool_], of: Floats | None = None
) -> bool:
    """Say whether the platform's check warns, of any region.

    Args:
        kind: Of the number: `count`, `money` or `ratio`.
        history: By region, of the weeks before.
        today: By region.
        usual: Of the days before, whether they are none of the calendar of events.
        of: For shares, the totals of history and today.
    """
    values = np.column_stack((history, today))
    counted = np.broadcast_to(np.append(usual, True), values.shape)
    names = ("all", *(f"region {n}" for n in range(1, len(values))))
    series = Series(kind, names, ("",) * len(values), values, counted, of)  # type: ignore[arg-type]
    found = look(series, lambda _: LIMITS)
    out = (found.compared < found.warn[0]) | (found.compared > found.warn[1])
    return bool((out & ~np.isnan(found.z)).any())


def ten_percent(history: Floats, today: float) -> bool:
    """Say whether a number differs from yesterday's by more than 10 %."""
    return abs(today - history[-1]) > 0.1 * max(history[-1], 1e-9)


def three_sigma(history: Floats, today: float) -> bool:
    """Say whether a number is beyond three standard deviations of the last 28."""
    return abs(today - history[-28:].mean()) > 3 * history[-28:].std()


def stl(history: Floats, today: float) -> bool:
    """Say whether the residual of statsmodels' robust STL is beyond 3.5 MAD."""
    from statsmodels.tsa.seasonal import STL

    logs = np.log(np.maximum(np.append(history, today), 0.5))
    residual = STL(logs, period=7, robust=True).fit().resid
    return abs(residual[-1]) > 3.5 * 1.4826 * np.median(np.abs(residual))


def rules() -> dict[str, Callable[[Floats, float], bool]]:
    """Return the rules that look at one number, by name."""
    found: dict[str, Callable[[Floats, float], bool]] = {
        "±10 % on yesterday": ten_percent,
        "3 sigma of 28 days": three_sigma,
    }
    try:
        import statsmodels  # noqa: F401
    except ImportError:
        print("(statsmodels is not installed: STL is left out)")
    else:
        found["STL (statsmodels)"] = stl
    return found


# --------------------------------------------------------------------------- the study


def compare_rules(shop: Shop, found: dict[str, list[float]], compared: dict) -> None:
    """Judge the orders of the whole shop by each rule: ordinary days, halved and doubled."""
    orders = shop.orders[:1]
    days = range(WINDOW, len(shop.days))
    ordinary = [day for day in days if not shop.special[day]]
    everywhere = np.ones(WINDOW, bool)

    def by_ours(history: Floats, today: float) -> bool:
        return ours("count", history[None], np.array([today]), everywhere)

    for name, rule in {"ours": by_ours, **compared}.items():
        for what, factor, chosen in (
            ("false", 1.0, ordinary),
            ("halved", 0.5, ordinary[::SAMPLED]),
            ("doubled", 2.0, ordinary[::SAMPLED]),
        ):
            hits = [rule(orders[0, d - WINDOW : d], orders[0, d] * factor) for d in chosen]
            found[f"{name}|{what}"].append(float(np.mean(hits)))


class Checks:
    """The checks of one day of a shop: each says whether it warns of some numbers of the day."""

    def __init__(self, shop: Shop, day: int) -> None:
        self._shop, self._window = shop, slice(day - WINDOW, day)
        self._usual = ~shop.special[self._window]
        self.orders, self.money = shop.orders[:, day], shop.paid[0][:, day]
        self.failed, self.tries = shop.failed[:, day], shop.tries[:, day]

    def volume(self, orders: Floats) -> bool:
        """Judge orders."""
        return ours("count", self._shop.orders[:, self._window], orders, self._usual)

    def revenue(self, money: Floats) -> bool:
        """Judge revenue."""
        return ours("money", self._shop.paid[1][:, self._window], money, self._usual)

    def value(self, money: Floats) -> bool:
        """Judge the average order value that this revenue gives."""
        with np.errstate(divide="ignore", invalid="ignore"):
            history = self._shop.paid[1] / self._shop.orders
            return ours("ratio", history[:, self._window], money / self.orders, self._usual)

    def share(self, failed: Floats) -> bool:
        """Judge the share of failed payments."""
        history = self._shop.failed[:, self._window]
        totals = np.column_stack((self._shop.tries[:, self._window], self.tries))
        return ours("count", history, failed, self._usual, totals)


def mistakes(checks: Checks) -> Iterator[tuple[str, bool]]:
    """Yield which checks warn of a day as it was."""
    yield "false: orders", checks.volume(checks.orders)
    yield "false: revenue", checks.revenue(checks.money)
    yield "false: order value", checks.value(checks.money)
    if checks.tries.any():
        yield "false: share of failed payments", checks.share(checks.failed)


def faults(checks: Checks) -> Iterator[tuple[str, bool]]:
    """Yield which faults of a day are caught."""
    orders, money = checks.orders, checks.money
    yield "orders halved", checks.volume(orders / 2)
    yield "orders doubled", checks.volume(orders * 2)
    yield "revenue halved", checks.revenue(money / 2)
    for place, name in PLACES.items():
        if place < len(orders):
            yield f"{name} region lost", checks.volume(changed(orders, place, 0))
    for share, name in ((0.05, "5 %"), (0.002, "0.2 %")):
        slipped = money * (1 + 99 * share)
        what = f"{name} of amounts 100 times as large"
        yield what, checks.revenue(slipped) or checks.value(slipped)
    for place, name in PLACES.items():
        if place < len(money):
            cents = changed(money, place, 100)
            yield f"{name} region in cents", checks.revenue(cents) or checks.value(cents)
    if checks.tries.any():
        yield "no payment fails any more", checks.share(np.zeros_like(orders))
        yield "a third of payments fails", checks.share(checks.tries / 3)


def changed(numbers: Floats, place: int, factor: float) -> Floats:
    """Return the numbers of a day on which those of one region are multiplied."""
    made = numbers.copy()
    made[0] += made[place] * (factor - 1)
    made[place] *= factor
    return made


def drift(shop: Shop, found: dict[str, list[float]]) -> None:
    """Judge the drift of regions: without one, and with a leak of a region or the whole shop."""
    names = ("all", *(f"region {n}" for n in range(1, len(shop.orders))))
    limits = THRESHOLDS.drift.default
    keys = [day.isoformat() for day in shop.days]
    leaking = (1 - LEAK) ** (np.maximum(np.arange(len(keys)) - LEAK_BEGINS, 0) / 7)
    of_region = shop.orders.copy()
    of_region[1] *= leaking
    of_region[0] = of_region[1:].sum(axis=0)
    for what, orders in (
        ("none", shop.orders),
        ("largest region", of_region),
        ("whole shop", shop.orders * leaking),
    ):
        series = Series("count", names, ("",) * len(names), orders, np.ones(orders.shape, bool))
        answers = judge_drift(series, shop.days, keys, Known(), lambda _: limits)
        alarm = np.array([not answer.passed for answer in answers])
        if what == "none":
            begins = np.sum(alarm[1:] & ~alarm[:-1]) + alarm[0]
            found["drift|false alarms a year"].append(float(begins) * 365 / len(alarm))
        else:
            after = np.flatnonzero(alarm[LEAK_BEGINS:])
            found[f"drift|{what}: caught"].append(float(len(after) > 0))
            if len(after):
                found[f"drift|{what}: days until then"].append(float(after[0]))


def study(shops: list[Shop], compared: dict) -> dict[str, float]:
    """Return what was found, by name: rates, averaged over some shops."""
    found: dict[str, list[float]] = defaultdict(list)
    for shop in shops:
        compare_rules(shop, found, compared)
        hits: dict[str, list[bool]] = defaultdict(list)
        for day in range(WINDOW, len(shop.days)):
            checks = Checks(shop, day)
            if shop.special[day]:
                hits["a special day that nobody announced"].append(checks.volume(checks.orders))
                continue
            asked = [mistakes(checks), faults(checks) if day % SAMPLED == 0 else ()]
            for what, warned in chain.from_iterable(asked):
                hits[what].append(warned)
        for what, warned in hits.items():
            found[f"fault|{what}"].append(float(np.mean(warned)))
        if len(shop.orders) > 1:
            drift(shop, found)
    return {name: float(np.mean(values)) for name, values in found.items()}


def report(columns: dict[str, dict[str, float]]) -> None:
    """Print what was found as tables: a column for each kind of shop."""
    names = list(dict.fromkeys(name for found in columns.values() for name in found))
    for group in dict.fromkeys(name.split("|")[0] for name in names):
        print(f"\n{group:<40}" + "".join(f"{title:>16}" for title in columns))
        for name in names:
            if name.startswith(f"{group}|"):
                shown = [show(name, found.get(name)) for found in columns.values()]
                print(f"  {name.split('|')[1]:<38}" + "".join(f"{text:>16}" for text in shown))


def show(name: str, value: float | None) -> str:
    """Return a rate as people read it: false alarms by year, what is caught as a share."""
    if value is None:
        return "-"
    what = name.split("|")[1]
    if what.startswith("false alarms") or "days until" in what:
        return f"{value:.1f}"
    return f"{value * 365:.1f} a year" if what.startswith("false") else f"{value:.0%}"


def main() -> None:
    """Run the study, and print its tables."""
    compared, columns = rules(), {}
    for size in ORDERS_A_DAY:
        shops = [simulate(seed, size) for seed in SEEDS]
        columns[f"{size:,} orders/day"] = study(shops, compared)
    for folder in sys.argv[1:]:
        columns["real shop"] = study([read_shop(Path(folder))], compared)
    report(columns)
    values = np.random.default_rng(1).lognormal(6, 0.3, (10, 365 + WINDOW))
    names = ("all", *map(str, range(9)))
    series = Series("count", names, ("",) * 10, values, np.ones(values.shape, bool))
    begun = time.perf_counter()
    look(series, lambda _: LIMITS)
    print(f"\n365 days of 10 regions: {time.perf_counter() - begun:.2f} s")


if __name__ == "__main__":
    main()
