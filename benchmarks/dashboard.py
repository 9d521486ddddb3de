"""The daily page of two years and ten regions: making it, its size, drawing it, following a click.

Times are the best | the median of several rounds. Chromium is needed.

Run: python benchmarks/dashboard.py [--orders 400000]
"""

from __future__ import annotations

import argparse
import gzip
import shutil
import statistics
import time
from datetime import UTC, date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import duckdb
from playwright.sync_api import sync_playwright

from ecom_platform.assets.metrics import METRICS
from ecom_platform.calendar import days_between
from ecom_platform.check_results import CheckCount
from ecom_platform.dashboard.page import DailyPage, render
from ecom_platform.dashboard.page_data import collect, coverage
from ecom_platform.datasets import CLEANED, QUARANTINE
from ecom_platform.engines.dbt import build
from ecom_platform.engines.duckdb import sql_type
from ecom_platform.marts import PROJECT
from ecom_platform.settings import Settings

if TYPE_CHECKING:
    from playwright.sync_api import Page

FIRST, LAST, REGIONS = date(2024, 1, 1), date(2025, 12, 31), 10
ROUNDS = 7
#: A shop with its customers in regions of falling size, who order again now and then.
SHOP = """
    INSERT INTO cleaned.orders BY NAME
    WITH chances AS (
        SELECT n, list_transform(range(5), lambda k: hash(n * 5 + k) % 100000 / 100000) AS c
        FROM range({orders}) AS numbers (n)
    ), people AS (
        SELECT *, CAST(floor({orders} / 4 * c[1] ** 1.5) AS BIGINT) AS customer_id FROM chances
    )
    SELECT
        DATE '{first}' + CAST(floor(731 * c[2]) AS INTEGER) AS date,
        n AS id,
        customer_id,
        'region ' || CAST(1 + floor({regions} * (customer_id % 997 / 997) ** 2) AS INTEGER)
            AS region,
        CAST(10 + 150 * c[3] AS DECIMAL(18, 2)) AS total_amount,
        CAST(date AS TIMESTAMPTZ) + INTERVAL 1 SECOND * CAST(80000 * c[4] AS INTEGER)
            AS created_at,
        'paid' AS status,
        c[5] < 0.02 AS is_void,
        false AS is_orphan
    FROM people;
    INSERT INTO cleaned.payments BY NAME
    SELECT
        least(date + CAST(id % 7 = 0 AS INTEGER), DATE '{last}') AS date,
        id, id AS order_id, customer_id, region, total_amount AS amount,
        CASE WHEN id % 50 = 0 THEN 'refunded' WHEN id % 20 = 0 THEN 'failed'
            WHEN id % 97 = 0 THEN 'pending' WHEN id % 991 = 0 THEN 'other'
            ELSE 'completed' END AS status
    FROM cleaned.orders;
"""
#: The metrics, in short: what they are worth does not matter here, how many numbers they are does.
COMPUTED = """
    INSERT INTO metrics.total_orders BY NAME
    SELECT date, coalesce(region, 'all') AS region, count_if(is_void) AS void_orders,
        count(*) AS total_orders
    FROM cleaned.orders GROUP BY GROUPING SETS ((date, region), (date));
    INSERT INTO metrics.total_customers BY NAME
    SELECT date, coalesce(region, 'all') AS region, count(DISTINCT customer_id) AS total_customers
    FROM cleaned.orders GROUP BY GROUPING SETS ((date, region), (date));
    INSERT INTO metrics.customer_retention_rate BY NAME
    SELECT date, coalesce(region, 'all') AS region, 90 * count(*) AS active_customers,
        30 * count(*) AS repeat_customers, 1 / 3 AS customer_retention_rate
    FROM cleaned.orders GROUP BY GROUPING SETS ((date, region), (date));
    INSERT INTO metrics.payment_status BY NAME
    SELECT date, coalesce(region, 'all') AS region, status, count(*) AS payments,
        sum(amount) AS amount
    FROM cleaned.payments GROUP BY GROUPING SETS ((date, region, status), (date, status));
    INSERT INTO metrics.total_revenue BY NAME
    SELECT date, region, amount AS total_revenue FROM metrics.payment_status
    WHERE status = 'completed';
    INSERT INTO metrics.average_order_value BY NAME
    SELECT date, region, total_revenue, total_orders,
        CAST(total_revenue AS DOUBLE) / total_orders AS average_order_value
    FROM metrics.total_revenue INNER JOIN metrics.total_orders USING (date, region);
"""


