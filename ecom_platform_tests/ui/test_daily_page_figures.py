"""The figures of the daily page are those of the marts, in every range and region."""

from __future__ import annotations

import csv
import io
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
from playwright.sync_api import expect

from ecom_platform_tests.mart_shops import LAST
from ecom_platform_tests.ui.daily_page import FORMULA, RANGES, SCRIPT, UNKNOWN, Made, cards

if TYPE_CHECKING:
    from playwright.sync_api import Page

LABELS = {
    "total_revenue": "Revenue",
    "total_orders": "Orders",
    "total_customers": "Customers",
    "average_order_value": "Average order value",
    "customer_retention_rate": "90-day retention",
}


MINUS = "\N{MINUS SIGN}"


def told(unit: str, value: Any) -> str:
    if value is None:
        return UNKNOWN
    form = {"count": ",", "ratio": ".1%", "money": ",.2f"}[unit]
    return format(value, form).replace("-", MINUS)


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
    texts = (shown.replace(MINUS, "-"), wanted.replace(MINUS, "-"))
    number = [Decimal(text.replace(",", "").rstrip("%")) for text in texts]
    is_exact = "." not in wanted or not wanted.endswith("%")
    return not is_exact and abs(number[0] - number[1]) <= Decimal("0.1")


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
    assert (
        page.evaluate("sums(S.new_customers[0], bins({ from: LAST - 27, to: LAST }))") is not None
    )
    assert (
        days,
        sum(page.evaluate("sums(S.new_customers[0], bins({ from: LAST - 27, to: LAST }))")),
    ) == (
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
