"""The way of the README in a browser: `ecom demo`, `ecom dev`, and a look at everything."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from playwright.sync_api import expect

from ecom_platform.assets.metrics import METRICS
from ecom_platform.calendar import days_between
from ecom_platform.datasets import CLEANED, QUARANTINE, RAW
from ecom_platform.sources.embedded_postgres import start_postgres, stop_postgres
from ecom_platform_tests.ui.browser import (
    choose_days,
    launch_backfill,
    launch_run,
    screenshot,
    watched_page,
)
from ecom_platform_tests.ui.dagster_ui import (
    DagsterUI,
    dagster_dev,
    ecom_command,
    own_environment,
)

if TYPE_CHECKING:
    from collections.abc import Generator

    from playwright.sync_api import Browser, Locator, Page

#: On a busy machine the runs of two backfills take minutes.
pytestmark = pytest.mark.timeout(600)

PROJECT = Path(__file__).parents[2]
DAYS = 20
ASSETS = {dataset.path for dataset in (*RAW, *CLEANED, *QUARANTINE, *(m.dataset for m in METRICS))}


@dataclass(frozen=True)
class Demo:
    """A demo in a folder: its first and last day."""

    folder: Path
    first: date
    last: date

    def day(self, number: int) -> date:
        """Return a day by its number, from 1 on."""
        return self.first + timedelta(days=number - 1)

    def days(self, first: int, last: int) -> str:
        """Return a range of days, by their numbers, as Dagster's dialog takes it."""
        return f"[{self.day(first)}...{self.day(last)}]"


