"""Two real shops with known answers, from files and databases, in a folder and in S3.

They stand beside the repository and are not part of it: without them these tests are skipped.
"""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import pytest

from ecom_platform.settings import Settings
from ecom_platform_tests.commands.harness import ecom
from ecom_platform_tests.known_marts import assert_marts_of_cdnow, assert_marts_of_jaffle
from ecom_platform_tests.pipeline import Pipeline, open_lake

if TYPE_CHECKING:
    from ecom_platform_tests.sources.mariadb_database import MariaDatabase
    from ecom_platform_tests.sources.postgres_database import Database
    from ecom_platform_tests.sources.shop_database import ShopDatabase

DATA = Path(__file__).parents[2] / "shared" / "data"


@dataclass(frozen=True)
class RealShop:
    """A real shop.

    Args:
        name: Its folder.
        first: Its first day.
        last: Its last day.
        customer_id: The type of its customers' ids in a database.
    """

    name: str
    first: date
    last: date
    customer_id: str

    @property
    def folder(self) -> Path:
        """The folder of its files; the test is skipped where there is none."""
        if not (DATA / self.name).is_dir():
            pytest.skip(f"the real shop {self.name} is not at hand: {DATA} does not hold it")
        return DATA / self.name

    def load(self, database: ShopDatabase) -> str:
        """Load it into a database with sensible types; return the database's address."""
        database.create(
            customers_id=f"{self.customer_id} primary key",
            orders_customer_id=self.customer_id,
            orders_created_at="naive",
            payments_paid_at="naive",
        )
        for table in TABLES:
            with (self.folder / f"{table}.csv").open(newline="", encoding="utf-8") as file:
                _, *rows = csv.reader(file)
            database.copy(table, [tuple(value or None for value in row) for row in rows])
        return database.url

    def settings(self, source: str, lake: str, **options: Any) -> Settings:
        """Return settings that read it."""
        return Settings(
            _env_file=None,
            source=source,
            lake=lake,
            start_date=self.first,
            **options,
        )


TABLES = ("customers", "orders", "payments")
JAFFLE = RealShop("jaffle_shop", date(2018, 1, 1), date(2018, 4, 9), "bigint")
CDNOW = RealShop("cdnow_sample", date(1997, 1, 1), date(1998, 6, 30), "varchar(20)")

#: What does not depend on which orders are void.
JAFFLE_FIGURES = {
    "orders": 99,
    "customers": 100,
    "payments": 113,
    "quarantined": 0,
    "days": ("2018-01-01", "2018-04-09"),
    "days with orders": 69,
    "regions": ["all", "unknown"],
    "revenue": Decimal("1623.00"),
    "refunded": (5, Decimal("49.00")),
    "amount of orders": Decimal("1672.00"),
    "orders of all days": 99,
}
#: Repeat customers and all customers ever; repeat and active customers of a day.
JAFFLE_REPEATERS = {"ever": "29/62"}
JAFFLE_REPEATERS_WITHOUT_RETURNED = {
    "ever": "27/60", "2018-03-31": "22/58", "2018-04-09": "25/58",
}  # fmt: skip
CDNOW_FIGURES = {
    "orders": 6919,
    "customers": 2357,
    "payments": 6919,
    "quarantined": 0,
    "days": ("1997-01-01", "1998-06-30"),
    "days with orders": 545,
    "regions": ["all", "unknown"],
    "revenue": Decimal("244091.94"),
    "refunded": (None, None),
    "amount of orders": Decimal("244091.94"),
    "orders of all days": 6919,
}
CDNOW_REPEATERS = {
    "ever": "1152/2357",
    "1997-03-31": "522/2357",
    "1997-06-30": "201/521",
    "1997-09-30": "151/409",
    "1997-12-31": "159/400",
    "1998-06-30": "109/299",
}