def write_warehouse(file: Path, orders: int) -> None:
    """Write the warehouse of a made-up shop."""
    with duckdb.connect(str(file)) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for layer in ("cleaned", "quarantine", "metrics"):
            connection.execute(f"CREATE SCHEMA {layer}")
        for dataset in (*CLEANED, *QUARANTINE, *(metric.dataset for metric in METRICS)):
            columns = ", ".join(f"{c.name} {sql_type(c)}" for c in dataset.columns)
            connection.execute(
                f"CREATE TABLE {dataset.layer}.{dataset.name} (date DATE, {columns})"
            )
        for table, column in (
            ("orders", "id"), ("orders", "customer_id"), ("payments", "id"),
            ("payments", "order_id"), ("payments", "customer_id"),
        ):  # fmt: skip
            connection.execute(f"ALTER TABLE cleaned.{table} ALTER {column} TYPE BIGINT")
        connection.execute(SHOP.format(orders=orders, regions=REGIONS, first=FIRST, last=LAST))
        connection.execute(COMPUTED)


def make_page(warehouse: Path) -> str:
    """Make the page out of the marts in a warehouse."""
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        figures = collect(
            connection,
            LAST,
            FIRST,
            coverage(connection, LAST, {"payment_status": list(days_between(FIRST, LAST))}),
        )
    checks = [CheckCount(40, 2)] * (figures["days"] + 1)
    return render(
        DailyPage(LAST, datetime.now(UTC), "UTC", "run", checks, [], [], [], 90, 30, figures)
    )


def best_and_median(times: list[float], unit: str) -> str:
    """Return both as text."""
    return f"{min(times):.3g} | {statistics.median(times):.3g} {unit}"


def clicked_to_painted(page: Page, selector: str) -> float:
    """Return milliseconds from a click to the end of the next frame."""
    return page.evaluate(
        """selector => new Promise(resolve => {
            const began = performance.now();
            document.querySelector(selector).click();
            requestAnimationFrame(() => setTimeout(() => resolve(performance.now() - began)));
        })""",
        selector,
    )


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=400_000)
    orders = parser.parse_args().orders
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        parser.error("Chromium is not installed.")
    with TemporaryDirectory() as folder, sync_playwright() as playwright:
        warehouse, file = Path(folder, "warehouse.duckdb"), Path(folder, "index.html")
        write_warehouse(warehouse, orders)
        began = time.perf_counter()
        build(PROJECT, warehouse, Settings(_env_file=None))
        print(f"marts, with their tests, of {orders:,} orders: {time.perf_counter() - began:.1f} s")
        made: list[float] = []
        for _ in range(ROUNDS):
            began = time.perf_counter()
            html = make_page(warehouse)
            made.append(time.perf_counter() - began)
        file.write_text(html, encoding="utf-8")
        size, zipped = len(html.encode()) / 1024, len(gzip.compress(html.encode())) / 1024
        print(f"page out of the marts: {best_and_median(made, 's')}")
        print(f"size: {size:.0f} KB, {zipped:.0f} KB gzipped")
        browser = playwright.chromium.launch(
            executable_path=program, args=["--headless", "--no-sandbox", "--disable-gpu"]
        )
        drawn: list[float] = []
        clicks: dict[str, list[float]] = {}
        for _ in range(ROUNDS):
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            page.goto(file.as_uri())
            drawn += page.evaluate("performance.getEntriesByName('drawn').map(e => e.startTime)")
            for what, selector in {
                "90 days": "#ranges [value='90D']", "12 months": "#ranges [value='12M']",
                "a region": "#regions tr.pick button", "a figure": ".kpi[value='2']",
            }.items():  # fmt: skip
                clicks.setdefault(what, []).append(clicked_to_painted(page, selector))
            page.close()
        browser.close()
        print(f"from the file to all charts drawn: {best_and_median(drawn, 'ms')}")
        for what, milliseconds in clicks.items():
            print(f"from a click on {what} to painted: {best_and_median(milliseconds, 'ms')}")


if __name__ == "__main__":
    main()
