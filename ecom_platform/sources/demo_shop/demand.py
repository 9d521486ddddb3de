"""The demo shop, and how many orders it takes on which day, from whom; no rows here.

Customers follow the Pareto/NBD law: each buys at a constant rate of his own and, at some
moment, drops out for good; the rates are gamma distributed over customers, the lifetimes
Pareto. (Schmittlein, Morrison & Colombo, "Counting Your Customers", Management Science 33,
1987.) The season then multiplies the rate of all.

A customer is never stored: who signed up on a day, how often he buys, how long he stays
and where he lives are functions of his number. So any day can be made without the others,
in memory that does not depend on their number.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ecom_platform.calendar import Calendar, days_between
from ecom_platform.errors import SettingsError
from ecom_platform.sources.demo_shop.season import promotion, season

if TYPE_CHECKING:
    from numpy.random import Generator

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

#: The least number of orders the laws below make sense for.
MIN_ORDERS = 1_000
#: Customers have signed up since this many days before the first order kept.
HISTORY_DAYS = 180

# In weeks, as estimated for the CDNOW shop by Fader, Hardie & Lee ("Counting Your Customers
# the Easy Way: An Alternative to the Pareto/NBD Model", Marketing Science 24, 2005).
RATE_SHAPE, RATE_SCALE = 0.553, 10.578
LIFETIME_SHAPE, LIFETIME_SCALE = 0.606, 11.669

#: Share of orders placed without an account, and of sign-ups that do not order at once.
GUESTS = 0.04
UNDECIDED = 0.1

GROWTH = 0.25  # of sign-ups, per year, as a logarithm
NOISE = 0.05  # of a day's demand, as a standard deviation of the logarithm


#: What random numbers are for. None depends on how many another one takes.
PLANNING, PROMOTING, PLACING, SETTLING, SPOILING, SIGNING_UP = range(6)


@dataclass(frozen=True)
class Region:
    """Where customers live: share of sign-ups, its yearly growth, and basket size."""

    name: str
    share: float
    trend: float
    basket: float


REGIONS = (
    Region("North America", 0.31, -0.05, 1.12),
    Region("United Kingdom", 0.16, 0.00, 0.97),
    Region("DACH", 0.14, 0.04, 1.04),
    Region("Asia-Pacific", 0.13, 0.22, 0.78),
    Region("Nordics", 0.09, 0.08, 1.18),
    Region("Southern Europe", 0.08, -0.02, 0.90),
    Region("Latin America", 0.06, 0.25, 0.72),
    Region("Middle East", 0.03, 0.12, 1.02),
)

# Irrational steps spread consecutive numbers evenly over [0, 1); a prime, larger than any
# day's sign-ups, shuffles them.
REGION_STEP, LIFETIME_STEP, SHUFFLE = 0.618033988749895, 0.414213562373095, 2_654_435_761


@dataclass(frozen=True)
class DemoShop:
    """The simulated shop. The same values give the same rows, to the byte, with one numpy.

    Args:
        first_day: The first business day with orders.
        last_day: The last one; the shop is seen at the moment it ends.
        orders: Orders over all those days; chance decides the exact number.
        timezone: IANA name of the business timezone.
        seed: Another seed is another shop.

    Raises:
        SettingsError: No day at all, or too few orders for a shop.
    """

    first_day: date
    last_day: date
    orders: int = 300_000
    timezone: str = "UTC"
    seed: int = 1

    def __post_init__(self) -> None:
        if self.first_day > self.last_day:
            raise SettingsError(
                f"The demo shop would open on {self.first_day} and end on {self.last_day}.",
                hint="Choose a first day that is not after the last one.",
            )
        if self.orders < MIN_ORDERS:
            raise SettingsError(
                f"A demo shop of {self.orders} orders is too small to be one.",
                hint=f"Ask for at least {MIN_ORDERS:,} orders.",
            )

    @property
    def opening(self) -> date:
        """The day its first customers signed up; days are counted from here."""
        return self.first_day - timedelta(days=HISTORY_DAYS)

    @property
    def calendar(self) -> Calendar:
        """Its business calendar."""
        return Calendar(self.timezone, self.first_day)

    def chance(self, purpose: int, day: date, part: int = 0) -> Generator:
        """Return the random numbers for a purpose on (a part of) a day: always the same ones."""
        return np.random.default_rng([self.seed, purpose, day.toordinal(), part])


@dataclass(frozen=True)
class Demand:
    """What happens on each day since the opening: arrays of one entry per day.

    Args:
        days: The dates.
        signups: New customers.
        before: Customers signed up on earlier days. Numbers start at 1 and follow the days.
        first_orders: Orders of customers who signed up that day, one each.
        returning: Orders of customers who signed up earlier.
        guests: Orders without a customer.
        basket: What a promotion does to the baskets, as a factor.
        region_bounds: The cumulated shares of REGIONS among a day's sign-ups.
    """

    days: list[date]
    signups: Ints
    before: Ints
    first_orders: Ints
    returning: Ints
    guests: Ints
    basket: Floats
    region_bounds: Floats

    @property
    def orders(self) -> Ints:
        """Orders by day; none before the shop's first day."""
        return self.first_orders + self.returning + self.guests

    def region_of(self, customers: Ints) -> Ints:
        """Return the place in REGIONS of each customer."""
        cohort = np.searchsorted(self.before, customers - 1, side="right") - 1
        place = customers * REGION_STEP % 1.0
        return (place[:, None] > self.region_bounds[cohort]).sum(axis=1)

    def draw_returning(self, chance: Generator, day: int, count: int) -> Ints:
        """Draw who, of the customers of earlier days, places the `count` orders of a day.

        A customer is drawn in proportion to his purchase rate, if he has not dropped out.
        """
        drawn = np.empty(0, np.int64)
        while True:
            candidates = 2 * (count - len(drawn)) + 100
            customers, active = self._draw_buyers(chance, day, candidates)
            drawn = np.concatenate((drawn, customers[active]))
            if len(drawn) >= count:
                return drawn[:count]
            if not active.any():  # a tiny shop without a customer left: the lost come back
                return np.concatenate((drawn, customers))[:count]

    def _draw_buyers(
        self, chance: Generator, day: int, count: int
    ) -> tuple[Ints, NDArray[np.bool_]]:
        anyone = chance.integers(0, self.before[day], count)
        cohort = np.searchsorted(self.before[: day + 1], anyone, side="right") - 1
        # Weighting gamma variables by their own value adds 1 to their shape. A rate's rank in
        # the cohort then is its customer.
        rates = np.searchsorted(_RATES, chance.gamma(RATE_SHAPE + 1, size=count))
        rank = ((rates + chance.random(count)) / (len(_RATES) + 1) * self.signups[cohort]).astype(
            np.int64
        )
        lifetime = (self.before[cohort] + rank) * LIFETIME_STEP % 1.0
        active = lifetime < survival(day - cohort)
        return self.before[cohort] + rank * SHUFFLE % self.signups[cohort] + 1, active


