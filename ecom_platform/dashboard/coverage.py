"""Which days each figure of the page has, and what is said of those that it lacks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ecom_platform.engines.duckdb import Connection

#: Missing days that are named; of others it is told how many they are.
NAMED = 3
#: Figure -> the columns of `marts.kpi_daily` that it needs.
NEEDS = {
    "total_revenue": ("total_revenue",),
    "total_orders": ("total_orders",),
    "total_customers": ("total_customers",),
    "average_order_value": ("total_revenue", "total_orders"),
    "customer_retention_rate": ("active_customers",),
}


@dataclass(frozen=True)
class Coverage:
    """The days that a figure has.

    Args:
        since: The first one; None where it was never computed.
        missing: Those after it, up to the report day, for which it was not computed.
    """

    since: date | None
    missing: tuple[date, ...] = ()

    def lacks(self, day: date) -> bool:
        """Whether the figure should be there on a day, and is not."""
        return day in self.missing


def cover(days: Iterable[date], last: date) -> Coverage:
    """Return the coverage of a figure that has some days, up to a last one."""
    there = {day for day in days if day <= last}
    if not there:
        return Coverage(None)
    since = min(there)
    span = (since + timedelta(days=n) for n in range((last - since).days + 1))
    return Coverage(since, tuple(day for day in span if day not in there))


def coverage_of_kpis(connection: Connection, last: date) -> dict[str, Coverage]:
    """Return the coverage of every figure of `marts.kpi_daily`, up to a last day."""
    found: dict[str, Coverage] = {}
    for figure, columns in NEEDS.items():
        is_there = " AND ".join(f"{column} IS NOT NULL" for column in columns)
        rows = connection.execute(
            f"SELECT date FROM marts.kpi_daily WHERE region = 'all' AND {is_there}"
        ).fetchall()
        found[figure] = cover((day for (day,) in rows), last)
    return found


def missing_since(coverages: Mapping[str, Coverage], first: date) -> list[date]:
    """Return the days from `first` on that any figure lacks which looks at no other day.

    Retention looks back: that it lacks a day follows from another one.
    """
    return sorted(
        {
            day
            for name, found in coverages.items()
            for day in found.missing
            if name != "customer_retention_rate" and day >= first
        }
    )


def reason(figure: str, day: date, coverages: Mapping[str, Coverage], retention_days: int) -> str:
    """Return why a figure has no value for a day; the empty text where it was computed."""
    found = coverages[figure]
    if found.since is None:
        return "not computed yet"
    if not found.lacks(day):
        return ""
    if figure == "customer_retention_rate":
        window = day - timedelta(days=retention_days - 1)
        gaps = [gap for gap in coverages["total_orders"].missing if window <= gap <= day]
        if gaps:
            return f"orders of {tell_days(gaps)} are missing"
    return "not computed"


def tell_missing(coverages: Mapping[str, Coverage], first: date) -> list[str]:
    """Return a sentence for each figure that others hang on and that lacks days from `first` on."""
    told: list[str] = []
    for name, label, verb in (
        ("total_revenue", "Revenue", "is"),
        ("total_orders", "Orders", "are"),
    ):
        if gaps := [gap for gap in coverages[name].missing if gap >= first]:
            told.append(f"{label} of {tell_days(gaps)} {verb} missing.")
    return told


def tell_days(days: Iterable[date]) -> str:
    """Return days as people read them: the first ones, and how many more."""
    told = [f"{day:%-d %B}" for day in days]
    more = f" and {len(told) - NAMED} more days" if told[NAMED:] else ""
    return ", ".join(told[:NAMED]) + more
