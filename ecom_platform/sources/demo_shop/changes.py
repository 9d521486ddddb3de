"""What can happen to an order of the demo shop once it is placed: one table, and its SQL.

When it happens, and to which order, is chosen in `live`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ecom_platform.settings import DEFAULT_PAYMENT_STATUSES
from ecom_platform.sources.demo_shop.life import (
    ARRIVAL,
    CANCELLATION,
    DAY,
    PAYMENT_TERM,
    RETURN,
    SHIPPING,
    TRANSFER,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


def payment_is(*states: str) -> str:
    """Return the SQL condition that a payment, `p`, is completed, pending, failed or refunded."""
    words = [f"'{word}'" for state in states for word in DEFAULT_PAYMENT_STATUSES[state]]
    return f"lower(trim(p.status)) IN ({', '.join(words)})"


def _order_is(*words: str) -> str:
    return f"lower(trim(o.status)) IN ({', '.join(repr(word) for word in words)})"


def _has(payments: str) -> str:
    return f"EXISTS (SELECT FROM payments AS p WHERE p.order_id = o.id AND {payments})"


@dataclass(frozen=True)
class Change:
    """Something that happens to an order of a day that is over.

    Args:
        what: For people.
        share: Of all events. In a real shop most would be orders, shipped and arrived; here
            the rare ones come often enough to be watched.
        age: Of the order, log-normal: the median, in microseconds, and the logarithm's spread.
        which: SQL condition on the order, `o`.
        order: SQL assignments to the order; none where it is deleted.
        payments: SQL condition on its payments, `p` -> assignments; none where they are deleted.
    """

    what: str
    share: float
    age: tuple[float, float]
    which: str
    order: str
    payments: dict[str, str]

    def statements(self) -> Iterator[str]:
        """Yield the SQL that makes the change; its parameters are those of GIVEN."""
        for which, assignments in self.payments.items():
            yield _write("payments AS p", f"p.order_id = given.id AND {which}", assignments)
        yield _write("orders AS o", "o.id = given.id", self.order)


#: Number and time of the order, this moment, when the bank booked what it tells now, and what
#: remains of a corrected amount.
GIVEN = (
    "(SELECT $1::bigint AS id, $2::timestamptz AS created, $3::timestamptz AS now, "
    "$4::timestamptz AS booked, $5::numeric AS factor) AS given"
)


def _write(table: str, which: str, assignments: str) -> str:
    if assignments:
        return f"UPDATE {table} SET {assignments} FROM {GIVEN} WHERE {which}"
    return f"DELETE FROM {table} USING {GIVEN} WHERE {which}"


_COMPLETED, _PENDING = payment_is("completed"), payment_is("pending")
#: Not the failed first attempt: its number is the first of the three an order has room for.
_EXPIRED = f"{payment_is('failed')} AND p.id > 3 * p.order_id - 2"
_PAID_AT_ONCE = (
    f"(SELECT count(*) = 1 AND bool_and({_COMPLETED} AND p.amount = o.total_amount) "
    "FROM payments AS p WHERE p.order_id = o.id)"
)
_UNPAID = f"{_order_is('pending')} AND {_has(_PENDING)}"
_VOID = (
    f"{_order_is('canceled', 'cancelled')} AND {_has(_EXPIRED)} "
    f"AND NOT {_has(payment_is('completed', 'pending', 'refunded'))}"
)
_TELL_NOW = "status = 'paid', paid_at = given.now"
_TELL_LATE = "status = 'paid', paid_at = greatest(given.booked, given.created)"
_GO_ON = "status = 'processing'"

_WEEKS = 1.5 * PAYMENT_TERM, 0.3
_DELIVERED = SHIPPING[0] + ARRIVAL[0]
_SENT_BACK = _DELIVERED + RETURN[0], RETURN[1]
_CANCELLING = {
    _COMPLETED: "status = 'refunded'",
    _PENDING: "status = 'cancelled', paid_at = given.now",
}
_CORRECTING = "round({}.{} * given.factor, 2)".format

CHANGES = (
    Change("paid", 0.08, TRANSFER, _UNPAID, _GO_ON, {_PENDING: _TELL_NOW}),
    Change("paid, reported late", 0.14, TRANSFER, _UNPAID, _GO_ON, {_PENDING: _TELL_LATE}),
    Change("paid after weeks", 0.04, _WEEKS, _VOID, _GO_ON, {_EXPIRED: _TELL_LATE}),
    Change("shipped", 0.08, SHIPPING, _order_is("processing"), "status = 'shipped'", {}),
    Change(
        "arrived", 0.06, (_DELIVERED, ARRIVAL[1]), _order_is("shipped"), "status = 'completed'", {}
    ),
    Change(
        "returned, refunded", 0.10, _SENT_BACK, f"{_order_is('completed')} AND {_has(_COMPLETED)}",
        "status = 'returned'", {_COMPLETED: "status = 'refunded'"},
    ),
    Change(
        "cancelled", 0.05, CANCELLATION, _order_is("pending", "processing"),
        "status = 'cancelled'", _CANCELLING,
    ),
    Change(
        "amount corrected", 0.07, (4 * DAY, 1.0), _PAID_AT_ONCE,
        f"total_amount = {_CORRECTING('o', 'total_amount')}",
        {"true": f"amount = {_CORRECTING('p', 'amount')}"},
    ),
    Change("deleted", 0.02, (10 * DAY, 1.0), "true", "", {"true": ""}),
)  # fmt: skip
