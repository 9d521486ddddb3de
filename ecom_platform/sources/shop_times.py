"""Times of a source and business days: which interval of a raw column holds the rows of some days.

How an interval, a time and its day are written as SQL is each database's own.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from ecom_platform.calendar import ONE_DAY
from ecom_platform.datasets import Type

if TYPE_CHECKING:
    from ecom_platform.calendar import Calendar
    from ecom_platform.sources.shop_tables import SourceColumn

#: Zone databases of different years may disagree by this much about an instant.
_ZONE_MARGIN = timedelta(hours=2)
_LONGEST_CLOCK_CHANGE = 2 * ONE_DAY


class Intervals:
    """Turns days into intervals of raw columns.

    Args:
        calendar: What a business day is.
        zone: IANA name of the zone of times that carry none.
        instants: The database's word for the type of times that are instants by themselves.
    """

    def __init__(self, calendar: Calendar, zone: str, instants: str) -> None:
        self.calendar = calendar
        self.zone = zone
        self._instants = instants

    def of_days(
        self, column: SourceColumn, first: date, last: date
    ) -> tuple[date | datetime, date | datetime]:
        """Return a half-open interval of the raw column that holds every time of some days.

        Of dates as dates, of instants as aware times, of others as naive ones. That of an
        instant holds no others; others are a little wide, for clock changes.
        """
        if column.kind == "date" and column.type is Type.DATE:
            return first, last + ONE_DAY
        low, high = self.calendar.bounds(first, last)
        if column.kind == self._instants:
            # The database may say which day a sign-up was, by zone rules of its own.
            margin = _ZONE_MARGIN if column.type is Type.DATE else timedelta()
            return low - margin, high + margin
        earliest = low + min(self._offsets_around(low)) - _ZONE_MARGIN
        latest = high + max(self._offsets_around(high)) + _ZONE_MARGIN
        return earliest.replace(tzinfo=None), latest.replace(tzinfo=None)

    def at(self, column: SourceColumn, instant: datetime) -> date | datetime:
        """Return an instant as the raw column has it: an aware time, a naive one, or a date."""
        if column.kind == "date" and column.type is Type.DATE:
            return instant.astimezone(self.calendar.zone).date()
        if column.kind == self._instants:
            return instant
        return instant.astimezone(ZoneInfo(self.zone)).replace(tzinfo=None)

    def readable(self, column: SourceColumn) -> tuple[str, str, int, int]:
        """Return the half-open interval of readable times: the years 1 to 9999 in UTC.

        As two dates (ISO), and the seconds that are to be added to each.
        """
        low, high = "0001-01-01", "10000-01-01"
        if column.type is Type.DATE:
            if column.kind == "date":
                return low, high, 0, 0
            # The business zone must not carry a day out of the years.
            low, high = "0001-01-02", "9999-12-31"
        if column.kind == self._instants:
            return low, high, 0, 0
        ends = datetime(1, 1, 3, tzinfo=UTC), datetime(9999, 12, 29, tzinfo=UTC)
        early, late = (int(_offset(end, self.zone).total_seconds()) for end in ends)
        return low, high, early, late

    def holds_start(self, first: date, last: date) -> bool:
        """Say whether rows without a day of their own belong to some days."""
        return first <= self.calendar.start <= last

    def _offsets_around(self, instant: datetime) -> list[timedelta]:
        """Return the source zone's distances from UTC before, at and after an instant."""
        near = (-_LONGEST_CLOCK_CHANGE, timedelta(), _LONGEST_CLOCK_CHANGE)
        return [_offset(instant + distance, self.zone) for distance in near]


def _offset(instant: datetime, zone: str) -> timedelta:
    return instant.astimezone(ZoneInfo(zone)).utcoffset() or timedelta()
