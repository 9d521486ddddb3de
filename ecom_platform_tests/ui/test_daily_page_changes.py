"""What the daily page says of changes: against what, which way, and whether they are told."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest
from playwright.sync_api import expect

from ecom_platform.check_results import CheckCount
from ecom_platform_tests.ui.daily_page import (
    OPENED,
    RANGES,
    UNKNOWN,
    Made,
    cards,
    keep,
    make_page,
    opened,
)

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser, Page

MINUS = "\N{MINUS SIGN}"
COMPARISONS = ("previous_period", "previous_week", "previous_year")


@pytest.mark.parametrize("comparison", COMPARISONS)
def test_a_change_is_against_the_whole_range_that_is_chosen_or_is_not_told(
    page: Page, made: Made, comparison: str
) -> None:
    for name in RANGES:
        page.goto(f"{made.url}#{urlencode({'range': name, 'vs': comparison})}")
        # A day is compared with the same weekday.
        against = "previous_week" if (name, comparison) == ("1D", COMPARISONS[0]) else comparison
        [(now, then, days, computed)] = made.rows(
            "SELECT a.total_orders, b.total_orders, b.days, b.order_days FROM marts.kpi_ranges "
            f"AS a JOIN marts.kpi_ranges AS b USING (range, region) WHERE range = '{name}' AND "
            f"region = 'all' AND a.comparison = 'current' AND b.comparison = '{against}'"
        )
        text = page.locator(".kpi .change").nth(1).inner_text()
        if days != computed:
            assert text.strip() == ""
            expect(page.locator("#notes")).to_contain_text("to compare with")
        elif then:
            assert f"from {then:,}" in text
            assert f"{'+' if now > then else MINUS if now < then else ''}" in text
            [share] = re.findall(r"([\d.]+)%", text)
            by = abs(now - then) / then * 100
            assert float(share) == pytest.approx(by, abs=0.051 if by < 1000 else 0.51)


def test_against_a_value_below_zero_a_change_is_the_difference(
    browser: Browser, changing: Made
) -> None:
    with opened(browser, changing, "#range=1D") as page:
        tile = page.locator(".kpi").first
        expect(tile.locator(".pill")).to_have_text(f"▼ {MINUS}102.44")
        expect(tile.locator(".pill")).to_have_class("pill down")
        expect(tile).to_contain_text(f"from {MINUS}80.00")
        expect(page.locator("#sentence .down")).to_have_text("down 102.44")
        expect(page.locator("#daily td.down").first).to_have_text(f"{MINUS}102.44")
        expect(page.locator("#regions tfoot .down")).to_have_text(f"{MINUS}102.44")
        # A share of a whole below zero is none.
        expect(page.locator("#regions tbody td:nth-child(3)").first).to_have_text(UNKNOWN)
        page.goto(f"{changing.url}#from=2026-11-22&to=2026-11-22")
        expect(tile.locator(".pill")).to_have_text("▲ +204.28")
        expect(tile.locator(".pill")).to_have_class("pill up")
        expect(page.locator("#sentence .up")).to_have_text("up 204.28")
        # From above zero to below it is no percentage either.
        page.goto(f"{changing.url}#from=2026-11-15&to=2026-11-15")
        expect(tile.locator(".pill")).to_have_text(f"▼ {MINUS}177.70")
        keep(page, "daily-below-zero")


def test_a_change_that_is_nothing_once_it_is_rounded_has_no_sign(page: Page) -> None:
    for unit, now, before, told in (
        ("ratio", 0.5, 0.50004, "0 pp"), ("ratio", 0.5, 0.5, "0 pp"),
        ("money", 99999, 100000, "0%"), ("money", 0, 0, "0"), ("average", 0.001, -0.001, "0"),
        ("count", 5, 0, "+5"), ("ratio", 0.51, 0.5, "+1.0 pp"),
        ("money", 90000, 100000, f"{MINUS}10.0%"),
    ):  # fmt: skip
        found = page.evaluate(f"change('{unit}', {now}, {before})")
        assert found["text"] == told
        assert found["flat"] == told.startswith("0")
    assert page.evaluate("tone(change('ratio', 0.5, 0.50004), 'higher')") == ""


@pytest.mark.parametrize("comparison", ["previous_period", "previous_week", "previous_year"])
def test_of_one_day_sentence_tile_and_table_say_the_same(
    page: Page, made: Made, comparison: str
) -> None:
    page.goto(f"{made.url}#{urlencode({'range': '1D', 'vs': comparison})}")
    said = re.findall(r"(up|down) ([\d.,]+%?)", page.locator("#sentence").inner_text())
    assert len(said) == 1
    [(way, by)] = said
    text = f"{'+' if way == 'up' else MINUS}{by}"
    expect(page.locator(".kpi .pill").first).to_contain_text(text)
    expect(page.locator("#daily tbody td").nth(1)).to_have_text(text)
    name = "previous_year" if comparison == "previous_year" else "previous_week"
    expect(page.locator("#compare")).to_have_value(name)
    [(now, then)] = made.rows(
        "SELECT a.total_revenue, b.total_revenue FROM marts.kpi_ranges AS a JOIN marts.kpi_ranges "
        "AS b USING (range, region) WHERE range = '1D' AND region = 'all' AND "
        f"a.comparison = 'current' AND b.comparison = '{name}'"
    )
    assert by == (f"{abs(now / then - 1):.1%}" if then > 0 else f"{abs(now - then):,.2f}")


def test_payments_that_are_pending_are_no_loss(browser: Browser, changing: Made) -> None:
    """Each day's second payment is a day late, so the newest day has half of them."""
    with opened(browser, changing, "#range=1D&kpi=completed_payments") as page:
        assert page.evaluate("RIPE_AFTER") == 1
        tile = page.locator(".kpi").nth(5)
        expect(tile.locator(".pill")).to_have_text("provisional")
        expect(tile.locator(".pill")).to_have_class("pill")
        expect(tile).to_contain_text("settled by 24 Nov")
        expect(page.locator("#status tbody .down")).to_have_count(0)
        page.goto(f"{changing.url}#range=7D&kpi=completed_payments")
        # The settled days of it are like those before.
        expect(tile.locator(".pill")).to_have_text("0 pp")
        expect(tile).to_contain_text("settled, to 22 Nov")
        expect(page.locator("#status tbody .down")).to_have_count(0)
        expect(page.locator("#main-chart .hollow")).to_have_count(1)
        expect(page.locator('#main-chart path[stroke-dasharray="2 3"]')).to_have_count(1)
        page.locator("#main-chart").focus()
        page.keyboard.press("End")
        expect(page.locator("#tip")).to_contain_text("provisional until 24 Nov")
        keep(page, "daily-provisional")
        note = page.locator("#status-note")
        expect(note).to_contain_text("after 1 day; changes are of those up to 22 Nov.")
        # What has nothing to be compared with has settled days all the same.
        page.goto(f"{changing.url}#range=28D&kpi=completed_payments")
        expect(note).to_contain_text("after 1 day; those up to 22 Nov are.")
        page.goto(f"{changing.url}#range=1D&kpi=completed_payments")
        expect(note).to_contain_text("after 1 day; none of these is yet.")
        page.goto(f"{changing.url}#from=2026-11-14&to=2026-11-20&kpi=completed_payments")
        expect(page.locator("#main-chart .hollow")).to_have_count(0)


