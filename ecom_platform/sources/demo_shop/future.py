"""The orders that the demo shop takes after its last day, as `demand` and `life` foresee them.

No database here; what happens to them later is in `changes`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np

from ecom_platform.sources.demo_shop.demand import PLACING, REGIONS, SETTLING, SIGNING_UP, plan
from ecom_platform.sources.demo_shop.life import (
    HOUR,
    NEVER,
    ORDER_WORDS,
    PAYMENT_WORDS,
    SECOND,
    parts,
    place_orders,
    settle,
)
from ecom_platform.sources.demo_shop.rows import NAMES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ecom_platform.sources.demo_shop.demand import DemoShop

#: Days after its last one that the shop has orders for.
AHEAD = timedelta(days=3660)


@dataclass(frozen=True)
class Paying:
    """A payment, or a failed attempt: `number`, `amount`, status `word`; pending or not."""

    number: int
    amount: Decimal
    word: str
    pending: bool


@dataclass(frozen=True)
class NewOrder:
    """An order, and what was paid of it within an hour.

    Args:
        number: The order's id.
        customer: Who ordered; None for a guest.
        newcomer: E-mail address and region of a customer who was none on the shop's last day.
        amount: The total.
        word: The status.
        payments: Its payments.
    """

    number: int
    customer: int | None
    newcomer: tuple[str, str] | None
    amount: Decimal
    word: str
    payments: list[Paying]


def new_orders(shop: DemoShop, next_number: int) -> Iterator[NewOrder]:
    """Yield the orders of the days after the shop's last one, from a number on."""
    demand = plan(shop, shop.last_day + AHEAD)
    first_day = demand.days.index(shop.last_day) + 1
    known = int(demand.before[first_day])
    an_hour_later = datetime.fromtimestamp(HOUR / SECOND, UTC)
    for part in parts(demand.first_orders, demand.returning, demand.guests):
        if part.day < first_day:
            continue
        placing, settling, naming = (
            shop.chance(purpose, demand.days[part.day], part.place)
            for purpose in (PLACING, SETTLING, SIGNING_UP)
        )
        orders = place_orders(shop, demand, part, placing)
        orders = replace(orders, created=np.zeros_like(orders.created))
        status, payments = settle(orders, settling, an_hour_later)
        names = naming.choice(NAMES, len(status))
        regions = demand.region_of(np.maximum(orders.customer, 1))
        for place in range(max(0, next_number - part.first), len(status)):
            number, customer = int(orders.number[place]), int(orders.customer[place])
            address = f"{names[place]}{customer}@example.invalid"
            yield NewOrder(
                number,
                customer or None,
                (address, REGIONS[regions[place]].name) if customer > known else None,
                _money(orders.cents[place]),
                ORDER_WORDS[status[place]],
                [
                    Paying(
                        int(payments.number[row]),
                        _money(payments.cents[row]),
                        PAYMENT_WORDS[payments.word[row]],
                        pending=bool(payments.paid[row] == NEVER),
                    )
                    for row in np.flatnonzero(payments.order == number)
                ],
            )


def _money(cents: np.int64) -> Decimal:
    return Decimal(int(cents)).scaleb(-2)
