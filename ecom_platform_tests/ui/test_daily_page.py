"""The daily page in a real browser: it does what it offers, for everybody."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from ecom_platform_tests.mart_shops import LAST
from ecom_platform_tests.ui.daily_page import (
    FORMULA,
    HEBREW,
    LONG,
    SCRIPT,
    Made,
    cards,
    keep,
    opened,
)

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser, Page


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


def test_a_metric_of_ones_own_is_a_figure_like_the_others(page: Page) -> None:
    assert cards(page)["Visits"] == f"{28 * 5}"
    page.locator(".kpi").last.click()
    expect(page.locator("#chart-title")).to_have_text("Visits by day")
    expect(page.locator("#daily thead")).to_contain_text("Visits")


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