def test_a_fall_that_pending_payments_may_make_up_for_is_grey(
    browser: Browser, changing: Made
) -> None:
    with opened(browser, changing, "#range=1D") as page:
        fell = page.evaluate(
            "(S.status.pending.amount[0][LAST] = 20000, comparedDay(KPIS[0], 0, LAST))"
        )
        assert fell["open"] == 20000
        page.evaluate("paint()")
        expect(page.locator(".kpi .pill").first).to_have_class("pill ")
        expect(page.locator("#sentence")).to_contain_text("while 200.00 are pending")


def test_weeks_and_months_are_of_the_range_and_say_which_are_cut(
    browser: Browser, changing: Made
) -> None:
    with opened(browser, changing) as page:
        for choice in ("range=28D&grain=month", "range=MTD&grain=week", "range=90D&grain=week",
                       "from=2026-10-20&to=2026-11-19&grain=week&shape=table"):  # fmt: skip
            page.goto(f"{changing.url}#{choice}")
            bins = page.evaluate("bins(selection())")
            now = page.evaluate("selection()")
            assert (bins[0]["from"], bins[-1]["to"]) == (max(0, now["from"]), now["to"])
            assert page.evaluate(
                "total(points(KPIS[0], 0, bins(selection())), 0, 99)"
            ) == page.evaluate("figure(KPIS[0], 0, selection())")
        rows = page.locator("#main-table tbody th").all_inner_texts()
        assert rows[0] == "20 Oct – 26 Oct 2026"  # noqa: RUF001
        assert rows[-1] == "17 Nov – 19 Nov 2026 (3 of 7 days)"  # noqa: RUF001
        page.goto(f"{changing.url}#range=28D&grain=month")
        # October and November are cut: two points that stand alone, and no line between them.
        expect(page.locator("#main-chart .hollow")).to_have_count(2)
        assert page.locator('#main-chart path[stroke-width="2.2"]').get_attribute("d") == ""
        page.locator("#main-chart").focus()
        page.keyboard.press("End")
        expect(page.locator("#tip")).to_contain_text("Nov 2026 (23 of 30 days)")
        keep(page, "daily-cut-months")