def survival(days: Ints) -> Floats:
    """Return the share of customers who have not dropped out after so many days."""
    return (1 + days / 7 / LIFETIME_SCALE) ** -LIFETIME_SHAPE


#: Purchase rates of a large cohort, sorted: their distribution function.
_RATES = np.sort(np.random.default_rng(0).gamma(RATE_SHAPE, size=1 << 16))


def plan(shop: DemoShop, until: date | None = None) -> Demand:
    """Return the shop's demand, day by day from its opening to its last day, or until later."""
    days = list(days_between(shop.opening, until or shop.last_day))
    count = len(days)
    chances = [shop.chance(PLANNING, day) for day in days]
    mondays = [day - timedelta(days=day.weekday()) for day in days]
    promotions = [
        promotion(day, shop.chance(PROMOTING, monday))
        for day, monday in zip(days, mondays, strict=True)
    ]
    noise = np.exp([chance.normal(0, NOISE) for chance in chances])
    appetite = noise * [season(day) * lift for day, (lift, _) in zip(days, promotions, strict=True)]
    years = (np.arange(count) - HISTORY_DAYS) / 365
    signups = appetite * np.exp(GROWTH * years)
    stay = survival(np.arange(count))
    stay[0] = 0  # on the day of the sign-up there is the first order
    active = np.convolve(signups, stay)[:count]
    returning = appetite * active * (RATE_SHAPE / RATE_SCALE / 7)
    kept = np.arange(count) >= HISTORY_DAYS
    asked_for = slice(HISTORY_DAYS, (shop.last_day - shop.opening).days + 1)
    wanted = (signups * (1 - UNDECIDED) + returning)[asked_for].sum() / (1 - GUESTS)
    scale = shop.orders / wanted

    def happens(expected: Floats) -> Ints:
        return np.array([c.poisson(e) for c, e in zip(chances, expected, strict=True)], np.int64)

    new = happens(scale * signups)
    new[0] = max(new[0], 1)
    regular = scale * (signups * (1 - UNDECIDED) + returning) * kept
    deciding = np.array(
        [c.binomial(n, 1 - UNDECIDED) for c, n in zip(chances, new, strict=True)], np.int64
    )
    shares = np.array([r.share for r in REGIONS]) * np.exp(
        years[:, None] * [r.trend for r in REGIONS]
    )
    return Demand(
        days=days,
        signups=new,
        before=np.cumsum(new) - new,
        first_orders=deciding * kept,
        returning=happens(scale * returning * kept),
        guests=happens(regular * GUESTS / (1 - GUESTS)),
        basket=np.array([basket for _, basket in promotions]),
        region_bounds=np.cumsum(shares / shares.sum(axis=1, keepdims=True), axis=1)[:, :-1],
    )
