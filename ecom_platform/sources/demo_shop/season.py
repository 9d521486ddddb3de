"""The demo shop's year: weekdays, months, holidays, Black Friday and promotions.

As factors on an ordinary day's demand; what that demand is, is in `demand`.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.random import Generator

WEEKDAYS = (1.09, 1.04, 1.01, 0.99, 0.95, 0.86, 1.06)  # Monday to Sunday
MONTHS = (0.95, 0.92, 0.96, 0.97, 0.99, 0.96, 0.92, 0.92, 0.99, 1.04, 1.15, 1.23)
HOLIDAYS = {(1, 1): 0.7, (12, 24): 0.55, (12, 25): 0.4, (12, 26): 0.75, (12, 31): 0.7}
#: Days since Thanksgiving -> demand: Black Friday, the weekend, Cyber Monday.
BLACK_WEEK = {1: 2.1, 2: 1.4, 3: 1.4, 4: 1.7}
PROMOTED_WEEKS = 0.3


def season(day: date) -> float:
    """Return the demand of a date: 1 is an ordinary day."""
    middle = np.arange(12) * 30.44 + 15
    month = float(np.interp(day.timetuple().tm_yday, middle, MONTHS, period=365.25))
    november = date(day.year, 11, 1)
    thanksgiving = november + timedelta(days=(3 - november.weekday()) % 7 + 21)
    black = BLACK_WEEK.get((day - thanksgiving).days, 1.0)
    return month * WEEKDAYS[day.weekday()] * black * HOLIDAYS.get((day.month, day.day), 1.0)


def promotion(day: date, chance: Generator) -> tuple[float, float]:
    """Return what a promotion does to a date's demand and to its baskets, as factors.

    Args:
        day: The date.
        chance: The random numbers of its week: a promotion runs for one to three days of it.
    """
    promoted, start, length = chance.random() < PROMOTED_WEEKS, *chance.integers((0, 1), (6, 4))
    lift, basket = chance.uniform((1.15, 0.85), (1.5, 1.1))
    runs = promoted and start <= day.weekday() < start + length
    return (lift, basket) if runs else (1.0, 1.0)