def test_a_range_that_begins_before_the_lake_has_the_figures_of_what_is_there(
    browser: Browser, changing: Made
) -> None:
    with opened(browser, changing, "#range=90D") as page:
        assert cards(page)["Payments completed"] == "98.8%"
        expect(page.locator("#notes")).to_contain_text(
            "This range begins before the first day: its figures are of the days since Thu, 15 Oct"
        )


def test_a_settled_day_that_changed_is_told_with_what_it_makes_of_the_figure(
    page: Page, made: Made
) -> None:
    notes = page.locator("#notes")
    [(revenue, orders)] = made.rows(
        "SELECT total_revenue, total_orders FROM marts.kpi_ranges WHERE range = '28D' "
        "AND comparison = 'current' AND region = 'all'"
    )
    expect(notes).to_contain_text("1 settled day has changed, marked ◇.")
    expect(notes).to_contain_text(
        f"Revenue of this range was {float(revenue) - 1.5:,.2f}, and is {revenue:,.2f} (+1.50). "
        "The newest first: 27 Mar: revenue was 1.00, is 2.50 (+1.50, late data, 2025-03-30 06:00)."
    )
    expect(page.locator("#daily .tag")).to_have_count(1)
    assert "was 1.00" in (page.locator("#daily .tag").get_attribute("title") or "")
    expect(notes).to_contain_text("Orders are late.")
    # Of orders, nothing has changed.
    page.locator(".kpi").nth(1).click()
    expect(notes).not_to_contain_text("Restated")
    page.locator(".kpi").nth(3).click()
    before, now = (float(revenue) - 1.5) / orders, float(revenue) / orders
    expect(notes).to_contain_text(
        f"Average order value of this range was {before:.2f}, and is {now:.2f}"
    )


def test_the_state_is_that_of_the_range_that_is_shown(
    browser: Browser, changing: Made, tmp_path: Path
) -> None:
    checks = [CheckCount(20), *[CheckCount(1)] * 40]
    checks[-3] = CheckCount(0, 1, 3)
    made = make_page(changing.warehouse, tmp_path, OPENED, checks=checks)
    for place, said, verdict in (
        ("", "47 of 51 checks passed, 3 errors, 1 warning", "failed"),
        ("#range=7D", "26 of 30 checks passed, 3 errors, 1 warning", "failed"),
        ("#range=1D", "21 of 21 checks passed", "passed"),
    ):
        with opened(browser, made, place) as page:
            expect(page.locator("#state")).to_have_text(said)
            expect(page.locator("#state .dot")).to_have_class(f"dot {verdict}")
    # Also where no script runs.
    assert "47 of 51 checks passed, 3 errors, 1 warning" in made.file.read_text()