def figures(shop: RealShop, settings: Settings) -> dict[str, Any]:
    """Add up what a lake holds of a shop, day by day."""
    queries = {
        "orders": "count(*) FROM cleaned.orders",
        "customers": "count(*) FROM cleaned.customers",
        "payments": "count(*) FROM cleaned.payments",
        "quarantined": "(SELECT count(*) FROM quarantine.orders) + (SELECT count(*) FROM "
        "quarantine.customers) + (SELECT count(*) FROM quarantine.payments)",
        "days": "CAST(min(date) AS VARCHAR), CAST(max(date) AS VARCHAR) FROM cleaned.orders",
        "days with orders": "count(DISTINCT date) FROM cleaned.orders",
        "regions": "list_sort(list(DISTINCT region)) FROM metrics.total_revenue",
        "revenue": "sum(total_revenue) FROM metrics.total_revenue WHERE region = 'all'",
        "refunded": "CAST(sum(payments) AS INTEGER), sum(amount) FROM metrics.payment_status "
        "WHERE region = 'all' AND status = 'refunded'",
        "amount of orders": "sum(total_amount) FROM cleaned.orders",
        "orders of all days": "CAST(sum(total_orders) AS INTEGER) FROM metrics.total_orders "
        "WHERE region = 'unknown'",
    }
    datasets = [
        *(f"{layer}/{name}" for layer in ("cleaned", "quarantine") for name in TABLES),
        *(f"metrics/{name}" for name in ("total_revenue", "total_orders", "payment_status")),
    ]
    found: dict[str, Any] = {}
    with open_lake(settings, datasets, shop.first, shop.last) as lake:
        for name, query in queries.items():
            (row,) = lake.execute(f"SELECT {query}").fetchall()
            found[name] = row if len(row) > 1 else row[0]
    return found


def repeaters(shop: RealShop, settings: Settings, *days: str) -> dict[str, str]:
    """Return "repeat/all customers", ever (by the cleaned orders) and of days (by the metric)."""
    datasets = ["cleaned/orders", "metrics/customer_retention_rate"]
    with open_lake(settings, datasets, shop.first, shop.last) as lake:
        ((ever,),) = lake.execute(
            "SELECT count(*) FILTER (times > 1) || '/' || count(*) FROM (SELECT count(*) AS times "
            "FROM cleaned.orders WHERE NOT is_void GROUP BY customer_id)"
        ).fetchall()
        of_days = lake.execute(
            "SELECT CAST(date AS VARCHAR) AS day, repeat_customers || '/' || active_customers "
            "FROM metrics.customer_retention_rate WHERE region = 'all' AND list_contains(?, day) "
            "AND customer_retention_rate = repeat_customers / active_customers",
            [list(days)],
        ).fetchall()
    return {"ever": ever, **dict(of_days)}


def assert_cdnow(settings: Settings) -> None:
    """Compare a lake with all that is known of the CDNOW sample."""
    assert figures(CDNOW, settings) == CDNOW_FIGURES
    assert repeaters(CDNOW, settings, *CDNOW_REPEATERS) == CDNOW_REPEATERS
    assert_first_day_of_cdnow(settings)
    with open_lake(settings, ["cleaned/orders"], CDNOW.first, CDNOW.last) as lake:
        cohort = lake.execute(
            """
            WITH months AS (
                SELECT DISTINCT customer_id, year(date) * 12 + month(date) AS month
                FROM cleaned.orders
            ), ages AS (
                SELECT month - first AS age FROM months
                INNER JOIN (SELECT customer_id, min(month) AS first FROM months GROUP BY ALL)
                USING (customer_id) WHERE first = 1997 * 12 + 1
            )
            SELECT count(*) FROM ages WHERE age < 10 GROUP BY age ORDER BY age
            """
        ).fetchall()
    assert [count for (count,) in cohort] == [781, 124, 95, 70, 65, 77, 65, 53, 52, 45]


def assert_first_day_of_cdnow(settings: Settings) -> None:
    with open_lake(settings, ["metrics/average_order_value"], CDNOW.first, CDNOW.first) as lake:
        first_day = lake.execute(
            "SELECT total_orders, total_revenue, average_order_value "
            "FROM metrics.average_order_value WHERE region = 'all'"
        ).fetchall()
    assert first_day == [(18, Decimal("439.11"), pytest.approx(439.11 / 18))]


