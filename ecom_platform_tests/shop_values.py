"""The values that made-up shops are full of: clock changes, odd amounts, words and regions."""

from __future__ import annotations

from datetime import date, time, timedelta, timezone

from ecom_platform.settings import DEFAULT_PAYMENT_STATUSES

# Business timezone, source timezone, a day on which clocks change. Those of Sao Paulo,
# Havana and Beirut change at midnight, and Denver's midnight lies in the hour that New York's
# clocks repeat.
SITUATIONS = (
    ("UTC", "UTC", date(2024, 2, 29)),
    ("UTC", "America/New_York", date(2024, 11, 3)),
    ("Europe/Berlin", "Europe/Berlin", date(2024, 3, 31)),
    ("Europe/Berlin", "UTC", date(2024, 10, 27)),
    ("America/New_York", "America/New_York", date(2024, 3, 10)),
    ("America/New_York", "Europe/Berlin", date(2024, 11, 3)),
    ("America/Denver", "America/New_York", date(2024, 11, 3)),
    ("America/Sao_Paulo", "America/Sao_Paulo", date(2018, 2, 18)),
    ("America/Sao_Paulo", "America/Sao_Paulo", date(2018, 11, 4)),
    ("America/Havana", "America/Havana", date(2024, 3, 10)),
    ("Asia/Beirut", "UTC", date(2024, 3, 31)),
    ("Asia/Kolkata", "UTC", date(2024, 1, 1)),
    ("Pacific/Auckland", "Pacific/Auckland", date(2024, 4, 7)),
    ("Pacific/Auckland", "Asia/Kolkata", date(2024, 9, 29)),
)
WALL_TIMES = (
    time(0), time(0, 0, 0, 1), time(0, 30), time(1, 30), time(1, 59, 59), time(2), time(2, 30),
    time(3), time(12), time(23), time(23, 30), time(23, 59, 59, 999999),
)  # fmt: skip
FROM_MIDNIGHT = (
    timedelta(0), timedelta(microseconds=-1), timedelta(microseconds=1), timedelta(minutes=-30),
    timedelta(minutes=30), timedelta(hours=-1), timedelta(hours=1),
)  # fmt: skip
OFFSETS = tuple(timezone(timedelta(minutes=minutes)) for minutes in (0, 60, 330, -180, 780))
UNREADABLE_TIMES = (
    "2024-02-30 10:00:00", "2023-02-29 00:00:00", "2024-13-01 12:00:00", "0000-00-00 00:00:00",
    "2024-03-10 25:00:00", "yesterday",
)  # fmt: skip

PRICES = ("10.00", "19.99", "100.00")
ROUNDED_AMOUNTS = (
    "0.005", "-0.005", "1.005", "1.015", "-1.015", "2.675", "0.004", "-0.004", "10.9950",
    "0.0049999999999999999999", "0.0050000000000000000001", "7", "-3.5", "-0.00", "0.000",
)  # fmt: skip
LARGEST_AMOUNTS = ("9999999999999999.99", "-9999999999999999.99")
TOO_LARGE_AMOUNTS = ("9999999999999999.995", "10000000000000000", "-10000000000000000.00")
NOT_FINITE_AMOUNTS = ("NaN", "Infinity", "-Infinity")
WORD_AMOUNTS = ("$12", "12,50", "1_000", "abc", "--1", "1.2.3", "-")

REGIONS = (
    "North", "north", "  North ", 'South, "Old"', "two\nlines", "São Paulo", "日本", "Ελλάδα",
    "All", " ALL  ", "all (region)", "unknown", "Unknown", "   ", None,
)  # fmt: skip
ORDER_WORDS = ("completed", "shipped", "returned", "cancelled", "canceled", "void", "test")
PAYMENT_WORDS = (
    *(word for group in DEFAULT_PAYMENT_STATUSES.values() for word in group),
    "completed", "paid", "settled", "abgeschlossen", "?!",
)  # fmt: skip
