"""The checks of what the source is like now: its columns, and rows of the future."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import dagster as dg
import pytest

from ecom_platform.automation.catalog import Catalog
from ecom_platform.automation.run_answers import read_run
from ecom_platform.settings import Settings
from ecom_platform_tests.platform import Platform, open_platform

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DAY = date(2024, 3, 1)
HEADER = "id,customer_id,total_amount,created_at,status"
SAME, FUTURE = "raw/orders columns_are_the_same", "raw/orders nothing_is_of_the_future"


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    """A shop in files, which has no order yet."""
    (tmp_path / "customers.csv").write_text("id,email,region,signup_date\n")
    (tmp_path / "payments.csv").write_text("id,order_id,amount,status,paid_at\n")
    (tmp_path / "orders.csv").write_text(f"{HEADER}\n")
    settings = Settings(
        _env_file=None, source=tmp_path.as_uri(), lake=str(tmp_path / "lake"), start_date=DAY,
        email_hmac_key="k" * 32,
    )  # fmt: skip
    with open_platform(settings) as opened:
        yield opened


def ask(platform: Platform, check: str) -> dg.AssetCheckEvaluation:
    """Run a day; return what the check says of no day."""
    result = platform.run(DAY, DAY)
    assert result.success
    (answer,) = platform.answers(result.run_id)[check].values()
    assert answer.partition is None
    return answer


def facts(answer: dg.AssetCheckEvaluation) -> dict[str, object]:
    return {name: value.value for name, value in answer.metadata.items()}


def test_a_column_that_is_new_dropped_or_renamed_is_told_once(
    platform: Platform, tmp_path: Path
) -> None:
    assert ask(platform, SAME).passed  # the first time that it is seen
    assert ask(platform, SAME).passed
    (tmp_path / "orders.csv").write_text(f"note,{HEADER},coupon\n")
    changed = ask(platform, SAME)
    assert (changed.passed, changed.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert facts(changed) == {"new": "note (text), coupon (text)"}
    assert ask(platform, SAME).passed
    (tmp_path / "orders.csv").write_text(f"{HEADER},voucher\n")
    assert facts(ask(platform, SAME)) == {
        "new": "voucher (text)",
        "dropped": "note (text), coupon (text)",
    }


def test_a_new_column_is_a_notice_and_a_row_of_the_future_goes_on(
    platform: Platform, tmp_path: Path
) -> None:
    catalog = Catalog(platform.definitions.resolve_asset_graph())
    ask(platform, SAME)
    (tmp_path / "orders.csv").write_text(f"{HEADER},note\n1,,1.00,2999-03-01 10:00:00,done,\n")
    result = platform.run(DAY, DAY)
    run = platform.instance.get_run_by_id(result.run_id)
    assert run is not None
    seen = {f"{one.asset} {one.check}": one for one in read_run(platform.instance, run, catalog)}
    assert (seen[SAME].passed, seen[SAME].day, seen[SAME].about.notice) == (False, "", True)
    assert (seen[FUTURE].passed, seen[FUTURE].day, seen[FUTURE].about.notice) == (False, "", False)
    assert seen[FUTURE].facts == {"broken": 1, "latest": "2999-03-01"}
    assert seen[FUTURE].about.owner == "team:data"


def test_a_row_of_the_future_is_told_until_it_is_gone(platform: Platform, tmp_path: Path) -> None:
    assert ask(platform, FUTURE).passed
    (tmp_path / "orders.csv").write_text(f"{HEADER}\n1,,1.00,2999-03-01 10:00:00,done\n")
    for _ in range(2):
        assert not ask(platform, FUTURE).passed
    (tmp_path / "orders.csv").write_text(f"{HEADER}\n")
    assert ask(platform, FUTURE).passed


def test_a_csv_file_whose_last_value_may_be_cut_is_told(platform: Platform, tmp_path: Path) -> None:
    check = "raw/orders files_end_with_a_line_end"
    assert ask(platform, check).passed
    (tmp_path / "orders.csv").write_text(f"{HEADER}\n1,,1.00,2024-03-01 10:00:00,deliv")
    answer = ask(platform, check)
    assert not answer.passed
    assert facts(answer) == {"broken": 1, "file": "orders.csv"}
