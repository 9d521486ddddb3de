"""`ecom quarantine`: what is set aside, shown and tried again."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING

import pytest

from ecom_platform_tests.commands.harness import ecom

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ecom_platform_tests.commands.harness import Done

    Call = Callable[..., Done]

SPAN = ("--from", "2024-03-01", "--to", "2024-03-04")
ORDERS = """\
id,customer_id,total_amount,created_at,status
1,7,19.90,2024-03-01 10:00:00,done
2,7,=cmd(),2024-03-01 11:00:00,done
3,7,19.90,soon,done
4,7,12 EUR,2024-03-03 10:00:00,done
"""


@pytest.fixture
def shop(lake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A shop with three bad orders, run over four days; return the file of its orders."""
    del lake
    source = tmp_path / "shop"
    source.mkdir()
    (source / "orders.csv").write_text(ORDERS)
    (source / "customers.csv").write_text(
        "id,email,region,signup_date\n7,ann@example.invalid,north,2024-03-02\n"
        "8,bob@example.invalid,north,2024-02-31\n"
    )
    (source / "payments.csv").write_text("id,order_id,amount,status,paid_at\n")
    monkeypatch.setenv("ECOM_SOURCE", source.as_uri())
    monkeypatch.setenv("ECOM_EMAIL_HMAC_KEY", "k" * 32)
    assert ecom("run", *SPAN).code == 0
    return source / "orders.csv"


def test_rows_are_listed_shown_and_leave_once_they_are_mended(shop: Path, command: Call) -> None:
    listed = command("quarantine", "list", *SPAN, "--format", "json")
    assert [tuple(row.values()) for row in json.loads(listed.out)] == [
        ("orders", "total_amount is not an amount", 2, 2, "2024-03-01", "2024-03-03"),
        ("orders", "created_at is not a time", 1, 1, "2024-03-01", "2024-03-01"),
        ("customers", "signup_date is not a date", 1, 1, "2024-03-01", "2024-03-01"),
    ]

    shown = command("quarantine", "show", "orders", *SPAN)
    lines = [line.split("│")[1:-1] for line in shown.out.splitlines() if line.startswith("│")]
    assert [[cell.strip() for cell in line] for line in lines] == [
        ["2024-03-01", "3", "created_at is not a time", "soon"],
        ["2024-03-01", "2", "total_amount is not an amount", "=cmd()"],
        ["2024-03-03", "4", "total_amount is not an amount", "12 EUR"],
    ]
    reason = "total_amount is not an amount"
    printed = command("quarantine", "show", "orders", "--reason", reason, "--format", "csv")
    found = list(csv.DictReader(io.StringIO(printed.out)))
    assert [row["total_amount_text"] for row in found] == ["'=cmd()", "12 EUR"]

    people = command("quarantine", "show", "customers", "--format", "json")
    assert len(json.loads(people.out)) == 1
    assert "bob" not in people.out

    shop.write_text(ORDERS.replace("12 EUR", "12.00"))
    replayed = ecom("quarantine", "replay", "--table", "orders", *SPAN)
    assert replayed.code == 0
    assert "2024-03-01 published" in replayed.out + replayed.err
    assert "2024-03-03 published" in replayed.out + replayed.err
    assert "2024-03-02" not in replayed.out + replayed.err
    (row,) = (line for line in replayed.out.splitlines() if reason in line)
    assert [cell.strip() for cell in row.split("│")[1:-1]] == ["orders", reason, "2", "1"]
    revenue = command("show", "total_orders", "--from", "2024-03-03", "--to", "2024-03-03",
                      "--region", "all", "--format", "json")  # fmt: skip
    assert json.loads(revenue.out)[0]["total_orders"] == 1


def test_where_nothing_is_set_aside_nothing_is_run(shop: Path, command: Call) -> None:
    del shop
    done = command("quarantine", "replay", "--table", "payments", *SPAN)
    assert (done.code, done.out) == (0, "")
    assert "No day has rows in the quarantine." in done.err


@pytest.mark.usefixtures("lake")
def test_a_lake_without_days_says_what_to_run(command: Call) -> None:
    done = command("quarantine", "list", *SPAN)
    assert done.code == 1
    assert "quarantine/orders was never computed for 2024-03-01 to 2024-03-04" in done.err
