"""The figures of the daily page, out of the marts: what its script is given, as JSON.

Money is in whole cents, days are numbers counted from the first one, and regions are places in
one list, of which the first is `all`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from ecom_platform.dashboard.coverage import Coverage, cover, coverage_of_kpis

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from ecom_platform.engines.duckdb import Connection

#: Days that the page has: two years, so that each day has the one of a year before.
DAYS = 731
STATUSES = ("completed", "pending", "failed", "refunded", "other")
AGES = (0, 1, 3, 7)


def cents(money: str) -> str:
    """Return money in whole cents; a DECIMAL(18,2) alone would overflow, and a BIGINT too."""
    return f"CAST(CAST({money} AS DECIMAL(38, 2)) * 100 AS HUGEINT)"


_DAILY = {
    "total_revenue": cents("total_revenue"),
    "total_orders": "total_orders",
    "void_orders": "void_orders",
    "total_customers": "total_customers",
    "active_customers": "active_customers",
    "repeat_customers": "repeat_customers",
}
_WEEKS = """
    SELECT first_day AS first, last_day AS last, order_days = 7 AS whole, region, total_customers
    FROM marts.customers_by_week
"""
#: The running month is told up to the report day, whatever is newer.
_MONTHS = """
    SELECT month AS first, last_day(month) AS last, is_complete AS whole, region, total_customers
    FROM marts.kpi_monthly
    WHERE month < (SELECT max(first_day) FROM marts.kpi_ranges WHERE range = 'MTD')
    UNION ALL
    SELECT first_day, last_day, last_day = last_day(last_day), region, total_customers
    FROM marts.kpi_ranges
    WHERE range = 'MTD' AND comparison = 'current'
