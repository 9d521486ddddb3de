from __future__ import annotations

import csv
import io
import json
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from ecom_platform.commands.formats import messages
from ecom_platform_tests.commands.harness import ecom
from ecom_platform_tests.commands.lake import publish

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ecom_platform_tests.commands.harness import Done

    Call = Callable[..., Done]

FIRST, SECOND = date(2024, 3, 1), date(2024, 3, 2)
DAYS = ("--from", "2024-03-01", "--to", "2024-03-02")


def revenue(region: str, amount: str, day: date = FIRST) -> dict[str, Any]:
    return {"date": day, "region": region, "total_revenue": amount}


@pytest.fixture
def two_days(lake: Path) -> None:
    del lake
    publish(
        "metrics/total_revenue",
        revenue("all", "1234567.5"),
        revenue("North", "1234567.5"),
        revenue("all", "0", SECOND),
        days=[FIRST, SECOND],
    )


@pytest.mark.usefixtures("two_days")
def test_a_table_has_thousands_separated_and_two_decimals(command: Call) -> None:
    done = command("show", "total_revenue", *DAYS)

    assert done.code == 0
    rows = [line.split("│")[1:-1] for line in done.out.splitlines() if line.startswith("│")]
    assert [[cell.strip() for cell in row] for row in rows] == [
        ["2024-03-01", "all", "1,234,567.50"],
        ["2024-03-01", "North", "1,234,567.50"],
        ["2024-03-02", "all", "0.00"],
    ]


@pytest.mark.usefixtures("two_days")
def test_json_has_money_as_numbers_with_two_decimals() -> None:
    done = ecom("show", "total_revenue", *DAYS, "--format", "json")

    assert (done.code, done.err) == (0, "")
    assert '"total_revenue": 1234567.50}' in done.out
    rows = json.loads(done.out, parse_float=Decimal)
    assert rows[0] == {
        "date": "2024-03-01",
        "region": "all",
        "total_revenue": Decimal("1234567.50"),
    }
    assert len(rows) == 3


@pytest.mark.usefixtures("two_days")
def test_csv_has_money_with_two_decimals_and_no_separators() -> None:
    done = ecom("show", "total_revenue", *DAYS, "--format", "csv")

    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == [
        "date,region,total_revenue",
        "2024-03-01,all,1234567.50",
        "2024-03-01,North,1234567.50",
        "2024-03-02,all,0.00",
    ]


def test_ratios_are_whole_in_json_and_null_without_a_denominator(lake: Path, command: Call) -> None:
    del lake
    publish(
        "metrics/average_order_value",
        {
            "date": FIRST, "region": "all", "total_revenue": 10, "total_orders": 3,
            "average_order_value": 10 / 3,
        },
        {"date": SECOND, "region": "all", "total_revenue": 0, "total_orders": 0},
        days=[FIRST, SECOND],
    )  # fmt: skip

    rows = json.loads(command("show", "average_order_value", *DAYS, "--format", "json").out)

    assert [row["average_order_value"] for row in rows] == [10 / 3, None]


@pytest.mark.usefixtures("two_days")
def test_a_region_can_be_asked_for_alone(command: Call) -> None:
    done = command("show", "total_revenue", *DAYS, "--region", "North", "--format", "csv")

    assert done.out.splitlines()[1:] == ["2024-03-01,North,1234567.50"]


@pytest.mark.usefixtures("two_days")
def test_an_unknown_region_gives_no_rows_and_the_known_ones(command: Call) -> None:
    done = command("show", "total_revenue", *DAYS, "--region", "Noth'", "--format", "json")

    assert json.loads(done.out) == []
    assert "No region Noth' here; there is North, all." in done.err


STRANGE_REGIONS = [
    "=cmd()",
    "+1",
    "-1",
    "@SUM(A1)",
    "[bold]North[/bold]",
    "שלום עולם",
    "N" * 200,
    'quote " comma , and\nline',
]


@pytest.fixture
def strange_regions(lake: Path) -> None:
    del lake
    rows = [revenue(region, "1.00") for region in STRANGE_REGIONS]
    publish("metrics/total_revenue", *rows, days=[FIRST])


@pytest.mark.usefixtures("strange_regions")
def test_csv_keeps_a_spreadsheet_from_running_a_region(command: Call) -> None:
    out = command("show", "total_revenue", *DAYS, "--format", "csv").out

    regions = {row["region"] for row in csv.DictReader(io.StringIO(out))}
    assert regions == {
        f"'{region}" if region[0] in "=+-@" else region for region in STRANGE_REGIONS
    }


