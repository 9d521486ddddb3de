"""What the daily page says of changes: against what, which way, and whether they are told."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest
from playwright.sync_api import expect

from ecom_platform_tests.ui.daily_page import RANGES, Made

if TYPE_CHECKING:
    from playwright.sync_api import Page

COMPARISONS = ("previous_period", "previous_week", "previous_year")


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


def test_a_restated_day_is_marked_with_what_it_was(page: Page) -> None:
    expect(page.locator("#notes")).to_contain_text("revenue was 1.00, is 2.00")
    expect(page.locator("#daily .tag")).to_have_count(1)
    assert "was 1.00" in (page.locator("#daily .tag").get_attribute("title") or "")
    expect(page.locator("#notes")).to_contain_text("Orders are late.")
