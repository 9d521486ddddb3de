"""Business days: their bounds through every change of the clocks, and which ranges may be made."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecom_platform.calendar import Calendar, contiguous_ranges, days_between
from ecom_platform.errors import SettingsError

START = date(2016, 1, 1)
ZONES = (
    "UTC", "Europe/Berlin", "America/New_York", "America/Sao_Paulo", "Asia/Beirut", "Africa/Cairo",
    "America/Havana", "Australia/Lord_Howe", "Asia/Kolkata", "Pacific/Auckland", "Pacific/Chatham",
)  # fmt: skip

#: Zone, day, the UTC instant it begins at, its hours.
CHANGES = [
    ("UTC", "2024-03-31", "2024-03-31T00:00", 24),
    ("Europe/Berlin", "2024-03-31", "2024-03-30T23:00", 23),
    ("Europe/Berlin", "2024-10-27", "2024-10-26T22:00", 25),
    ("America/New_York", "2024-03-10", "2024-03-10T05:00", 23),
    ("America/New_York", "2024-11-03", "2024-11-03T04:00", 25),
    ("Australia/Lord_Howe", "2024-04-07", "2024-04-06T13:00", 24.5),
    # Days without a midnight: they begin at one o'clock.
    ("America/Sao_Paulo", "2018-11-04", "2018-11-04T03:00", 23),
    ("Asia/Beirut", "2024-03-31", "2024-03-30T22:00", 23),
    ("Africa/Cairo", "2024-04-26", "2024-04-25T22:00", 23),
    # Clocks go back at midnight, to eleven: the day before has that hour twice.
    ("America/Sao_Paulo", "2018-02-17", "2018-02-17T02:00", 25),
    ("America/Sao_Paulo", "2018-02-18", "2018-02-18T03:00", 24),
    ("Asia/Beirut", "2024-10-26", "2024-10-25T21:00", 25),
    ("Africa/Cairo", "2024-10-31", "2024-10-30T21:00", 25),
    # A day that has its midnight twice begins at the first.
    ("America/Havana", "2024-11-03", "2024-11-03T04:00", 25),
]


@pytest.mark.parametrize(("zone", "day", "begins", "hours"), CHANGES)
def test_a_day_begins_at_its_first_instant_and_has_the_hours_its_clocks_showed(
    zone: str, day: str, begins: str, hours: float
) -> None:
    calendar = Calendar(zone, START)
    first = date.fromisoformat(day)
    start, end = calendar.bounds(first, first)
    assert start == datetime.fromisoformat(begins).replace(tzinfo=UTC)
    assert end - start == timedelta(hours=hours)
    microsecond = timedelta(microseconds=1)
    assert [calendar.day_of(at) for at in (start - microsecond, start, end - microsecond, end)] == [
        first - timedelta(days=1), first, first, first + timedelta(days=1),
    ]  # fmt: skip


@given(
    st.datetimes(datetime(2016, 1, 2), datetime(2035, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    st.sampled_from(ZONES),
)
def test_an_instant_lies_in_the_bounds_of_its_day_and_of_no_other(
    instant: datetime, zone: str
) -> None:
    calendar = Calendar(zone, START)
    day = calendar.day_of(instant)
    assert day == instant.astimezone(ZoneInfo(zone)).date()
    start, end = calendar.bounds(day, day)
    assert start <= instant < end
    assert calendar.bounds(day - timedelta(days=1), day) == (
        calendar.start_of(day - timedelta(days=1)), end,
    )  # fmt: skip


@pytest.mark.parametrize("zone", ZONES)
def test_partitions_are_the_calendar_days_whatever_the_clocks_do(zone: str) -> None:
    calendar = Calendar(zone, START)
    now = datetime(2026, 2, 3, 12, tzinfo=UTC)
    keys = calendar.partitions.get_partition_keys(current_time=now)
    last = calendar.last_closed(now)
    assert keys == [day.isoformat() for day in days_between(START, last)]
    # Timestamps: an aware datetime within a gap or a repeated hour never equals another zone's.
    starts = [calendar.start_of(date.fromisoformat(key)).timestamp() for key in keys]
    windows = [calendar.partitions.time_window_for_partition_key(key) for key in keys]
    assert [window.start.timestamp() for window in windows] == starts


@pytest.mark.parametrize(
    ("zone", "now", "last"),
    [
        ("UTC", "2024-03-02T00:00:00+00:00", "2024-03-01"),
        ("UTC", "2024-03-01T23:59:59.999999+00:00", "2024-02-29"),
        ("America/Sao_Paulo", "2018-11-04T02:59:59+00:00", "2018-11-02"),
        ("America/Sao_Paulo", "2018-11-04T03:00:00+00:00", "2018-11-03"),
        ("Pacific/Auckland", "2024-04-07T11:59:59+00:00", "2024-04-06"),
        ("Pacific/Auckland", "2024-04-07T12:00:00+00:00", "2024-04-07"),
    ],
)
def test_a_day_is_closed_when_it_is_over_in_the_business_timezone(
    zone: str, now: str, last: str
) -> None:
    calendar, instant = Calendar(zone, START), datetime.fromisoformat(now)
    closed = calendar.last_closed(instant)
    assert closed == date.fromisoformat(last)
    assert calendar.closed_range(closed, closed, instant) == [closed]
    with pytest.raises(SettingsError, match="is not over yet"):
        calendar.closed_range(closed, closed + timedelta(days=1), instant)


def test_the_last_closed_day_is_that_of_now() -> None:
    before = datetime.now(UTC)
    last = Calendar("UTC", START).last_closed()
    assert last in {
        before.date() - timedelta(days=1), datetime.now(UTC).date() - timedelta(days=1),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("first", "last", "message", "hint"),
    [
        (
            date(2024, 1, 2), date(2024, 1, 1),
            "The range is empty: it starts on 2024-01-02 and ends on 2024-01-01.", "--from",
        ),
        (
            date(2015, 12, 31), date(2016, 1, 1),
            "2015-12-31 is before the first partition, 2016-01-01.", "ECOM_START_DATE",
        ),
        (
            date(2024, 2, 28), date(2024, 3, 1),
            "2024-03-01 is not over yet in Europe/Berlin; the last closed day is 2024-02-29.",
            "End the range on 2024-02-29",
        ),
    ],
)  # fmt: skip
def test_a_range_that_cannot_be_made_says_why_and_what_to_do(
    first: date, last: date, message: str, hint: str
) -> None:
    now = datetime(2024, 3, 1, 22, 59, tzinfo=UTC)
    with pytest.raises(SettingsError) as caught:
        Calendar("Europe/Berlin", START).closed_range(first, last, now)
    assert caught.value.message == message
    assert hint in caught.value.hint


def test_a_range_has_every_day_of_it_once() -> None:
    now = datetime(2024, 11, 10, tzinfo=UTC)
    days = Calendar("America/New_York", START).closed_range(
        date(2024, 11, 1), date(2024, 11, 5), now
    )
    assert [day.isoformat() for day in days] == [f"2024-11-0{day}" for day in range(1, 6)]


@given(st.sets(st.dates(date(2024, 1, 1), date(2024, 2, 1))))
def test_contiguous_ranges_hold_the_same_days_and_never_touch(days: set[date]) -> None:
    ranges = contiguous_ranges(sorted(days))
    assert {day for first, last in ranges for day in days_between(first, last)} == days
    assert all(first <= last for first, last in ranges)
    for (_, end), (start, _) in pairwise(ranges):
        assert start - end > timedelta(days=1)
