"""Two real shops with known answers, from files and from PostgreSQL, in a folder and in S3.

They stand beside the repository and are not part of it: without them these tests are skipped.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import psycopg
import pytest

from ecom_platform.settings import Settings
from ecom_platform_tests.pipeline import Pipeline, query
from ecom_platform_tests.platform import Platform

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ecom_platform_tests.sources.postgres_database import Database

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

    def load(self, database: Database) -> str:
        """Load it into a database with sensible types; return the database's address."""
        database.create(
            customers_id=f"{self.customer_id} primary key",
            orders_customer_id=self.customer_id,
            orders_created_at="timestamp",
            payments_paid_at="timestamp",
        )
        with psycopg.connect(database.url, autocommit=True) as connection:
            for table in ("customers", "orders", "payments"):
                text = (self.folder / f"{table}.csv").read_bytes()
                with connection.cursor().copy(f"copy {table} from stdin (format csv, header)") as copy:
                    copy.write(text)
        return database.url

    def settings(self, source: str, lake: str, **options: Any) -> Settings:
        """Return settings that read it."""
        return Settings(  # pyright: ignore[reportCallIssue]
            _env_file=None,  # pyright: ignore[reportCallIssue]
            source=source,  # pyright: ignore[reportArgumentType]
            lake=lake,
            start_date=self.first,
            **options,
        )


JAFFLE = RealShop("jaffle_shop", date(2018, 1, 1), date(2018, 4, 9), "bigint")
CDNOW = RealShop("cdnow_sample", date(1997, 1, 1), date(1998, 6, 30), "text")