@pytest.mark.usefixtures("strange_regions")
def test_json_gives_regions_as_they_are(command: Call) -> None:
    rows = json.loads(command("show", "total_revenue", *DAYS, "--format", "json").out)

    assert {row["region"] for row in rows} == set(STRANGE_REGIONS)


@pytest.mark.usefixtures("strange_regions")
def test_a_table_shows_every_region_whole_and_unstyled(command: Call) -> None:
    lines = command("show", "total_revenue", *DAYS).out.splitlines()

    shown = {line.split("│")[2].strip() for line in lines if line.startswith("│")}
    assert {"=cmd()", "[bold]North[/bold]", "שלום עולם", "N" * 200} <= shown


def test_a_table_gives_a_terminal_nothing_to_act_on(lake: Path, command: Call) -> None:
    del lake
    publish("metrics/total_revenue", revenue("\x1b[2JNorth\u202e", "1.00"), days=[FIRST, SECOND])

    done = command("show", "total_revenue", *DAYS)

    assert "\ufffd[2JNorth\ufffd" in done.out
    assert "\x1b" not in done.out


def test_no_message_acts_on_a_terminal_and_ours_keep_their_lines() -> None:
    said = io.StringIO()
    messages(said).print("North\x1b[2J\x00\nnext \u202eline", markup=False)
    assert said.getvalue() == "North\ufffd[2J\ufffd\nnext \ufffdline\n"


@pytest.mark.usefixtures("lake")
def test_an_error_gives_a_terminal_nothing_to_act_on(command: Call) -> None:
    done = command("show", "\x1b]0;title\x07", *DAYS)

    assert done.code == 1
    assert "\ufffd]0;title" in done.err
    assert not {"\x1b", "\x07"} & set(done.err)


@pytest.mark.usefixtures("two_days")
def test_days_that_were_never_computed_are_said_with_what_to_run(command: Call) -> None:
    done = command("show", "total_revenue", "--from", "2024-03-02", "--to", "2024-03-05")

    assert done.code == 2
    assert "2024-03-02" in done.out
    assert done.err == (
        "metrics/total_revenue was never computed for 2024-03-03 to 2024-03-05.\n"
        "  What to do: Run: ecom run --from 2024-03-03 --to 2024-03-05\n"
    )


@pytest.mark.usefixtures("two_days")
def test_a_range_of_which_no_day_was_computed_is_an_error() -> None:
    done = ecom("show", "total_revenue", "--from", "2024-03-03", "--to", "2024-03-03")

    assert (done.code, done.out) == (1, "")
    assert "metrics/total_revenue was never computed for 2024-03-03" in done.err
    assert "Run: ecom run --from 2024-03-03 --to 2024-03-03" in done.err


@pytest.mark.parametrize(
    ("first", "last", "words"),
    [
        ("2024-02-28", "2024-03-01", "before the first partition, 2024-03-01"),
        ("2024-03-02", "2024-03-01", "The range is empty"),
        ("2024-03-01", "2999-01-01", "is not over yet"),
    ],
)
@pytest.mark.usefixtures("two_days")
def test_days_that_cannot_be_are_refused(first: str, last: str, words: str, command: Call) -> None:
    done = command("show", "total_revenue", "--from", first, "--to", last)

    assert (done.code, done.out) == (1, "")
    assert words in done.err


@pytest.mark.usefixtures("lake")
def test_an_unknown_metric_is_told_the_known_ones(command: Call) -> None:
    done = command("show", "revenue", *DAYS)

    assert (done.code, done.out) == (1, "")
    assert "There is no metric revenue" in done.err
    assert "average_order_value, customer_retention_rate, payment_status" in done.err


@pytest.mark.usefixtures("two_days")
def test_a_damaged_file_of_the_lake_is_named(lake: Path, command: Call) -> None:
    (lake / "metrics/total_revenue/date=2024-03-02/data.parquet").write_bytes(b"PAR1 and no more")

    done = command("show", "total_revenue", *DAYS)

    assert done.code == 1
    assert "metrics/total_revenue/date=2024-03-02/data.parquet is damaged" in done.err


def test_a_lake_in_s3_is_read_alike(
    bucket: str, monkeypatch: pytest.MonkeyPatch, command: Call
) -> None:
    monkeypatch.setenv("ECOM_LAKE", f"s3://{bucket}/lake")
    monkeypatch.setenv("ECOM_START_DATE", "2024-03-01")
    publish("metrics/total_revenue", revenue("all", "5"), days=[FIRST])

    done = command("show", "total_revenue", *DAYS, "--format", "csv")

    assert done.out.splitlines()[1:] == ["2024-03-01,all,5.00"]
    assert done.code == 2
