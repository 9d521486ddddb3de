"""The daily page in a real browser: its figures are the marts', and it does what it offers."""

from __future__ import annotations

import csv
import io
import re
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import duckdb
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from ecom_platform.dashboard.page import DailyPage, State, render
from ecom_platform.dashboard.page_data import OwnMetric, collect, report_day
from ecom_platform.engines.dbt import build
from ecom_platform.marts import PROJECT
from ecom_platform.settings import Settings
from ecom_platform_tests.mart_shops import FIRST, LAST, odd_shop, write_warehouse
from ecom_platform_tests.ui.browser import FOLDER, chromium

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from playwright.sync_api import Browser, Page

#: Regions are data, whatever they are called.
SCRIPT, FORMULA = "<script>document.title='broken'</script>", "=cmd()"
HEBREW, LONG = "\u05d0\u05d6\u05d5\u05e8 \u05d4\u05e6\u05e4\u05d5\u05df", "long " * 40
RENAMED = {"north": SCRIPT, "south": FORMULA}
RANGES = ("1D", "7D", "28D", "90D", "MTD", "QTD", "YTD", "12M")
COMPARISONS = ("previous_period", "previous_week", "previous_year")
LABELS = {
    "total_revenue": "Revenue",
    "total_orders": "Orders",
    "total_customers": "Customers",
    "average_order_value": "Average order value",
    "customer_retention_rate": "90-day retention",
}
#: What the page shows of a number that is not known: a dash.
UNKNOWN = "\N{EN DASH}"
VISITS = OwnMetric("visits", "visits", "Visits", "count", "higher", additive=True)
RESTATED = {
    "day": (LAST - FIRST).days - 3, "region": "all", "metric": "total_revenue", "label": "revenue",
    "was": "1.00", "now": "2.00", "at": "2025-03-30 06:00",
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


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def made(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """The page of a made-up shop, of 414 days, with regions of any name."""
    del browser  # without one, there is nothing to make a page for
    folder = tmp_path_factory.mktemp("page")
    shop, warehouse = odd_shop(), folder / "warehouse.duckdb"
    write_warehouse(shop, warehouse)
    results = build(PROJECT, warehouse, Settings(_env_file=None, engine_memory="200MB"))
    assert {result.status for result in results.values()}.isdisjoint({"error", "fail", "skipped"})
    with duckdb.connect(str(warehouse)) as connection:
        connection.executemany(
            "INSERT INTO metrics.payment_status (date, region, status, payments, amount) "
            "VALUES (?, ?, ?, ?, ?)",
            [
                (day, region, status, len(found), sum((p.amount for p in found), Decimal(0)))
                for day in shop.days
                for region in ("all", "north", "south", "unknown")
                for status in ("completed", "pending", "failed", "refunded", "other")
                if (
                    found := [
                        p
                        for p in shop.payments
                        if p.day == day and p.status == status and region in ("all", p.region)
                    ]
                )
            ],
        )
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
        day = report_day(connection)
        assert day == LAST
        figures = collect(connection, day, FIRST, [VISITS])
    page = DailyPage(
        day, datetime.now(UTC), "UTC", "0123456789", State(40, 42, 2), ["Orders are late."],
        [RESTATED], [("Revenue", f"What came in {SCRIPT}")], 90, figures,
    )  # fmt: skip
    file = folder / "dashboards" / "latest" / "index.html"
    file.parent.mkdir(parents=True)
    file.write_text(render(page), encoding="utf-8")
    return Made(file, warehouse)


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


@pytest.fixture
def page(browser: Browser, made: Made) -> Iterator[Page]:
    with opened(browser, made) as found:
        yield found


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


def told(unit: str, value: Any) -> str:
    if value is None:
        return UNKNOWN
    if unit == "count":
        return f"{value:,}"
    if unit == "ratio":
        return f"{value:.1%}"
    return f"{value:,.2f}"


UNITS = {
    "total_revenue": "money", "total_orders": "count", "total_customers": "count",
    "average_order_value": "money", "customer_retention_rate": "ratio",
}  # fmt: skip


@pytest.mark.parametrize("name", RANGES)
def test_the_figures_of_every_range_and_region_are_those_of_the_marts(
    page: Page, made: Made, name: str
) -> None:
    columns = ", ".join(UNITS)
    rows = made.rows(
        f"SELECT region, {columns} FROM marts.kpi_ranges "
        f"WHERE range = '{name}' AND comparison = 'current'"
    )
    assert {row[0] for row in rows} == {"all", SCRIPT, FORMULA, "unknown"}
    for region, *values in rows:
        page.goto(f"{made.url}#{urlencode({'range': name, 'region': region})}")
        shown = cards(page)
        wanted = {LABELS[k]: told(UNITS[k], v) for k, v in zip(UNITS, values, strict=True)}
        for label, value in wanted.items():
            assert same(shown[label], value), (region, label)


def same(shown: str, wanted: str) -> bool:
    """Compare texts; halves may be rounded one way by Python and another by the browser."""
    if shown == wanted or UNKNOWN in (shown, wanted):
        return shown == wanted
    number = [Decimal(text.replace(",", "").rstrip("%")) for text in (shown, wanted)]
    is_exact = "." not in wanted or not wanted.endswith("%")
    return not is_exact and abs(number[0] - number[1]) <= Decimal("0.1")


@pytest.mark.parametrize("comparison", COMPARISONS)
def test_a_change_is_against_the_whole_range_that_is_chosen_or_is_not_told(
    page: Page, made: Made, comparison: str
) -> None:
    for name in RANGES:
        page.goto(f"{made.url}#{urlencode({'range': name, 'vs': comparison})}")
        [(now, then, days, computed)] = made.rows(
            "SELECT a.total_orders, b.total_orders, b.days, b.days_computed FROM marts.kpi_ranges "
            f"AS a JOIN marts.kpi_ranges AS b USING (range, region) WHERE range = '{name}' AND "
            f"region = 'all' AND a.comparison = 'current' AND b.comparison = '{comparison}'"
        )
        text = page.locator(".kpi .change").nth(1).inner_text()
        if days != computed:
            assert text.strip() == ""
            expect(page.locator("#notes")).to_contain_text("no whole")
        elif then:
            assert f"from {then:,}" in text
            assert f"{abs(now / then - 1):.1%}" in text or abs(now / then - 1) >= 10


def test_customers_of_a_range_of_ones_own_are_told_where_they_are_known(
    page: Page, made: Made
) -> None:
    page.goto(f"{made.url}#from=2025-02-03&to=2025-02-17")
    assert cards(page)["Customers"] == UNKNOWN
    assert page.locator(".kpi").nth(2).get_attribute("title")
    [(revenue,)] = made.rows(
        "SELECT sum(total_revenue) FROM marts.kpi_daily WHERE region = 'all' "
        "AND date BETWEEN '2025-02-03' AND '2025-02-17'"
    )
    assert cards(page)["Revenue"] == f"{revenue:,.2f}"
    page.goto(f"{made.url}#from=2025-02-01&to=2025-02-28")
    [(customers,)] = made.rows(
        "SELECT total_customers FROM marts.kpi_monthly WHERE region = 'all' "
        "AND month = '2025-02-01'"
    )
    assert cards(page)["Customers"] == f"{customers:,}"


def test_what_is_chosen_is_in_the_address_and_comes_back_from_it(page: Page, made: Made) -> None:
    page.get_by_role("button", name="90D").click()
    page.locator("#compare").select_option("previous_year")
    page.locator("#region").select_option(label="unknown")
    page.locator(".kpi").nth(1).click()
    page.get_by_role("button", name="Week").click()
    page.get_by_role("button", name="Table").click()
    assert page.evaluate("location.hash") == (
        "#vs=previous_year&grain=week&shape=table&range=90D&region=unknown&kpi=total_orders"
    )
    before = page.locator("#figures").inner_text()
    assert "Orders by 7 days, unknown" in before
    page.goto("about:blank")
    page.goto(f"{made.url}#vs=previous_year&grain=week&shape=table&range=90D&region=unknown"
              "&kpi=total_orders")  # fmt: skip
    assert page.locator("#figures").inner_text() == before


def test_a_row_of_the_regions_filters_and_its_headings_sort(page: Page) -> None:
    rows = page.locator("#regions tbody tr")
    expect(rows).to_have_count(3)
    page.get_by_role("button", name=FORMULA, exact=True).click()
    expect(page.locator("#sentence")).to_contain_text(f"in {FORMULA}")
    expect(page.locator("#region")).to_have_value(
        str(page.evaluate(f"D.regions.indexOf('{FORMULA}')"))
    )
    page.locator("#regions thead").get_by_role("button", name="Orders").click()
    found = [
        int(text.replace(",", "")) for text in rows.locator("td:nth-child(5)").all_inner_texts()
    ]
    assert found == sorted(found, reverse=True)
    page.get_by_role("button", name=FORMULA, exact=True).click()
    assert page.evaluate("choice.region") == 0


def test_the_chart_tells_of_a_point_by_mouse_and_by_keys(page: Page, made: Made) -> None:
    chart = page.locator("#main-chart")
    chart.focus()
    page.keyboard.press("End")
    [(revenue,)] = made.rows(
        f"SELECT total_revenue FROM marts.kpi_daily WHERE region = 'all' AND date = '{LAST}'"
    )
    expect(page.locator("#tip")).to_contain_text(f"{revenue:,.2f}")
    page.keyboard.press("Escape")
    expect(page.locator("#tip")).to_be_hidden()
    box = chart.bounding_box()
    assert box
    page.mouse.move(box["x"] + 60, box["y"] + 80)
    expect(page.locator("#tip")).to_contain_text("3 Mar 2025")
    page.keyboard.press("3")
    expect(page.locator("#chart-title")).to_have_text("Customers by day")
    page.keyboard.press("t")
    expect(page.locator("#main-table tbody tr")).to_have_count(28)


def test_a_restated_day_is_marked_with_what_it_was(page: Page) -> None:
    expect(page.locator("#notes")).to_contain_text("revenue was 1.00, is 2.00")
    expect(page.locator("#daily .tag")).to_have_count(1)
    assert "was 1.00" in (page.locator("#daily .tag").get_attribute("title") or "")
    expect(page.locator("#notes")).to_contain_text("Orders are late.")


def test_a_metric_of_ones_own_is_a_figure_like_the_others(page: Page) -> None:
    assert cards(page)["Visits"] == f"{28 * 5}"
    page.locator(".kpi").last.click()
    expect(page.locator("#chart-title")).to_have_text("Visits by day")
    expect(page.locator("#daily thead")).to_contain_text("Visits")


def test_cohorts_new_customers_and_statuses_are_those_of_the_marts(page: Page, made: Made) -> None:
    [(new, second)] = made.rows(
        "SELECT max(cohort_customers), max(retention) FILTER (WHERE months_since = 1) "
        "FROM marts.customer_cohorts WHERE region = 'all' AND cohort_month = '2024-12-01'"
    )
    row = page.locator("#cohorts tr").filter(has_text="Dec 2024")
    expect(row.locator("td").first).to_have_text(f"{new:,}")
    share = row.locator("td").nth(1).inner_text()
    assert abs(float(share.rstrip("%")) / 100 - second) <= (0.0051 if "." not in share else 0.00051)
    for status, payments, amount in made.rows(
        "SELECT status, sum(payments), sum(amount) FROM metrics.payment_status "
        f"WHERE region = 'all' AND date > DATE '{LAST}' - 28 GROUP BY ALL"
    ):
        row = page.locator("#status tbody tr").filter(has_text=status)
        expect(row.locator("td").first).to_have_text(f"{payments:,}")
        expect(row.locator("td").last).to_have_text(f"{amount:,.2f}")
    [(days, new)] = made.rows(
        "SELECT count(*), sum(new_customers) FROM marts.customers_to_date "
        f"WHERE region = 'all' AND date > DATE '{LAST}' - 28"
    )
    assert page.evaluate("sums(S.new_customers[0], bins(LAST - 27, LAST))") is not None
    assert (days, sum(page.evaluate("sums(S.new_customers[0], bins(LAST - 27, LAST))"))) == (
        28,
        new,
    )


def test_the_download_has_the_days_and_no_formula(page: Page, made: Made) -> None:
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV").click()
    assert download.value.suggested_filename == "shop-2025-03-03-to-2025-03-30.csv"
    text = Path(download.value.path()).read_text(encoding="utf-8")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == 28 * 4
    assert {row["region"] for row in rows} == {"all", SCRIPT, f"'{FORMULA}", "unknown"}
    wanted = made.rows(
        "SELECT date, total_revenue FROM marts.kpi_daily WHERE region = 'all' ORDER BY date DESC"
    )
    found = {row["date"]: Decimal(row["revenue"]) for row in rows if row["region"] == "all"}
    assert found == {str(day): revenue for day, revenue in wanted[:28]}


def test_regions_of_any_name_are_text(browser: Browser, made: Made, page: Page) -> None:
    assert page.title() == f"Shop, {LAST}"
    expect(page.locator("#regions")).to_contain_text(SCRIPT)
    source = made.file.read_text(encoding="utf-8")
    strange = made.file.with_name("strange.html")
    strange.write_text(
        source.replace('"unknown"', f'"{HEBREW}"').replace(f'"{FORMULA}"', f'"{LONG}"'),
        encoding="utf-8",
    )
    with opened(
        browser, Made(strange, made.warehouse), viewport={"width": 390, "height": 800}
    ) as odd:
        expect(odd.locator("#regions")).to_contain_text(HEBREW)
        assert odd.evaluate("document.documentElement.scrollWidth") <= 390
        keep(odd, "daily-strange-regions")


@pytest.mark.parametrize(
    ("name", "width", "scheme"),
    [("light", 1440, "light"), ("dark", 1440, "dark"), ("phone", 390, "light")],
)
def test_the_page_is_accessible(
    browser: Browser, made: Made, name: str, width: int, scheme: str
) -> None:
    options = {"viewport": {"width": width, "height": 900}, "color_scheme": scheme}
    with opened(browser, made, **options) as page:
        assert Axe().run(page).response["violations"] == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        keep(page, f"daily-{name}")


def test_light_and_dark_can_be_chosen(page: Page) -> None:
    assert page.evaluate("document.documentElement.dataset.theme") == "light"
    page.get_by_role("button", name="Light or dark").click()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == "rgb(12, 14, 18)"


def test_it_prints_on_pages_without_its_controls(page: Page, tmp_path: Path) -> None:
    page.emulate_media(media="print")
    expect(page.locator("#filters")).to_be_hidden()
    expect(page.locator("#sentence")).to_be_visible()
    printed = page.pdf(path=tmp_path / "page.pdf", prefer_css_page_size=True)
    assert printed.startswith(b"%PDF")
    assert 1 < len(re.findall(rb"/Type\s*/Page\b", printed)) < 9


def test_a_page_of_long_ago_says_so(browser: Browser, made: Made) -> None:
    old = made.file.with_name("old.html")
    text = made.file.read_text(encoding="utf-8")
    old.write_text(
        re.sub(r'"made_at":"[^"]*"', '"made_at":"2025-03-31T06:30:00+00:00"', text), "utf-8"
    )
    with opened(browser, Made(old, made.warehouse)) as page:
        expect(page.locator("#notes")).to_contain_text("This page was made")
        expect(page.get_by_role("link", name="Open the newest one.")).to_have_attribute(
            "href", "../latest/index.html"
        )


def test_pages_of_other_days_are_beside_it(page: Page) -> None:
    before = page.get_by_role("link", name="The day before")
    expect(before).to_have_attribute("href", "../date=2025-03-29/index.html")
    # It is the latest.
    expect(page.locator("#after")).to_have_attribute("aria-disabled", "true")


def test_only_its_own_scripts_may_run(browser: Browser, made: Made) -> None:
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', made.file.read_text())
    assert policy.startswith("default-src &#39;none&#39;; style-src &#39;sha256-")
    assert "unsafe" not in policy
    page = browser.new_page()
    page.goto(made.url)
    ran = page.evaluate(
        "() => { const s = document.createElement('script'); s.textContent = 'window.ran = 1';"
        " document.body.append(s); return window.ran ?? 0 }"
    )
    page.close()
    assert ran == 0
