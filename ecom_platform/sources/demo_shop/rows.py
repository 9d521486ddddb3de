# Arrow's stubs call much unknown, and refuse what pyarrow.compute takes.
# pyright: basic, reportArgumentType=false, reportCallIssue=false
"""The demo shop's rows in Arrow, dirt included, in the columns of the source schema."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ecom_platform.sources.demo_shop.demand import (
    PLACING,
    REGIONS,
    SETTLING,
    SIGNING_UP,
    SPOILING,
)
from ecom_platform.sources.demo_shop.dirt import spoil
from ecom_platform.sources.demo_shop.life import (
    NEVER,
    ORDER_WORDS,
    PAYMENT_WORDS,
    SECOND,
    parts,
    place_orders,
    settle,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from numpy.random import Generator
    from numpy.typing import NDArray

    from ecom_platform.sources.demo_shop.demand import Demand, DemoShop, Ints
    from ecom_platform.sources.demo_shop.life import Orders, Part, Payments

#: How a status is spelled, and how often so.
SPELLINGS = {str.lower: 0.93, str.title: 0.03, str.upper: 0.03, " {} ".format: 0.01}
UNKNOWN_WORDS = ("manual_review", "escalated", "???")

NAMES = (
    "ada", "ali", "ana", "bea", "ben", "chen", "dana", "eli", "emma", "finn", "hana", "ida",
    "ines", "ivan", "jan", "jose", "kai", "lea", "liam", "lina", "luca", "mara", "max", "mei",
    "mia", "nora", "omar", "paul", "rosa", "sam", "sofia", "tara", "tom", "uma", "yara", "zoe",
)  # fmt: skip

#: Added to an id, it is nobody's.
NOWHERE = 10**12
#: Instants no order was placed at. The first stands for infinity, which Arrow does not have.
INFINITY = 0
ABSURD = (INFINITY, 1, 4_102_444_799 * SECOND)  # 1970 and 2099


class Rows(NamedTuple):
    """Rows of one table.

    Where `as_text`, they hold a value that Arrow's types do not have, NaN or infinity, and
    all their columns are text.
    """

    table: str
    batch: pa.RecordBatch
    as_text: bool = False


def customer_rows(shop: DemoShop, demand: Demand) -> Iterator[Rows]:
    """Yield all customers, in the order they signed up, some `life.PART_ROWS` at a time."""
    for part in parts(demand.signups):
        yield Rows("customers", _customers(shop, demand, part))


def order_rows(shop: DemoShop, demand: Demand, now: datetime) -> Iterator[Rows]:
    """Yield all orders and payments as they stand at `now`, in the order of time.

    Some `life.PART_ROWS` orders at a time, and then their payments.
    """
    for part in parts(demand.first_orders, demand.returning, demand.guests):
        placing, settling, spoiling = (
            shop.chance(purpose, demand.days[part.day], part.place)
            for purpose in (PLACING, SETTLING, SPOILING)
        )
        orders = place_orders(shop, demand, part, placing)
        status, payments = settle(orders, settling, now)
        yield from _orders(orders, status, spoiling)
        yield from _payments(payments, spoiling)


def _orders(orders: Orders, status: Ints, chance: Generator) -> Iterator[Rows]:
    wrong = spoil(chance, "orders", len(status))
    customer, created = orders.customer.copy(), orders.created.copy()
    customer[wrong["orphan_customer"]] = NOWHERE + orders.number[wrong["orphan_customer"]]
    created[wrong["null_created_at"]] = NEVER
    absurd = wrong["absurd_created_at"]
    created[absurd] = chance.choice(ABSURD, len(absurd))
    batch = pa.record_batch(
        {
            "id": orders.number,
            "customer_id": pa.array(customer, mask=customer == 0),
            "total_amount": _amounts(orders.cents, wrong, chance),
            "created_at": _instants(created),
            "status": _statuses(status, ORDER_WORDS, wrong, chance),
        }
    )
    infinite = absurd[created[absurd] == INFINITY]
    unusual = {"total_amount": (wrong["nan_amount"], "NaN"), "created_at": (infinite, "infinity")}
    return _split("orders", batch, wrong["exact_duplicate"], unusual)


def _payments(payments: Payments, chance: Generator) -> Iterator[Rows]:
    wrong = spoil(chance, "payments", len(payments.number))
    order = payments.order.copy()
    order[wrong["orphan_order"]] += NOWHERE
    batch = pa.record_batch(
        {
            "id": payments.number,
            "order_id": order,
            "amount": _amounts(payments.cents, wrong, chance),
            "status": _statuses(payments.word, PAYMENT_WORDS, wrong, chance),
            "paid_at": _instants(payments.paid),
        }
    )
    unusual = {"amount": (wrong["nan_amount"], "NaN")}
    return _split("payments", batch, wrong["exact_duplicate"], unusual)


def _customers(shop: DemoShop, demand: Demand, part: Part) -> pa.RecordBatch:
    day = demand.days[part.day]
    chance = shop.chance(SIGNING_UP, day, part.place)
    count = len(part.share(int(demand.signups[part.day])))
    number = part.first + np.arange(count)
    wrong = spoil(chance, "customers", count)

    name = _words(chance.integers(0, len(NAMES), count), NAMES)
    email = pc.binary_join_element_wise(
        name, pc.cast(number, pa.string()), pa.scalar("@example.invalid"), ""
    )
    untidy = pc.binary_join_element_wise(" ", pc.utf8_upper(email), " ", "")
    email = pc.if_else(_mask(wrong["untidy_email"], count), untidy, email)
    region = demand.region_of(number)
    blank = wrong["blank_region"]
    region[blank] = len(REGIONS) + chance.integers(0, 3, len(blank))
    signup = pa.array(
        np.full(count, np.datetime64(day)), mask=_mask(wrong["null_signup_date"], count)
    )
    return pa.record_batch(
        {
            "id": number,
            "email": pc.if_else(_mask(wrong["null_email"], count), None, email),
            "region": _words(region, (*(region.name for region in REGIONS), "", "  ", None)),
            "signup_date": signup,
        }
    )


def _split(
    table: str, batch: pa.RecordBatch, twice: Ints, unusual: dict[str, tuple[Ints, str]]
) -> Iterator[Rows]:
    """Repeat some rows, and set apart those where a column holds a value that is only text."""
    times = 1 + _mask(twice, batch.num_rows)
    for places, _ in unusual.values():
        times[places] = 0
    yield Rows(table, batch.take(np.repeat(np.arange(batch.num_rows), times)))
    apart = np.flatnonzero(times == 0)
    if len(apart):
        columns = {
            name: pc.cast(column, pa.string())
            for name, column in zip(batch.schema.names, batch.take(apart), strict=True)
        }
        for name, (places, text) in unusual.items():
            columns[name] = pc.if_else(np.isin(apart, places), text, columns[name])
        yield Rows(table, pa.record_batch(columns), as_text=True)


def _amounts(cents: Ints, wrong: dict[str, Ints], chance: Generator) -> pa.Array:
    """Return cents as decimals of scale 4."""
    units = cents * 100
    units[wrong["negative_amount"]] *= -1
    many = wrong["many_decimals"]
    units[many] += chance.choice((50, 49, 33), len(many))
    # Arrow's decimals are 128-bit integers, little-endian.
    words = np.column_stack((units, units >> 63))
    known = pa.array(~_mask(wrong["null_amount"], len(units))).buffers()[1]
    buffers = [known, pa.py_buffer(words)]
    return pa.Array.from_buffers(pa.decimal128(18, 4), len(units), buffers)


def _instants(instants: Ints) -> pa.Array:
    return pa.array(instants, pa.timestamp("us", tz="UTC"), mask=instants == NEVER)


def _statuses(
    word: Ints, words: tuple[str, ...], wrong: dict[str, Ints], chance: Generator
) -> pa.Array:
    """Spell status words as people and systems do, and put in a few that nobody knows."""
    spelled = [spell(word) for spell in SPELLINGS for word in words]
    bounds = np.cumsum([*SPELLINGS.values()])[:-1]
    style = np.searchsorted(bounds, chance.random(len(word)), side="right")
    word = word + style * len(words)
    unknown = wrong["unknown_status"]
    word[unknown] = len(spelled) + chance.integers(0, len(UNKNOWN_WORDS), len(unknown))
    return _words(word, (*spelled, *UNKNOWN_WORDS))


def _words(places: Ints, words: tuple[str | None, ...]) -> pa.Array:
    return pa.array(words, pa.string()).take(pa.array(places))


def _mask(places: Ints, count: int) -> NDArray[np.bool_]:
    mask = np.zeros(count, np.bool_)
    mask[places] = True
    return mask