@pytest.fixture(scope="module")
def demo(
    browser: Browser,  # without one, there is nothing to make a demo for
    tmp_path_factory: pytest.TempPathFactory,
) -> Generator[Demo]:
    del browser
    folder = tmp_path_factory.mktemp("demo")
    shutil.copy(PROJECT / "dagster.yaml", folder)
    command = ecom_command("demo", "--orders", "3000", "--days", str(DAYS), "--folder", str(folder))
    done = subprocess.run(
        command, env=own_environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    lake = sorted(path.name.removeprefix("date=") for path in folder.glob("lake/raw/orders/*"))
    yield Demo(folder, date.fromisoformat(lake[0]), date.fromisoformat(lake[-1]))
    stop_postgres(folder / "postgres")


@pytest.fixture(scope="module")
def dagster(demo: Demo) -> Generator[DagsterUI]:
    # Whoever opens a new Dagster is asked, once, to join its community.
    (demo.folder / ".nux").mkdir()
    (demo.folder / ".nux" / "nux.yaml").write_text("seen: 1\n")
    with dagster_dev(demo.folder) as ui:
        yield ui


@pytest.fixture
def page(browser: Browser) -> Generator[Page]:
    with watched_page(browser) as opened:
        yield opened


@pytest.fixture(scope="module")
def backfills(browser: Browser, dagster: DagsterUI, demo: Demo) -> dict[str, str]:
    """Two backfills launched from the dialog: of one range, and of two ranges with a gap."""
    launched: dict[str, str] = {}
    with watched_page(browser) as page:
        page.goto(f"{dagster.url}/asset-groups")
        dialog = choose_days(page, "Materialize all", demo.days(11, DAYS), 10)
        screenshot(page, "backfill-dialog")
        launched["one range"] = launch_backfill(page, dialog)
        page.goto(f"{dagster.url}/asset-groups")
        ranges = f"{demo.days(1, 3)}, {demo.days(6, 8)}"
        dialog = choose_days(page, "Materialize all", ranges, 6)
        launched["two ranges"] = launch_backfill(page, dialog)
    return launched


@pytest.fixture(scope="module")
def after_backfills(dagster: DagsterUI, backfills: dict[str, str]) -> None:
    """Nothing is running: two runs of one day would be in each other's way."""
    for backfill in backfills.values():
        dagster.finished_backfill(backfill)


def test_dagster_starts_without_a_warning(dagster: DagsterUI) -> None:
    lines = re.findall(r"(?im)^.*(?:warn|error|traceback).*$", dagster.output.read_text())
    # What the checks say of the demo's data is for the log.
    said = re.compile(" - incidents - |Sensor health skipped")
    assert [line for line in lines if not said.search(line)] == []


def test_the_lineage_shows_the_layers_and_every_asset(browser: Browser, dagster: DagsterUI) -> None:
    layers = ("raw", "cleaned", "quarantine", "metrics")
    with watched_page(browser, 2600, 2400) as page:  # smaller, and nodes are without their details
        page.goto(f"{dagster.url}/asset-groups")
        for layer in (*layers, "marts", "dashboards"):
            expect(page.get_by_text(layer, exact=True).last).to_be_visible()
        opened = ",".join(f"global@global:{layer}" for layer in layers if layer != "quarantine")
        page.goto(f"{dagster.url}/asset-groups?expanded={opened}")
        for asset in ASSETS:
            layer, name = asset.split("/")
            if layer != "quarantine":
                expect(page.get_by_text(name, exact=True).last).to_be_visible()
        expect(page.get_by_text("100% filled")).to_have_count(len(ASSETS) - len(QUARANTINE))
        expect(page.locator("[class*=Alert_]")).to_have_count(0)
        screenshot(page, "asset-graph")


def test_an_asset_says_what_it_is_and_where_each_column_comes_from(
    page: Page, dagster: DagsterUI, demo: Demo
) -> None:
    page.goto(f"{dagster.url}/assets/cleaned/orders")

    for words in (
        "Orders with checked types, one row each.",
        "Grain: one row per order.",
        "DuckDB",
    ):
        expect(page.get_by_text(words).last).to_be_visible()
    expect(page.get_by_role("link").filter(has_text="orders.sql")).to_be_visible()
    amount = page.get_by_role("row").filter(has_text="total_amount")
    expect(amount).to_contain_text("DECIMAL(18,2)")
    expect(amount).to_contain_text("rounded half-up to 2 decimals")
    expect(amount).to_contain_text("From raw/orders: total_amount, total_amount_text")
    expect(page.get_by_role("row").filter(has_text="Order id")).to_contain_text("key within a day")
    expect(page.get_by_text(str(demo.last), exact=True).first).to_be_visible()
    screenshot(page, "asset")
    page.get_by_role("row").filter(has_text="sql").get_by_text("Show Markdown").click()
    expect(page.get_by_role("dialog")).to_contain_text("then 'created_at is missing'")


def test_a_day_tells_its_rows(page: Page, dagster: DagsterUI, demo: Demo) -> None:
    page.goto(f"{dagster.url}/assets/cleaned/orders?view=partitions&partition={demo.day(14)}")

    for fact in ("dagster/partition_row_count", "quarantined_rows", "dagster/uri"):
        expect(page.get_by_role("row").filter(has_text=fact)).to_have_count(1)
    expect(page.get_by_role("row").filter(has_text="raw_rows")).to_contain_text(re.compile(r"\d"))


def test_a_range_up_to_the_last_day_is_one_run(
    page: Page, dagster: DagsterUI, demo: Demo, backfills: dict[str, str]
) -> None:
    status, runs = dagster.finished_backfill(backfills["one range"])

    assert status == "COMPLETED_SUCCESS"
    assert [(run.first, run.last, run.status) for run in runs] == [
        (str(demo.day(11)), str(demo.last), "SUCCESS")
    ]
    assert runs[0].assets == ASSETS
    page.goto(f"{dagster.url}/runs/b/{backfills['one range']}")
    expect(page.get_by_text("100% completed").first).to_be_visible()
    screenshot(page, "backfill")


def test_two_ranges_with_a_gap_are_two_runs_and_retention_of_each_day_it_concerns_follows_once(
    dagster: DagsterUI, demo: Demo, backfills: dict[str, str]
) -> None:
    status, runs = dagster.finished_backfill(backfills["two ranges"])

    assert status == "COMPLETED_SUCCESS"
    retention = {"metrics/customer_retention_rate"}
    assert [(run.first, run.last, run.assets) for run in runs if run.assets != retention] == [
        (str(demo.day(1)), str(demo.day(3)), ASSETS - retention),
        (str(demo.day(6)), str(demo.day(8)), ASSETS - retention),
    ]
    # One run, or two where the first range was done long before the second.
    ranges = [(run.first, run.last) for run in runs if run.assets == retention]
    made = [days_between(*map(date.fromisoformat, ends)) for ends in ranges]
    assert sorted(chain.from_iterable(made)) == list(days_between(demo.day(1), demo.last))
    assert {run.status for run in runs} == {"SUCCESS"}


def test_a_range_in_the_past_makes_retention_of_the_days_that_look_back_on_it(
    page: Page, dagster: DagsterUI, demo: Demo
) -> None:
    page.goto(f"{dagster.url}/asset-groups")
    dialog = choose_days(page, "Materialize all", demo.days(5, 10), 6)
    dialog.get_by_text("Preview").click()

    def row(asset: str) -> Locator:
        rows = page.locator("[class*=VirtualizedTable_row]")
        return rows.filter(has_text=asset.replace("/", " / "))

    expect(row("metrics/total_orders")).to_contain_text(f"{demo.day(5)}...{demo.day(10)}")
    expect(row("metrics/customer_retention_rate")).to_contain_text(f"{demo.day(5)}...{demo.last}")


def test_one_day_is_materialized_from_the_page_of_an_asset(
    page: Page, dagster: DagsterUI, demo: Demo, after_backfills: None
) -> None:
    page.goto(f"{dagster.url}/assets/cleaned/orders")
    dialog = choose_days(page, "Materialize", str(demo.day(14)))
    expect(dialog.get_by_text("Launch runs to materialize 2 assets")).to_be_visible()
    run = launch_run(page, dialog)

    assert dagster.finished_run(run) == "SUCCESS"
    page.goto(f"{dagster.url}/assets/cleaned/orders?view=partitions&partition={demo.day(14)}")
    expect(page.get_by_role("link", name=run[:8])).to_be_visible()


def test_a_day_that_failed_says_why(
    page: Page, dagster: DagsterUI, demo: Demo, after_backfills: None
) -> None:
    bad_day = demo.day(17)
    with psycopg.connect(start_postgres(demo.folder / "postgres")) as shop:
        shop.execute(
            "UPDATE payments SET amount = NULL WHERE paid_at::date = %s AND id %% 7 = 0", [bad_day]
        )
    page.goto(f"{dagster.url}/asset-groups")
    run = launch_run(page, choose_days(page, "Materialize all", str(bad_day)))

    assert dagster.finished_run(run) == "FAILURE"
    statuses = {asset: dagster.asset_statuses(asset)[str(bad_day)] for asset in ASSETS}
    assert {asset for asset, status in statuses.items() if status == "FAILED"} == {
        "cleaned/payments",
        "quarantine/payments",
        "metrics/total_revenue",
        "metrics/payment_status",
        "metrics/average_order_value",
    }
    page.goto(f"{dagster.url}/assets/cleaned/payments?view=partitions&partition={bad_day}")
    expect(page.get_by_text("failed, and did not materialize this asset")).to_be_visible()
    expect(page.get_by_text("Failed (1)")).to_be_visible()
    screenshot(page, "failed-day")
    page.goto(f"{dagster.url}/runs/{run}?logs=step%3Aclean_payments")
    reason = rf"{bad_day}: \d+ of \d+ rows would be quarantined.*amount is missing \(\d+\)"
    expect(page.get_by_text(re.compile(reason, re.DOTALL)).first).to_be_visible()
    screenshot(page, "failed-run")


@pytest.mark.usefixtures("after_backfills")
def test_a_check_answers_for_each_day(page: Page, dagster: DagsterUI, demo: Demo) -> None:
    statuses = dagster.check_statuses("cleaned/orders", "parents_exist")
    assert len(statuses) == DAYS
    orphans = [day for day, status in statuses.items() if status == "FAILED"]

    page.goto(f"{dagster.url}/assets/cleaned/orders?view=checks")
    page.get_by_text("parents_exist", exact=True).first.click()
    expect(page.get_by_text("Does every row that names a parent")).to_be_visible()
    page.get_by_role("tab", name="Partitions").last.click()
    expect(page.get_by_text(f"Failed ({len(orphans)})", exact=True)).to_be_visible()
    expect(page.get_by_text(f"Passed ({DAYS - len(orphans)})")).to_be_visible()
    page.get_by_text([str(demo.last), *orphans][-1], exact=True).first.click()
    expect(page.get_by_text("Target materialization")).to_be_visible()
    screenshot(page, "checks")
