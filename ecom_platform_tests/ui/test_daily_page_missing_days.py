"""What the daily page shows of days that are missing, and of metrics that were never computed."""

from __future__ import annotations

import csv
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from ecom_platform_tests.mart_shops import FIRST, LAST, NO_ORDERS, NO_PAYMENTS, odd_shop
from ecom_platform_tests.ui.daily_page import (
    UNKNOWN,
    VISITS,
    build_warehouse,
    cards,
    keep,
    make_page,
    opened,
)

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from ecom_platform_tests.ui.daily_page import Made

#: Of all days but one, of no day, and one of a day only that does not sum up.
RETURNS = replace(VISITS, name="returns", column="returns", label="Returns")
RATING = replace(VISITS, name="rating", column="rating", label="Rating", additive=False)
DAY_WITHOUT_VISITS = date(2025, 3, 20)


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("gaps") / "warehouse.duckdb"
    build_warehouse(odd_shop(NO_ORDERS, NO_PAYMENTS), file)
    with duckdb.connect(str(file)) as connection:
        for name in ("visits", "returns", "rating"):
            connection.execute(
                f"CREATE TABLE metrics.{name} (date DATE, region VARCHAR, {name} BIGINT)"
            )
        connection.execute(
            "INSERT INTO metrics.visits SELECT DISTINCT date, 'all', 5 FROM marts.kpi_daily "
            "WHERE date <> ?",
            [DAY_WITHOUT_VISITS],
        )
        connection.execute("INSERT INTO metrics.rating VALUES (?, 'all', 4)", [FIRST])
    return file