#: What does not depend on which orders are void.
JAFFLE_FIGURES = {
    "orders": 99,
    "customers": 100,
    "payments": 113,
    "quarantined": 0,
    "days": ("2018-01-01", "2018-04-09"),
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
    "regions": ["all", "unknown"],
    "revenue": Decimal("244091.94"),
    "refunded": (0, None),
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

    def ask(dataset: str, sql: str) -> Any:
        (row,) = query(settings, dataset, shop.first, shop.last, f"SELECT {sql} FROM dataset")
        return row if len(row) > 1 else row[0]

    layers = ("orders", "customers", "payments")
    return {
        **{name: ask(f"cleaned/{name}", "count(*)") for name in layers},
        "quarantined": sum(ask(f"quarantine/{name}", "count(*)") for name in layers),
        "days": ask("cleaned/orders", "CAST(min(date) AS VARCHAR), CAST(max(date) AS VARCHAR)"),
        "regions": sorted(ask("metrics/total_revenue", "list(DISTINCT region)")),
        "revenue": ask("metrics/total_revenue", "sum(total_revenue) FILTER (region = 'all')"),
        "refunded": ask(
            "metrics/payment_status",
            "CAST(coalesce(sum(payments) FILTER (status = 'refunded' AND region = 'all'), 0) AS INT), "
            "sum(amount) FILTER (status = 'refunded' AND region = 'all')",
        ),
        "amount of orders": ask("cleaned/orders", "sum(total_amount)"),
        "orders of all days": ask(
            "metrics/total_orders", "CAST(sum(total_orders) FILTER (region = 'unknown') AS INT)"
        ),
    }


def repeaters(shop: RealShop, settings: Settings, days: Sequence[str]) -> dict[str, str]:
    """Return "repeat/all customers", ever (by the cleaned orders) and of days (by the metric)."""
    ((ever,),) = query(
        settings, "cleaned/orders", shop.first, shop.last,
        "SELECT count(*) FILTER (times > 1) || '/' || count(*) FROM (SELECT count(*) AS times "
        "FROM dataset WHERE NOT is_void GROUP BY customer_id)",
    )  # fmt: skip
    asked = ", ".join(f"'{day}'" for day in days) or "NULL"
    of_days = query(
        settings, "metrics/customer_retention_rate", shop.first, shop.last,
        "SELECT CAST(date AS VARCHAR), repeat_customers || '/' || active_customers FROM dataset "
        f"WHERE region = 'all' AND date IN ({asked}) "
        "AND customer_retention_rate = repeat_customers / active_customers ORDER BY date",
    )  # fmt: skip
    return {"ever": ever, **dict(of_days)}


def assert_cdnow(settings: Settings) -> None:
    """Compare a lake with all that is known of the CDNOW sample."""
    assert figures(CDNOW, settings) == CDNOW_FIGURES
    assert repeaters(CDNOW, settings, [*CDNOW_REPEATERS][1:]) == CDNOW_REPEATERS
    first_day = query(
        settings, "metrics/average_order_value", CDNOW.first, CDNOW.first,
        "SELECT total_orders, total_revenue, average_order_value FROM dataset WHERE region = 'all'",
    )  # fmt: skip
    assert first_day == [(18, Decimal("439.11"), pytest.approx(439.11 / 18))]
    cohort = query(
        settings, "cleaned/orders", CDNOW.first, CDNOW.last,
        """
        WITH months AS (
            SELECT DISTINCT customer_id, year(date) * 12 + month(date) AS month FROM dataset
        ), ages AS (
            SELECT month - min(month) OVER (PARTITION BY customer_id) AS age,
            min(month) OVER (PARTITION BY customer_id) AS cohort
            FROM months
        )
        SELECT count(*) FROM ages WHERE cohort = 1997 * 12 + 1 AND age < 10 GROUP BY age ORDER BY age
        """,
    )  # fmt: skip
    assert [count for (count,) in cohort] == [781, 124, 95, 70, 65, 77, 65, 53, 52, 45]
    (days_with_orders,) = query(
        settings, "cleaned/orders", CDNOW.first, CDNOW.last, "SELECT count(DISTINCT date) FROM dataset"
    )
    assert days_with_orders == (545,)


def ecom(*arguments: str, **environment: str) -> str:
    """Run a command as users do; return what it prints."""
    command = [sys.executable, "-c", "from ecom_platform.cli import main; main()", *arguments]
    done = subprocess.run(
        command, env=os.environ | environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_jaffle_shop_by_the_command_line(tmp_path: Path) -> None:
    lake = str(tmp_path / "lake")
    environment = {
        "ECOM_SOURCE": JAFFLE.folder.as_uri(),
        "ECOM_LAKE": lake,
        "ECOM_START_DATE": "2018-01-01",
        "ECOM_VOID_ORDER_STATUSES": "returned",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    days = ("--from", "2018-01-01", "--to", "2018-04-09")
    ecom("run", *days, **environment)
    settings = JAFFLE.settings(JAFFLE.folder.as_uri(), lake, void_order_statuses=("returned",))
    assert figures(JAFFLE, settings) == JAFFLE_FIGURES
    known = JAFFLE_REPEATERS_WITHOUT_RETURNED
    assert repeaters(JAFFLE, settings, [*known][1:]) == known
    shown = json.loads(
        ecom("show", "total_revenue", *days, "--format", "json", "--region", "all", **environment),
        parse_float=Decimal,
    )
    assert len(shown) == 99
    assert sum(row["total_revenue"] for row in shown) == Decimal("1623.00")


@pytest.mark.parametrize(
    ("source", "lake", "void", "known"),
    [
        ("files", "s3", (), JAFFLE_REPEATERS),
        ("postgres", "folder", ("returned",), JAFFLE_REPEATERS_WITHOUT_RETURNED),
        ("postgres", "s3", ("returned",), JAFFLE_REPEATERS_WITHOUT_RETURNED),
    ],
)
def test_the_jaffle_shop_of_any_source_in_any_lake(
    source: str, lake: str, void: tuple[str, ...], known: dict[str, str],
    database: Database, bucket: str, tmp_path: Path,
) -> None:  # fmt: skip
    settings = JAFFLE.settings(
        JAFFLE.folder.as_uri() if source == "files" else JAFFLE.load(database),
        f"s3://{bucket}/lake" if lake == "s3" else str(tmp_path / "lake"),
        **({"void_order_statuses": void} if void else {}),
    )
    with dg.DagsterInstance.ephemeral() as instance:
        assert Pipeline(settings, instance).run(JAFFLE.first, JAFFLE.last) == {}
    assert figures(JAFFLE, settings) == JAFFLE_FIGURES
    assert repeaters(JAFFLE, settings, [*known][1:]) == known


def test_the_cdnow_sample_from_files_in_a_folder(tmp_path: Path) -> None:
    settings = CDNOW.settings(CDNOW.folder.as_uri(), str(tmp_path / "lake"))
    with dg.DagsterInstance.ephemeral() as instance:  # a third faster than a folder's
        platform = Platform(settings, instance)
        assert platform.run(CDNOW.first, CDNOW.last).success
        statuses = platform.statuses("metrics/customer_retention_rate", CDNOW.first, CDNOW.last)
    assert set(statuses.values()) == {"MATERIALIZED"}
    assert_cdnow(settings)


def test_the_cdnow_sample_from_postgres_in_s3(database: Database, bucket: str) -> None:
    settings = CDNOW.settings(CDNOW.load(database), f"s3://{bucket}/lake")
    with dg.DagsterInstance.ephemeral() as instance:
        assert Pipeline(settings, instance).run(CDNOW.first, CDNOW.last) == {}
    assert_cdnow(settings)
