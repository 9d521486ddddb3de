"""Business days on the wall clock of a source: where it stays regular, a day is 24 hours of it.

MySQL and MariaDB have no zone rules unless somebody loaded them, so ours are written into the
query, as few times between which a difference says the day.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from ecom_platform.calendar import ONE_DAY, days_between
from ecom_platform.sources.timezones import wall_clock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ecom_platform.calendar import Calendar

#: More than any zone is away from UTC, and its clocks are changed by.
_MARGIN = 3 * ONE_DAY


class Span(NamedTuple):
    """Wall-clock times, from one up to before another, of one business day or of several.

    Args:
        begin: The first of them.
        end: The first after them.
        midnight: When `day` began, or would have begun, on that clock.
        day: The first day; where they are several, each later one begins 24 hours after the other.
        several: Whether they are.
    """

    begin: datetime
    end: datetime
    midnight: datetime
    day: date
    several: bool


def spans_of_days(calendar: Calendar, zone: str, first: date, last: date) -> Iterator[Span]:
    """Yield which wall-clock times of a source are which business days of a range, in order.

    Args:
        calendar: What a business day is.
        zone: IANA name of the zone of the source's clock.
        first: The first day.
        last: The last day.
    """
    low, high = (at.replace(tzinfo=None) for at in calendar.bounds(first, last))
    begin = low - _MARGIN
    for until, offset in wall_clock(zone, begin, high + _MARGIN):
        for starts, ends, day in _runs(calendar, first, last):
            lower, upper = max(begin, starts + offset), min(until, ends + offset)
            if lower < upper:
                several = (ends - starts) % ONE_DAY == timedelta()
                yield Span(lower, upper, starts + offset, day, several)
        begin = until


def _runs(calendar: Calendar, first: date, last: date) -> Iterator[tuple[datetime, datetime, date]]:
    """Yield the beginning, the end (UTC, naive) and the first of days of 24 hours, or one other."""
    run: tuple[datetime, datetime, date] | None = None
    for day in days_between(first, last):
        starts, ends = (at.replace(tzinfo=None) for at in calendar.bounds(day, day))
        if run and ends - starts == ONE_DAY and (run[1] - run[0]) % ONE_DAY == timedelta():
            run = (run[0], ends, run[2])
            continue
        if run:
            yield run
        run = (starts, ends, day)
    if run:
        yield run
