"""The life of the demo shop's orders: when they are placed, paid, shipped and returned.

In numpy, part by part, each part from its own random numbers, and as the shop knows it at
an instant: seen later, the same part has the same orders and payments, more of them
settled. Arrow, dirt and the database are elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ecom_platform.settings import DEFAULT_PAYMENT_STATUSES
from ecom_platform.sources.demo_shop.demand import REGIONS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from numpy.random import Generator
    from numpy.typing import NDArray

    from ecom_platform.sources.demo_shop.demand import Demand, DemoShop, Ints

#: Orders, or customers, made at once: what bounds the memory.
PART_ROWS = 50_000

SECOND = 1_000_000  # instants (UTC) and spans are whole microseconds
HOUR = 3600 * SECOND
DAY = 24 * HOUR
#: An instant that has not come.
NEVER = np.iinfo(np.int64).min

#: Orders by hour of the local day, from 0 to 23.
HOURS = (1.6, 0.9, 0.6, 0.4, 0.4, 0.7, 1.6, 2.9, 4.0, 4.9, 5.5, 5.6,
         5.8, 5.5, 5.2, 5.1, 5.2, 5.5, 6.1, 6.9, 7.6, 7.3, 5.3, 3.2)  # fmt: skip

BASKET_MEDIAN, BASKET_SPREAD = 58.0, 0.65  # log-normal
FREE = 0.003  # orders that a voucher pays in full: 0.00

FAILING, GIVING_UP = 0.06, 0.15  # orders whose first attempt fails; of these, never tried again
BY_TRANSFER = 0.18  # orders paid by bank transfer, within days; the others within minutes
SPLIT = 0.04  # orders paid in two
CANCELLED, TEST, RETURNED = 0.03, 0.0005, 0.05  # orders
PAYMENT_TERM = 14 * DAY  # what is not paid by then, expires

# How long things take, log-normal: the median, and the spread of the logarithm.
TRANSFER = 1.5 * DAY, 1.0
SHIPPING = 20 * HOUR, 0.5
ARRIVAL = 60 * HOUR, 0.4
RETURN = 6 * DAY, 0.5  # since the arrival
CANCELLATION = 5 * HOUR, 1.0

ORDER_WORDS = (
    "completed", "shipped", "processing", "pending", "returned", "cancelled", "canceled", "test",
)  # fmt: skip
PAYMENT_WORDS = tuple(word for words in DEFAULT_PAYMENT_STATUSES.values() for word in words)
COMPLETED, PENDING, FAILED, REFUNDED = range(4)
_WORDS_OF_STATE = np.array([len(words) for words in DEFAULT_PAYMENT_STATUSES.values()])
_FIRST_WORD = np.cumsum(_WORDS_OF_STATE) - _WORDS_OF_STATE


@dataclass(frozen=True)
class Part:
    """Some of a day's orders, or sign-ups: consecutive in number and time.

    Args:
        day: The day's place in `Demand.days`.
        place: Which part of the day it is, from 0.
        of: How many parts the day has.
        first: Number of its first order, or customer.
    """

    day: int
    place: int
    of: int
    first: int

    def share(self, total: int) -> range:
        """Return which of the day's `total` things belong to this part."""
        return range(total * self.place // self.of, total * (self.place + 1) // self.of)


def parts(*groups: Ints) -> Iterator[Part]:
    """Divide what happens on each day, given by group, into parts of some PART_ROWS."""
    first = 1
    for day, counts in enumerate(np.stack(groups, axis=1).tolist()):
        of = -(-sum(counts) // PART_ROWS)
        for place in range(of):
            part = Part(day, place, of, first)
            yield part
            first += sum(len(part.share(count)) for count in counts)


@dataclass(frozen=True)
class Orders:
    """Orders placed, oldest first: arrays of one entry per order.

    Args:
        number: The order's id.
        customer: Who ordered; 0 for a guest.
        cents: The total.
        created: When it was placed.
    """

    number: Ints
    customer: Ints
    cents: Ints
    created: Ints


@dataclass(frozen=True)
class Payments:
    """Payments and attempts, in the order of their orders: arrays of one entry each.

    Args:
        number: The payment's id.
        order: The order it pays for.
        cents: The amount.
        word: The status, as a place in PAYMENT_WORDS.
        paid: When it was paid or failed; NEVER while pending.
    """

    number: Ints
    order: Ints
    cents: Ints
    word: Ints
    paid: Ints


def place_orders(shop: DemoShop, demand: Demand, part: Part, chance: Generator) -> Orders:
    """Return the orders of a part of a day."""
    day = part.day
    newcomers = demand.before[day] + 1 + np.array(part.share(int(demand.first_orders[day])), int)
    returning = len(part.share(int(demand.returning[day])))
    guests = len(part.share(int(demand.guests[day])))
    buyers = demand.draw_returning(chance, day, returning)
    customer = chance.permutation(np.concatenate((newcomers, buyers, np.zeros(guests, np.int64))))
    count = len(customer)

    basket = np.append([region.basket for region in REGIONS], 1.0)
    region = np.where(customer > 0, demand.region_of(customer), len(REGIONS))
    amount = BASKET_MEDIAN * np.exp(chance.normal(0, BASKET_SPREAD, count))
    cents = np.rint(np.maximum(amount * basket[region] * demand.basket[day], 1) * 100)
    cents[chance.random(count) < FREE] = 0

    so_far = np.concatenate(([0], np.cumsum(HOURS))) / sum(HOURS)
    moment = (part.place + np.sort(chance.random(count))) / part.of
    starts, ends = (
        round(bound.timestamp()) * SECOND
        for bound in shop.calendar.bounds(demand.days[day], demand.days[day])
    )
    # Stretched over the day's real length, so that days of 23 and 25 hours are filled.
    share_of_day = np.interp(moment, so_far, np.arange(25) / 24)
    created = starts + (share_of_day * (ends - starts)).astype(np.int64)
    return Orders(
        number=part.first + np.arange(count), customer=customer, cents=cents.astype(np.int64),
        created=created,
    )  # fmt: skip


def settle(orders: Orders, chance: Generator, now: datetime) -> tuple[Ints, Payments]:
    """Return what became of orders by `now`.

    Returns:
        Each order's status, as a place in ORDER_WORDS, and all payments.
    """
    count, at = len(orders.number), round(now.timestamp()) * SECOND

    def happens(share: float) -> NDArray[np.bool_]:
        return chance.random(count) < share

    def takes(median: float, spread: float) -> Ints:
        return (median * np.exp(chance.normal(0, spread, count))).astype(np.int64)

    # Every draw is made whatever `now` is, so that it stays the same when seen later.
    fails, gives_up, transfer, splits = map(happens, (FAILING, GIVING_UP, BY_TRANSFER, SPLIT))
    gives_up &= fails
    fate = chance.random(count)
    attempt = orders.created + takes(30 * SECOND, 0.7)
    pays = attempt + fails * takes(6 * 60 * SECOND, 1.2)
    pays += np.where(transfer, takes(*TRANSFER), takes(20 * SECOND, 1.0))
    expires = orders.created + PAYMENT_TERM
    expired = pays > expires
    pays = np.minimum(pays, expires)
    ships = pays + takes(*SHIPPING)
    arrives = ships + takes(*ARRIVAL)
    returns = arrives + takes(*RETURN)
    cancels = orders.created + takes(*CANCELLATION)
    first_part = (orders.cents * chance.uniform(0.2, 0.8, count)).astype(np.int64)

    is_void = (gives_up & (attempt + HOUR <= at)) | (expired & (expires <= at))
    is_cancelled = (fate < CANCELLED) & (cancels <= at) & ~is_void
    is_returned = (fate > 1 - RETURNED) & (returns <= at) & ~is_void
    is_test = (fate > CANCELLED) & (fate < CANCELLED + TEST)
    is_unpaid = (pays > at) | gives_up
    words = ("test", "canceled", "cancelled", "returned", "pending", "processing", "shipped")
    cases = [is_test, is_void, is_cancelled, is_returned, is_unpaid, ships > at, arrives > at]
    status = np.select(
        cases, [ORDER_WORDS.index(word) for word in words], ORDER_WORDS.index("completed")
    )

    annulled = is_cancelled & (pays > cancels)  # before it was paid
    pays = np.where(annulled, cancels, pays)
    state = np.select(
        [annulled, pays > at, expired, is_cancelled | is_returned],
        [FAILED, PENDING, FAILED, REFUNDED],
        COMPLETED,
    )
    tried = np.where(attempt <= at, FAILED, PENDING)
    # One column for each payment an order can have: a failed attempt, the payment, a second part.
    made = np.column_stack((fails, ~gives_up, ~gives_up & splits))
    rest = np.where(splits, orders.cents - first_part, orders.cents)
    states = np.column_stack((tried, state, state))[made]
    paid = np.column_stack((attempt, pays, pays))[made]
    # The words of a state become rarer along its list.
    rank = np.minimum(chance.geometric(0.6, made.shape)[made] - 1, _WORDS_OF_STATE[states] - 1)
    return status, Payments(
        # Room for three payments an order: a number never changes, though sequences have gaps.
        number=(3 * orders.number[:, None] + np.arange(-2, 1))[made],
        order=np.broadcast_to(orders.number[:, None], made.shape)[made],
        cents=np.column_stack((orders.cents, rest, first_part))[made],
        word=_FIRST_WORD[states] + rank,
        paid=np.where(states == PENDING, NEVER, paid),
    )
