"""Daily pages of made-up shops, and what their tests do with them in a browser."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from ecom_platform.check_results import CheckCount
from ecom_platform.dashboard.page import DailyPage, render
from ecom_platform.dashboard.page_data import OwnMetric, collect, coverage, report_day
from ecom_platform.engines.dbt import build
from ecom_platform.marts import PROJECT
from ecom_platform.settings import Settings
from ecom_platform_tests.mart_shops import FIRST, LAST, odd_shop, write_warehouse
from ecom_platform_tests.marts_oracle import MartsOracle, Order, Payment
from ecom_platform_tests.ui.browser import FOLDER

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from playwright.sync_api import Browser, Page

#: Regions are data, whatever they are called.
SCRIPT, FORMULA = "<script>document.title='broken'</script>", "=cmd()"
HEBREW, LONG = "\u05d0\u05d6\u05d5\u05e8 \u05d4\u05e6\u05e4\u05d5\u05df", "long " * 40
RENAMED = {"north": SCRIPT, "south": FORMULA}
RANGES = ("1D", "7D", "28D", "90D", "MTD", "QTD", "YTD", "12M")
#: What the page shows of a number that is not known: a dash.
UNKNOWN = "\N{EN DASH}"
VISITS = OwnMetric("visits", "visits", "Visits", "count", "higher", additive=True)
RESTATED = {
    "day": (LAST - FIRST).days - 3, "region": "all", "metric": "total_revenue", "label": "revenue",
    "was": 100, "now": 250, "cause": "late data", "at": "2025-03-30 06:00",
}  # fmt: skip


@dataclass(frozen=True)
class Made:
    """A page in a folder, and the warehouse that it was made of."""

    file: Path
    warehouse: Path

    @property
    def url(self) -> str:
        return self.file.as_uri()

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.warehouse), read_only=True) as connection:
            return connection.execute(query).fetchall()


def build_warehouse(shop: MartsOracle, file: Path) -> None:
    """Write the warehouse of a shop, with its marts."""
    write_warehouse(shop, file)
    results = build(PROJECT, file, Settings(_env_file=None, engine_memory="200MB"))
    assert {result.status for result in results.values()}.isdisjoint({"error", "fail", "skipped"})
    payments = [
        (p.day, region, p.status, p.amount) for p in shop.payments for region in ("all", p.region)
    ]
    with duckdb.connect(str(file)) as connection:
        connection.execute("CREATE TEMP TABLE found (date DATE, region VARCHAR, status VARCHAR, "
                           "amount DECIMAL(18, 2))")  # fmt: skip
        connection.executemany("INSERT INTO found VALUES (?, ?, ?, ?)", payments)
        connection.execute(
            "INSERT INTO metrics.payment_status BY NAME SELECT date, region, status, "
            "count(*) AS payments, sum(amount) AS amount FROM found GROUP BY ALL"
        )


def make_page(
    warehouse: Path, folder: Path, first: date, own: Sequence[OwnMetric] = (), **facts: Any
) -> Made:
    """Make the page of a warehouse, with facts of `DailyPage` that are to be other ones."""
    with duckdb.connect(str(warehouse)) as connection:
        day = report_day(connection)
        assert day
        computed = {
            name: [
                day
                for (day,) in connection.execute(f"SELECT DISTINCT date FROM {table}").fetchall()
            ]
            for name, table in {
                # Where payments are there, their statuses are, of none too.
                "payment_status": "metrics.total_revenue",
                **{metric.name: f"metrics.{metric.name}" for metric in own},
            }.items()
        }
        figures = collect(connection, day, first, coverage(connection, day, computed), own)
    page = DailyPage(
        day,
        datetime.now(UTC),
        "UTC",
        "0123456789",
        [CheckCount(30, 1), *[CheckCount()] * (figures["days"] - 1), CheckCount(10, 1)],
        [],
        [],
        [],
        90,
        30,
        figures,
    )
    file = folder / "dashboards" / "latest" / "index.html"
    file.parent.mkdir(parents=True)
    file.write_text(render(replace(page, **facts)), encoding="utf-8")
    return Made(file, warehouse)


def make_odd_page(folder: Path) -> Made:
    """Make the page of a made-up shop, of 414 days, with regions of any name."""
    warehouse = folder / "warehouse.duckdb"
    build_warehouse(odd_shop(), warehouse)
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute("CREATE TABLE metrics.visits (date DATE, region VARCHAR, visits BIGINT)")
        for region, visits in (("all", 5), ("north", 5)):
            connection.execute(
                "INSERT INTO metrics.visits SELECT DISTINCT date, ?, ? FROM marts.kpi_daily",
                [region, visits],
            )
        tables = connection.execute(
            "SELECT table_schema || '.' || table_name FROM information_schema.columns "
            "WHERE column_name = 'region' AND table_schema IN ('marts', 'metrics')"
        ).fetchall()
        for (table,) in tables:
            for old, new in RENAMED.items():
                connection.execute(f"UPDATE {table} SET region = ? WHERE region = ?", [new, old])
        assert report_day(connection) == LAST
    return make_page(
        warehouse, folder, FIRST, [VISITS], late=["Orders are late."], restated=[RESTATED],
        definitions=[("Revenue", f"What came in {SCRIPT}")],
    )  # fmt: skip


@contextmanager
def opened(browser: Browser, made: Made, choice: str = "", **options: Any) -> Generator[Page]:
    """Open the page; at the end, fail if anything in it went wrong or left the file."""
    options = {"viewport": {"width": 1440, "height": 900}, "color_scheme": "light", **options}
    context = browser.new_context(locale="en-US", timezone_id="UTC", **options)
    page = context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda said: wrong.append(said.text) if said.type != "log" else None)
    page.on(
        "request",
        lambda asked: wrong.append(asked.url) if asked.url.partition("#")[0] != made.url else None,
    )
    page.goto(made.url + choice)
    try:
        yield page
        assert wrong == []
    finally:
        context.close()


def keep(page: Page, name: str) -> None:
    if FOLDER:
        page.screenshot(path=Path(FOLDER, f"{name}.png"), full_page=True)


def cards(page: Page) -> dict[str, str]:
    """Return label -> exact value of the key figures."""
    found = page.locator(".kpi").evaluate_all(
        "cards => cards.map(c => [c.querySelector('.label').innerText,"
        " c.querySelector('.value').title])"
    )
    return dict(found)


#: Days of `changing_shop`.
OPENED, CLOSED = date(2026, 10, 15), date(2026, 11, 23)
_REVENUE = {
    date(2026, 11, 15): "-147.70", date(2026, 11, 16): "-80.00",
    date(2026, 11, 22): "56.58", date(2026, 11, 23): "-182.44",
}  # fmt: skip


def changing_shop() -> MartsOracle:
    """Make up a shop of 40 days: 20 a day and 10 a day later, and days that are below zero."""
    orders: list[Order] = []
    payments: list[Payment] = []
    for n in range((CLOSED - OPENED).days + 1):
        day, region = OPENED + timedelta(days=n), ("north", "south")[n % 2]
        at = datetime.combine(day, time(10), UTC)
        orders.append(Order(f"{n:03}", f"c{n % 9}", region, day, at, Decimal(30), is_void=False))
        late = Decimal(10) if n else Decimal(0)
        amount = Decimal(_REVENUE[day]) - late if day in _REVENUE else Decimal(20)
        payments.append(Payment(f"{n:03}", region, day, amount, "completed"))
        paid = day + timedelta(days=1)
        later = Payment(f"{n:03}", region, paid, Decimal(10), "completed")
        payments.append(later if paid <= CLOSED else replace(later, day=day, status="pending"))
    return MartsOracle(orders, payments, OPENED, CLOSED)
