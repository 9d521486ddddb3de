"""What is wrong with the demo shop's rows, and how often: the one table of rates."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.random import Generator

    from ecom_platform.sources.demo_shop.demand import Ints

#: Table -> what is wrong -> share of its rows. A row has one thing wrong at most.
RATES = {
    "orders": {
        "orphan_customer": 0.0010,  # names a customer that the shop does not have
        "exact_duplicate": 0.0005,  # the same row twice
        "nan_amount": 0.0001,
        "null_amount": 0.0002,
        "negative_amount": 0.0003,
        "many_decimals": 0.0005,  # 12.3450
        "null_created_at": 0.0001,
        "absurd_created_at": 0.0001,  # 1970, 2099 or infinity
        "unknown_status": 0.0003,
    },
    "payments": {
        "orphan_order": 0.0008,  # names an order that the shop does not have
        "exact_duplicate": 0.0005,
        "nan_amount": 0.0001,
        "null_amount": 0.0002,
        "negative_amount": 0.0003,
        "many_decimals": 0.0005,
        "unknown_status": 0.0006,
    },
    "customers": {
        "blank_region": 0.0030,  # empty, spaces or NULL
        "null_signup_date": 0.0003,
        "null_email": 0.0010,
        "untidy_email": 0.0050,  # in capitals, with spaces around
    },
}


def spoil(chance: Generator, table: str, count: int) -> dict[str, Ints]:
    """Choose, of `count` rows of a table, those with something wrong.

    Returns:
        What is wrong, as RATES calls it -> the rows' positions, ascending.
    """
    rates = RATES[table]
    wrong = np.searchsorted(np.cumsum([*rates.values()]), chance.random(count), side="right")
    rows = np.flatnonzero(wrong < len(rates))
    return {kind: rows[wrong[rows] == place] for place, kind in enumerate(rates)}