@pytest.fixture(scope="module")
def made(warehouse: Path, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A page of 413 days, some without orders or payments, that has nine figures."""
    return make_page(
        warehouse, tmp_path_factory.mktemp("page"), FIRST, [VISITS, RETURNS, RATING],
        missing=[DAY_WITHOUT_VISITS],
    )  # fmt: skip


def tile(page: Page, label: str) -> str:
    found = page.locator(".kpi").filter(has=page.locator(f'.label:text-is("{label}")'))
    return found.locator(".change").inner_text()


def test_the_report_day_is_the_newest_with_revenue_and_orders(made: Made, page: Page) -> None:
    assert LAST in NO_PAYMENTS
    expect(page.locator(".titles")).to_contain_text("Report for Saturday 29 March 2025")
    assert page.evaluate("iso(LAST)") == str(LAST - timedelta(days=1))
    # What is newer is in the running month neither.
    [(month, to_date)] = made.rows(
        "SELECT m.total_customers, r.total_customers FROM marts.kpi_monthly AS m, "
        "marts.kpi_ranges AS r WHERE m.region = 'all' AND r.region = 'all' AND "
        "m.month = '2025-03-01' AND r.range = 'MTD' AND r.comparison = 'current'"
    )
    assert month > to_date
    assert page.evaluate("D.months.customers[0].at(-1)") == to_date


def test_a_missing_day_of_orders_is_a_dash_in_what_hangs_on_orders(page: Page, made: Made) -> None:
    page.goto(f"{made.url}#from=2024-07-08&to=2024-07-12")
    [(revenue, orders)] = made.rows(
        "SELECT sum(total_revenue), sum(total_orders) FROM marts.kpi_daily "
        "WHERE region = 'all' AND date BETWEEN '2024-07-08' AND '2024-07-12'"
    )
    assert cards(page)["Revenue"] == f"{revenue:,.2f}"
    assert cards(page)["Orders"] == f"{orders:,}"
    assert tile(page, "Orders") == "without 10 Jul"
    assert "without" not in tile(page, "Revenue")
    assert cards(page)["90-day retention"] == UNKNOWN
    assert tile(page, "90-day retention") == "orders of 10 Jul are missing"
    notes = page.locator("#notes")
    expect(notes).to_contain_text("Missing: Orders, customers, average order value of 10 Jul.")
    expect(notes).to_contain_text("12 Jul 2024, as orders of 10 Jul are missing.")
    row = page.locator("#daily tbody tr").filter(has_text="10 Jul")
    expect(row.locator(".tag")).to_have_text("missing")
    shown = dict(
        zip(
            page.locator("#daily thead th").all_inner_texts()[1:],
            row.locator("td").all_inner_texts(),
            strict=True,
        )
    )
    without = ("Orders", "Void", "Customers", "New", "Average order", "Retention")
    assert {name for name, text in shown.items() if text == UNKNOWN} >= {*without}
    assert shown["Revenue"] != UNKNOWN
    assert shown["completed"] != UNKNOWN
    page.keyboard.press("2")
    page.locator("#main-chart").focus()
    for _ in range(3):
        page.keyboard.press("ArrowLeft")
    expect(page.locator("#tip")).to_contain_text("10 Jul is missing")
    # A day without orders that came is 0.
    page.goto(f"{made.url}#from=2024-02-10&to=2024-04-10")
    assert "0" in page.locator("#main-table td, #daily td:nth-child(4)").all_inner_texts()


def test_a_missing_day_of_payments_is_a_dash_in_what_hangs_on_payments(
    page: Page, made: Made
) -> None:
    page.goto(f"{made.url}#from=2024-09-05&to=2024-09-05")
    shown = cards(page)
    assert [shown[name] for name in ("Revenue", "Average order value")] == [UNKNOWN, UNKNOWN]
    assert shown["Orders"] != UNKNOWN
    assert tile(page, "Payments completed") == "5 Sept is missing"
    assert page.locator("#status tfoot td").first.inner_text() == UNKNOWN
    page.goto(f"{made.url}#from=2024-11-20&to=2024-11-20")
    assert {*list(cards(page).values())[:6]} == {UNKNOWN}


def test_the_figures_of_ranges_with_missing_days_are_those_of_the_marts(
    page: Page, made: Made
) -> None:
    page.goto(f"{made.url}#range=12M&grain=month")
    [(revenue, orders, average, days, missing)] = made.rows(
        "SELECT total_revenue, total_orders, average_order_value, days, days - order_days "
        "FROM marts.kpi_ranges WHERE range = '12M' AND comparison = 'current' AND region = 'all'"
    )
    assert (days, missing) == (365, 2)
    shown = cards(page)
    assert shown["Revenue"] == f"{revenue:,.2f}"
    assert shown["Orders"] == f"{orders:,}"
    assert abs(float(shown["Average order value"].replace(",", "")) - average) < 0.0051
    assert tile(page, "Orders") == "without 10 Jul, 20 Nov"
    expect(page.locator("#state")).to_have_text(
        "40 of 42 checks passed, 2 warnings, 365 days missing"
    )
    expect(page.locator("#state .dot")).to_have_class("dot failed")


def test_what_was_never_computed_is_a_dash_everywhere(page: Page) -> None:
    assert cards(page)["Returns"] == UNKNOWN
    assert tile(page, "Returns") == "not computed yet"
    expect(page.locator("#notes")).to_contain_text("Not computed yet: Returns.")
    # Of some days only.
    assert cards(page)["Visits"] == f"{27 * 5}"
    assert tile(page, "Visits") == "without 20 Mar"
    assert cards(page)["Rating"] == UNKNOWN
    page.keyboard.press("8")
    expect(page.locator("#chart-title")).to_have_text("Returns by day")
    expect(page.locator("#main-chart .empty")).to_have_text("not computed yet")
    page.keyboard.press("t")
    assert {*page.locator("#main-table td").all_inner_texts()} == {UNKNOWN}
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV").click()
    rows = list(csv.DictReader(Path(download.value.path()).read_text("utf-8").splitlines()))
    assert {row["returns"] for row in rows} == {""}
    assert [row["date"] for row in rows if row["region"] == "all" and not row["visits"]] == [
        str(DAY_WITHOUT_VISITS)
    ]


@pytest.mark.parametrize(
    ("own", "lines"), [(1, [4, 3]), (2, [4, 4]), (3, [5, 4])], ids=["seven", "eight", "nine"]
)
def test_more_than_six_figures_stand_in_lines_of_much_the_same_length(
    browser: Browser, warehouse: Path, tmp_path: Path, own: int, lines: list[int]
) -> None:
    made = make_page(warehouse, tmp_path, FIRST, [VISITS, RETURNS, RATING][:own])
    for width in (1440, 1000, 800, 390):
        with opened(browser, made, viewport={"width": width, "height": 900}) as page:
            boxes = page.locator(".kpi").evaluate_all(
                "all => all.map(one => [one.offsetTop, one.offsetHeight, one.scrollWidth - "
                "one.clientWidth, one.offsetWidth])"
            )
            tops = [top for top, *_ in boxes]
            found = [tops.count(top) for top in sorted({*tops})]
            if width == 1440:
                assert found == lines
            # Or the last one has a line of its own.
            assert found[-1] * 2 >= found[0] or boxes[-1][3] > boxes[0][3] * 1.9
            assert {over for _, _, over, _ in boxes} == {0}
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            keep(page, f"daily-{6 + own}-figures-{width}")


@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (1440, "dark"), (390, "light")])
def test_a_page_with_missing_days_is_accessible(
    browser: Browser, made: Made, width: int, scheme: str
) -> None:
    options = {"viewport": {"width": width, "height": 900}, "color_scheme": scheme}
    choice = "#from=2024-07-01&to=2024-07-20&kpi=total_orders"
    with opened(browser, made, choice, **options) as page:
        assert Axe().run(page).response["violations"] == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        keep(page, f"daily-missing-{width}-{scheme}")
