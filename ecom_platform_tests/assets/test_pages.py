"""The pages as Dagster makes them: they say what is in Dagster and in the lake, and load nothing.

What the daily page does in a browser is in `ui/test_daily_page.py`.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import dagster as dg
import pytest

from ecom_platform.assets.restated_days import restatements
from ecom_platform.automation.incidents import report
from ecom_platform.automation.jobs import MORNING_PAGES
from ecom_platform.incidents.model import Observation
from ecom_platform.lake.ledger import Ledger
from ecom_platform.lake.storage import open_storage
from ecom_platform.settings import Settings
from ecom_platform_tests.platform import Platform

if TYPE_CHECKING:
    from pathlib import Path

YESTERDAY = datetime.now(UTC).date() - timedelta(days=1)
FIRST = YESTERDAY - timedelta(days=2)
NOON = datetime(FIRST.year, FIRST.month, FIRST.day, 12, tzinfo=UTC)
#: The largest amount that is accepted.
HUGE = "9999999999999999.99"
SCRIPT = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def dashboards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pages of a shop of three days with an orphan and rows that were set aside."""
    folder = tmp_path_factory.mktemp("shop")
    (folder / "customers.csv").write_text(
        "id,email,region,signup_date\nc1,ann@example.invalid,north,soon\n"
        f"c2,bo@example.invalid,north,{FIRST}\n"
    )
    (folder / "orders.csv").write_text(
        "id,customer_id,total_amount,created_at,status\n"
        f"o1,c1,10.00,{FIRST} 10:00:00,done\n"
        f"o2,nobody,20.00,{FIRST} 11:00:00,done\n"
        f"{SCRIPT},c1,1.00,{YESTERDAY} 11:00:00,done\n"
        f"{SCRIPT},c1,2.00,{YESTERDAY} 11:00:00,done\n"
    )
    payments = folder / "payments.csv"
    payments.write_text("id,order_id,amount,status,paid_at\n")
    settings = Settings(
        _env_file=None, source=folder.as_uri(), lake=str(folder / "lake"), start_date=FIRST,
        email_hmac_key="k" * 32, close_after_days=0,
    )  # fmt: skip
    with dg.DagsterInstance.local_temp() as instance:
        platform = Platform(settings, instance)
        assert platform.run(FIRST, YESTERDAY - timedelta(days=1)).success
        payments.write_text(f"{payments.read_text()}p1,o1,12.50,paid,{FIRST} 12:00:00\n")
        assert platform.run(FIRST, FIRST).success
        # The newest day twice: what counts is the newest answer.
        for _ in range(2):
            assert platform.run(YESTERDAY, YESTERDAY).success
        seen = Observation("parents_exist", "cleaned/orders", str(FIRST), passed=False, at=NOON)
        report(settings, [seen])
        job = platform.definitions.resolve_job_def(MORNING_PAGES)
        made = job.execute_in_process(instance=instance)
        pages = [dg.AssetKey(["dashboards", name]) for name in ("daily", "quality")]
        # The second replaces the first.
        again = job.execute_in_process(instance=instance, asset_selection=pages)
    folder = folder / "lake" / "dashboards"
    for result in (made, again):
        assert {
            str(event.metadata["dagster/uri"].value)
            for name in ("daily", "quality")
            for event in result.asset_materializations_for_node(f"dashboards__{name}")
        } == {str(folder / "latest/index.html"), str(folder / "quality/index.html")}
    return folder