def test_the_jaffle_shop_by_the_command_line(tmp_path: Path) -> None:
    lake = str(tmp_path / "lake")
    environment = {
        "ECOM_SOURCE": JAFFLE.folder.as_uri(),
        "ECOM_LAKE": lake,
        "ECOM_START_DATE": "2018-01-01",
        "ECOM_VOID_ORDER_STATUSES": "returned",
    }
    days = ("--from", "2018-01-01", "--to", "2018-04-09")
    assert ecom("run", *days, **environment).code == 0
    settings = JAFFLE.settings(JAFFLE.folder.as_uri(), lake, void_order_statuses=("returned",))
    assert figures(JAFFLE, settings) == JAFFLE_FIGURES
    known = JAFFLE_REPEATERS_WITHOUT_RETURNED
    assert repeaters(JAFFLE, settings, *known) == known
    shown = ecom(
        "show", "total_revenue", *days, "--format", "json", "--region", "all", **environment
    )
    rows = json.loads(shown.out, parse_float=Decimal)
    assert len(rows) == 99
    assert sum(row["total_revenue"] for row in rows) == Decimal("1623.00")


def make(settings: Settings, first: date, last: date) -> None:
    """Make all datasets of some days, without Dagster's event log."""
    with dg.DagsterInstance.ephemeral() as instance:
        assert Pipeline(settings, instance).run(first, last) == {}


def test_the_jaffle_shop_from_postgres_in_a_folder(database: Database, tmp_path: Path) -> None:
    settings = JAFFLE.settings(JAFFLE.load(database), str(tmp_path / "lake"))
    make(settings, JAFFLE.first, JAFFLE.last)
    assert figures(JAFFLE, settings) == JAFFLE_FIGURES
    assert repeaters(JAFFLE, settings) == JAFFLE_REPEATERS


def test_the_jaffle_shop_from_postgres_in_s3_with_its_marts(
    database: Database, bucket: str, tmp_path: Path
) -> None:
    void = {"void_order_statuses": ("returned",)}
    settings = JAFFLE.settings(JAFFLE.load(database), f"s3://{bucket}/lake", **void)
    make(settings, JAFFLE.first, JAFFLE.last)
    assert figures(JAFFLE, settings) == JAFFLE_FIGURES
    known = JAFFLE_REPEATERS_WITHOUT_RETURNED
    assert repeaters(JAFFLE, settings, *known) == known
    assert_marts_of_jaffle(settings, JAFFLE.folder, tmp_path)


def test_the_cdnow_sample_from_postgres_in_a_folder_with_its_marts(
    database: Database, tmp_path: Path
) -> None:
    settings = CDNOW.settings(CDNOW.load(database), str(tmp_path / "lake"))
    make(settings, CDNOW.first, CDNOW.last)
    assert_cdnow(settings)
    assert_marts_of_cdnow(settings, tmp_path)


def test_the_jaffle_shop_from_mariadb_in_a_folder(maria: MariaDatabase, tmp_path: Path) -> None:
    settings = JAFFLE.settings(JAFFLE.load(maria), str(tmp_path / "lake"))
    make(settings, JAFFLE.first, JAFFLE.last)
    assert figures(JAFFLE, settings) == JAFFLE_FIGURES
    assert repeaters(JAFFLE, settings) == JAFFLE_REPEATERS


def test_the_first_quarter_of_the_cdnow_sample_from_mariadb(
    maria: MariaDatabase, tmp_path: Path
) -> None:
    quarter = replace(CDNOW, last=date(1997, 3, 31))
    settings = quarter.settings(quarter.load(maria), str(tmp_path / "lake"))
    make(settings, quarter.first, quarter.last)
    assert repeaters(quarter, settings, "1997-03-31")["1997-03-31"] == "522/2357"
    assert_first_day_of_cdnow(settings)


def test_the_first_quarter_of_the_cdnow_sample_from_files_in_s3(bucket: str) -> None:
    quarter = replace(CDNOW, last=date(1997, 3, 31))
    settings = quarter.settings(quarter.folder.as_uri(), f"s3://{bucket}/lake")
    make(settings, quarter.first, quarter.last)
    assert repeaters(quarter, settings, "1997-03-31")["1997-03-31"] == "522/2357"
    assert_first_day_of_cdnow(settings)