"""


@dataclass(frozen=True)
class OwnMetric:
    """A metric that an analyst has declared.

    Args:
        name: Of its table in the schema `metrics`.
        column: The main one.
        label: What the page calls it.
        unit: `money`, `count`, or `number` of what is neither.
        better: `higher`, `lower` or `neither`.
        additive: Whether days sum up; else a range shows its last day.
    """

    name: str
    column: str
    label: str
    unit: str
    better: str
    additive: bool


def report_day(connection: Connection) -> date | None:
    """Return the newest day that has revenue and orders; None where there is none."""
    return connection.execute(
        "SELECT max(date) FROM marts.kpi_daily WHERE region = 'all' "
        "AND total_revenue IS NOT NULL AND total_orders IS NOT NULL"
    ).fetchall()[0][0]


def coverage(
    connection: Connection, day: date, computed: Mapping[str, Collection[date]]
) -> dict[str, Coverage]:
    """Return which days every figure of the page has.

    Args:
        connection: Has the marts.
        day: The report day.
        computed: `payment_status` and metrics of one's own -> the days that they have.
    """
    others = {
        "completed_payments" if name == "payment_status" else name: cover(days, day)
        for name, days in computed.items()
    }
    return {**coverage_of_kpis(connection, day), **others}


def collect(
    connection: Connection,
    day: date,
    start: date,
    coverages: Mapping[str, Coverage],
    own: Sequence[OwnMetric] = (),
) -> dict[str, Any]:
    """Return what the page's script needs of the marts.

    Args:
        connection: Has the marts, `metrics.payment_status` and the metrics of one's own.
        day: The report day.
        start: The first day of the lake.
        coverages: What `coverage` gives.
        own: Metrics that an analyst has declared.
    """
    first = max(start, day - timedelta(days=DAYS - 1))
    return _Collector(connection, day, first, coverages).collect(own)


class _Collector:
    def __init__(
        self, connection: Connection, day: date, first: date, coverages: Mapping[str, Coverage]
    ) -> None:
        self._connection = connection
        self._coverages = coverages
        self._day, self._first = day, first
        self._days = (day - first).days + 1
        # Those that sold most of late come first, those without a region last.
        rows = connection.execute(
            """
            SELECT region FROM marts.kpi_daily WHERE region <> 'all' AND date > ? - 90
            GROUP BY region ORDER BY region = 'unknown', sum(total_revenue) DESC, region
            """,
            [day],
        ).fetchall()
        self.regions = ["all", *(str(region) for (region,) in rows)]
        self._place = {region: n for n, region in enumerate(self.regions)}

    def collect(self, own: Sequence[OwnMetric]) -> dict[str, Any]:
        daily = ", ".join(f"{value} AS {name}" for name, value in _DAILY.items())
        kpis = f"SELECT date, region, {daily} FROM marts.kpi_daily"
        people = (
            "SELECT date, region, new_customers, returning_customers FROM marts.customers_to_date"
        )
        return {
            "first_day": str(self._first),
            "days": self._days,
            "regions": self.regions,
            "series": {
                **{name: self._counts(kpis, name) for name in _DAILY},
                **{n: self._counts(people, n) for n in ("new_customers", "returning_customers")},
                "status": {status: self._status(status) for status in STATUSES},
            },
            "own": [self._own(metric) for metric in own],
            "coverage": {
                name: {
                    "since": found.since and self._number(found.since),
                    "missing": [self._number(gap) for gap in found.missing if gap >= self._first],
                }
                for name, found in self._coverages.items()
            },
            "ranges": self._ranges(),
            "weeks": self._bins(_WEEKS),
            "months": self._bins(_MONTHS),
            "cohorts": self._cohorts(),
            "funnel": self._funnel(),
        }

    def _number(self, day: date) -> int:
        return (day - self._first).days

    def _grid(self, query: str, column: str) -> list[list[Any]]:
        """Return region -> day -> value, None where there is none."""
        rows = self._connection.execute(
            f"SELECT region, CAST(date AS DATE) - ? AS day, {column} FROM ({query}) "
            "WHERE date BETWEEN ? AND ?",
            [self._first, self._first, self._day],
        ).fetchall()
        grid = np.full((len(self.regions), self._days), None, dtype=object)
        for region, day, value in rows:
            if region in self._place:
                grid[self._place[region], day] = value
        return grid.tolist()

    def _counts(self, query: str, column: str, figure: str = "") -> list[list[Any]]:
        """Return the same, with 0 where a region has no row of a day that was computed.

        Those are the days that a figure has; without one, those with a row of all regions.
        """
        grid = self._grid(query, column)
        there = [value is not None for value in grid[0]]
        if figure:
            found = self._coverages[figure]
            days = (self._first + timedelta(days=n) for n in range(self._days))
            there = [
                found.since is not None and day >= found.since and not found.lacks(day)
                for day in days
            ]
        return [
            [0 if value is None and here else value for value, here in zip(row, there, strict=True)]
            for row in grid
        ]

    def _status(self, status: str) -> dict[str, Any]:
        query = f"SELECT * FROM metrics.payment_status WHERE status = '{status}'"
        return {
            "payments": self._counts(query, "payments", "completed_payments"),
            "amount": self._counts(query, cents("amount"), "completed_payments"),
        }

    def _own(self, metric: OwnMetric) -> dict[str, Any]:
        column = f'"{metric.column}"'
        if metric.unit == "money":
            column = cents(column)
        query = f'SELECT * FROM metrics."{metric.name}"'
        return {
            "name": metric.name,
            "label": metric.label,
            "unit": metric.unit,
            "better": metric.better,
            "additive": metric.additive,
            "values": self._counts(query, column, metric.name)
            if metric.additive
            else self._grid(query, column),
        }

    def _ranges(self) -> dict[str, Any]:
        rows = self._connection.execute(
            f"""
            SELECT
                range, comparison, region, first_day, last_day,
                greatest(revenue_days, order_days), {cents("total_revenue")},
                total_orders, total_customers, average_order_value * 100, customer_retention_rate
            FROM marts.kpi_ranges
            """
        ).fetchall()
        names = ("revenue", "orders", "customers", "average", "retention")
        found: dict[str, Any] = {}
        size = len(self.regions)
        for name, comparison, region, first, last, computed, *figures in rows:
            known = found.setdefault(name, {}).setdefault(
                comparison,
                {
                    "first": self._number(first),
                    "last": self._number(last),
                    "computed": 0,
                    **{figure: [None] * size for figure in names},
                },
            )
            if region in self._place:
                known["computed"] = max(known["computed"], computed)
                for figure, value in zip(names, figures, strict=True):
                    known[figure][self._place[region]] = value
        # A preset of which no day was computed is none.
        return {name: known for name, known in found.items() if known["current"]["computed"]}

    def _bins(self, query: str) -> dict[str, Any]:
        """Return the distinct customers of weeks or months, the oldest first."""
        rows = self._connection.execute(
            "SELECT CAST(first AS DATE), CAST(last AS DATE), bool_and(whole), "
            f"map(list(region), list(total_customers)) FROM ({query}) "
            "WHERE last BETWEEN ? AND ? GROUP BY first, last ORDER BY first",
            [self._first, self._day],
        ).fetchall()
        return {
            "first": [self._number(row[0]) for row in rows],
            "last": [self._number(row[1]) for row in rows],
            "complete": [row[2] for row in rows],
            "customers": [
                # A region without a row had no orders yet.
                [row[3].get(region, row[3]["all"] and 0) for row in rows]
                for region in self.regions
            ],
        }

    def _cohorts(self) -> dict[str, Any]:
        """Return, of the newest months, how many were new, and how many ordered in month n."""
        rows = self._connection.execute(
            "SELECT cohort_month, region, months_since, cohort_customers, customers "
            "FROM marts.customer_cohorts WHERE cohort_month > ? AND cohort_month <= ? "
            "ORDER BY cohort_month",
            [self._day - timedelta(days=DAYS), self._day],
        ).fetchall()
        months = sorted({row[0] for row in rows})
        place = {month: n for n, month in enumerate(months)}
        size = [[0] * len(months) for _ in self.regions]
        ordered = [[[None] * (len(months) - n) for n in range(len(months))] for _ in self.regions]
        for month, region, since, new, customers in rows:
            if region in self._place and since < len(months) - place[month]:
                size[self._place[region]][place[month]] = new
                ordered[self._place[region]][place[month]][since] = customers
        return {
            "months": [self._number(month) for month in months],
            "complete": (self._day + timedelta(days=1)).day == 1,
            "size": size,
            "customers": ordered,
        }

    def _funnel(self) -> dict[str, Any]:
        query, last = "SELECT * FROM marts.payment_funnel", self._day - timedelta(days=91)
        recent = f"{query} WHERE date > DATE '{last}'"  # what came of older ones is settled
        return {
            "orders": self._grid(recent, "orders"),
            "ordered": self._grid(recent, cents("ordered_amount")),
            "received": self._grid(recent, cents("received_amount")),
            "within": {
                str(age): self._grid(recent, cents(f"received_amount_within_{age}_days"))
                for age in AGES
            },
        }