@pytest.fixture(scope="module")
def page(dashboards: Path) -> str:
    """The page on the data's quality."""
    return (dashboards / "quality/index.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def daily(dashboards: Path) -> str:
    """The daily page."""
    return (dashboards / "latest/index.html").read_text(encoding="utf-8")


def text(page: str) -> str:
    """Return what is read of the page, on one line."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page.partition("</style>")[2]))


def test_every_check_is_shown_for_every_day(page: str) -> None:
    (row,) = re.findall(r"cleaned/orders <b>parents_exist</b>.*?</tr>", page, re.DOTALL)
    assert re.findall(r'class="day (\w+)"', row) == ["warned", "passed", "passed"]
    assert page.count("<b>matches_source</b></th>") == 3


def test_what_said_no_is_told_with_what_it_saw_and_what_to_do(page: str) -> None:
    said = text(page).partition("What said no")[2].partition("Source and lake")[0]
    assert re.search(
        rf"parents_exist : .* {FIRST} warned all rows 2 , broken 1 , example o2 ", said
    )
    assert "runbooks/checks.md#parents_exist" in said


def test_incidents_that_are_open_are_told(page: str) -> None:
    told = text(page).partition("Open incidents")[2]
    assert f" 1 cleaned/orders parents_exist error {FIRST} 12:00 {FIRST} " in told


def test_what_is_asked_of_no_day_has_its_newest_answer(page: str) -> None:
    told = text(page).partition("The source and the marts")[2]
    assert re.search(r"raw/orders columns_are_the_same .*? ✓ columns 5 ", told)
    assert re.search(r"raw/payments nothing_is_of_the_future .*? ✓ broken 0 ", told)


def test_source_and_lake_stand_beside_each_other(page: str) -> None:
    assert f"{FIRST} orders 2 2 30.00 30.00 ✓" in text(page)


def test_the_quarantine_is_told_by_reason_with_ids_and_nothing_that_identifies(page: str) -> None:
    assert f"orders id is on rows that differ 2 {YESTERDAY} &lt;script&gt;" in text(page)
    assert f"customers signup_date is not a date 1 {FIRST} c1" in text(page)
    assert "ann@" not in page


def test_the_page_runs_and_loads_nothing(page: str) -> None:
    assert "<script" not in page.replace("&lt;script", "")
    assert "default-src 'none'" in page
    assert not re.findall(r"""(?:src|href)=|url\(|@import|https?://""", page)


def test_health_counts_the_same_checks_as_the_page(page: str) -> None:
    (count,) = re.findall(r'class="lead">(.*?);', page)
    assert f" ! checks {count}: cleaned/orders parents_exist " in text(page)


def test_the_first_sentence_says_how_it_is(page: str) -> None:
    lead = re.findall(r'class="lead">(.*?)</p>', page, re.DOTALL)[0]
    assert re.fullmatch(
        rf"\d+ of \d+ checks passed, 1 warning, {FIRST} to {YESTERDAY}; 1 incident is open; "
        r"1 thing needs attention\.",
        lead,
    )


# --------------------------------------------------------------------------- the daily page


def given(daily: str) -> dict[str, Any]:
    (data,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', daily)
    return json.loads(data)


def test_the_daily_page_is_kept_under_its_day_and_is_the_latest(dashboards: Path) -> None:
    latest, kept = dashboards / "latest", dashboards / f"date={YESTERDAY}"
    assert (latest / "index.html").read_bytes() == (kept / "index.html").read_bytes()


def test_the_daily_page_has_the_figures_and_what_the_checks_said(daily: str, page: str) -> None:
    figures = given(daily)
    assert figures["regions"] == ["all", "north", "unknown"]
    assert figures["series"]["total_revenue"] == [[1250, 0, 0], [1250, 0, 0], [0, 0, 0]]
    assert figures["series"]["total_orders"][0] == [2, 0, 0]
    assert f"Report for {YESTERDAY:%A %-d %B %Y}" in daily
    # As on the page of the data's quality.
    (count,) = re.findall(r'class="lead">(\d+ of \d+ checks passed, 1 warning),', page)
    assert f'class="dot warned"></i><span>{count}</span>' in daily


def test_the_daily_page_tells_what_was_published_before_of_settled_days(
    daily: str, dashboards: Path, tmp_path: Path
) -> None:
    found = [one for one in given(daily)["restated"] if one["region"] == "all"]
    assert [(one["day"], one["metric"], one["was"], one["now"], one["cause"]) for one in found] == [
        (0, "total_revenue", 0, 1250, "backfill")
    ]
    # A day that is still to change is not told of.
    settings = Settings(_env_file=None, lake=str(dashboards.parent), start_date=FIRST)
    ledger = Ledger(open_storage(settings.lake), tmp_path)
    assert restatements(ledger, settings, FIRST, YESTERDAY) == []


def test_a_day_of_orders_that_never_came_and_a_huge_amount_do_not_stop_the_page(
    tmp_path: Path,
) -> None:
    days = [FIRST, FIRST + timedelta(days=1), YESTERDAY]
    shop = tmp_path / "shop"
    for name, header, row in (
        (
            "orders",
            "id,customer_id,total_amount,created_at,status",
            "{0},c1,10.00,{0} 10:00:00,done",
        ),
        ("payments", "id,order_id,amount,status,paid_at", "{0},{0},10.00,paid,{0} 11:00:00"),
    ):
        for day in days:
            if (name, day) != ("orders", days[1]):
                file = shop / name / f"date={day}" / "part.csv"
                file.parent.mkdir(parents=True)
                paid = row.replace(",10.00,paid", f",{HUGE},paid") if day == FIRST else row
                file.write_text(f"{header}\n{paid.format(day)}\n")
    (shop / "customers.csv").write_text("id,email,region,signup_date\n")
    settings = Settings(
        _env_file=None, source=shop.as_uri(), lake=str(tmp_path / "lake"), start_date=FIRST,
        email_hmac_key="k" * 32,
    )  # fmt: skip
    with dg.DagsterInstance.local_temp() as instance:
        platform = Platform(settings, instance)
        assert not platform.run(FIRST, YESTERDAY).success
        job = platform.definitions.resolve_job_def(MORNING_PAGES)
        made = job.execute_in_process(instance=instance)
        (event,) = made.asset_materializations_for_node("dashboards__daily")
    daily = (tmp_path / "lake/dashboards/latest/index.html").read_text(encoding="utf-8")
    assert f"Report for {YESTERDAY:%A %-d %B %Y}" in daily
    missing = f"{days[1]:%-d %B}"
    assert re.search(rf'class="dot failed"></i><span>[^<]*, {missing} missing</span>', daily)
    figures = given(daily)
    assert figures["series"]["total_revenue"][0] == [int(HUGE.replace(".", "")), 1000, 1000]
    assert figures["series"]["total_orders"][0] == [1, None, 1]
    assert figures["coverage"]["customer_retention_rate"] == {"since": 0, "missing": [1, 2]}
    assert figures["coverage"]["completed_payments"] == {"since": 0, "missing": []}
    said = str(event.metadata["summary"].value)
    assert f"\nRetention          \N{EN DASH}  orders of {missing} are missing\n" in said
    assert f"\nOrders of {missing} are missing.\n" in said


def test_the_daily_page_holds_no_address_and_no_id(daily: str) -> None:
    assert "ann@" not in daily
    assert "c1" not in json.dumps(given(daily))
