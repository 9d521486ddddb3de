"""Zone rules as SQL agree with `zoneinfo`, for every zone and every kind of clock change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecom_platform.sources.timezones import MICROSECOND, offset_at, offset_of_wall_time

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001
#: Among them: half an hour of summer time, a day left out, changes at midnight, winter time
#: that is the exception, war time, Ramadan, and a rule of 2026 that older zone data lacks.
ZONES = (
    "UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia",
    "America/Sao_Paulo", "Asia/Beirut", "Europe/Dublin", "Europe/London", "Africa/Casablanca",
    "Asia/Kathmandu", "America/Vancouver", "America/Havana", "Etc/GMT+12",
)  # fmt: skip
TIMES = st.lists(
    st.datetimes(datetime(1905, 1, 1), datetime(2095, 1, 1)),  # noqa: DTZ001
    min_size=1,
    max_size=50,
)


@pytest.fixture(scope="module")
def database() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        yield connection


def microseconds(naive: datetime) -> int:
    return (naive - EPOCH) // MICROSECOND


def offsets(
    database: duckdb.DuckDBPyConnection,
    sql: Callable[[str, str], str],
    zone: str,
    times: list[datetime],
) -> list[timedelta]:
    values = ", ".join(f"({at}, CAST({microseconds(t)} AS BIGINT))" for at, t in enumerate(times))
    query = f"SELECT {sql(zone, 'x')} FROM (VALUES {values}) AS given(place, x) ORDER BY place"
    return [timedelta(microseconds=found) for (found,) in database.execute(query).fetchall()]


def of_the_later_reading(wall: datetime, zone: ZoneInfo) -> timedelta:
    """Return the offset of a wall-clock time; the smaller one where clocks showed it twice."""
    return min(wall.replace(tzinfo=zone, fold=fold).utcoffset() or timedelta() for fold in (0, 1))


def around_changes(zone: str) -> list[datetime]:
    """Return wall-clock times and instants close to the changes of some years, at odd minutes."""
    rules, found = ZoneInfo(zone), list[datetime]()
    for year in (1916, 1941, 1945, 1987, 2011, 2018, 2024, 2026, 2030):
        for hour in range(0, 24 * 365, 12):
            instant = datetime(year, 1, 1, tzinfo=UTC) + timedelta(hours=hour)
            before = instant.astimezone(rules)
            after = (instant + timedelta(hours=12)).astimezone(rules)
            if before.utcoffset() != after.utcoffset():
                found += [
                    before.replace(tzinfo=None) + timedelta(minutes=10 * step)
                    for step in range(-9, 160)
                ]
    return found


@pytest.mark.parametrize("zone", ZONES)
def test_offsets_agree_with_zoneinfo_around_every_change(
    database: duckdb.DuckDBPyConnection, zone: str
) -> None:
    rules = ZoneInfo(zone)
    times = [*around_changes(zone), datetime(2026, 7, 1)]  # noqa: DTZ001

    assert offsets(database, offset_of_wall_time, zone, times) == [
        of_the_later_reading(time, rules) for time in times
    ]
    assert offsets(database, offset_at, zone, times) == [
        time.replace(tzinfo=UTC).astimezone(rules).utcoffset() for time in times
    ]


@settings(max_examples=30)
@given(TIMES, st.sampled_from(ZONES))
def test_offsets_agree_with_zoneinfo_at_any_time(
    database: duckdb.DuckDBPyConnection, times: list[datetime], zone: str
) -> None:
    rules = ZoneInfo(zone)

    assert offsets(database, offset_of_wall_time, zone, times) == [
        of_the_later_reading(time, rules) for time in times
    ]
    assert offsets(database, offset_at, zone, times) == [
        time.replace(tzinfo=UTC).astimezone(rules).utcoffset() for time in times
    ]
