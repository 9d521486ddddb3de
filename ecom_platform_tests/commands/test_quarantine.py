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
PAYMENTS = """\
id,order_id,amount,status,paid_at
1,1,19.90,paid,2024-03-01 10:00:00
2,1,=cmd(),paid,2024-03-01 11:00:00
3,1,19.90,paid,soon
4,1,12 EUR,paid,2024-03-03 10:00:00
"""


@pytest.fixture
def shop(lake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A shop with three bad payments, run over four days; return the file of its payments."""
    del lake
    source = tmp_path / "shop"
    source.mkdir()
    (source / "orders.csv").write_text(
        "id,customer_id,total_amount,created_at,status\n1,7,19.90,2024-03-01 10:00:00,done\n"
        "2,7,19.90,1970-01-01 00:00:00,done\n3,7,19.90,2999-01-01 00:00:00,done\n"
    )
    (source / "customers.csv").write_text(
        "id,email,region,signup_date\n7,ann@example.invalid,north,2024-03-02\n"
        "8,bob@example.invalid,north,2024-02-31\n"
    )
    (source / "payments.csv").write_text(PAYMENTS)
    monkeypatch.setenv("ECOM_SOURCE", source.as_uri())
    monkeypatch.setenv("ECOM_EMAIL_HMAC_KEY", "k" * 32)
    done = ecom("run", *SPAN)
    assert done.code == 0
    for line in (
        "quarantine/payments: 3 rows of 2 days set aside: amount is not an amount (2), paid_at",
        "raw/orders: 1 row before ECOM_START_DATE, from 1970-01-01 on, in no dataset",
        "raw/orders: 1 row of the future, up to 2999-01-01, in no dataset yet",
    ):
        assert line in done.err
    return source / "payments.csv"


def test_rows_are_listed_shown_and_leave_once_they_are_mended(shop: Path, command: Call) -> None:
    listed = command("quarantine", "list", *SPAN, "--format", "json")
    assert [tuple(row.values()) for row in json.loads(listed.out)] == [
        ("customers", "signup_date is not a date", 1, 1, "2024-03-01", "2024-03-01"),
        ("payments", "amount is not an amount", 2, 2, "2024-03-01", "2024-03-03"),
        ("payments", "paid_at is not a time", 1, 1, "2024-03-01", "2024-03-01"),
    ]

    shown = command("quarantine", "show", "payments", *SPAN)
    lines = [line.split("│")[1:-1] for line in shown.out.splitlines() if line.startswith("│")]
    assert [[cell.strip() for cell in line] for line in lines] == [
        ["2024-03-01", "2", "amount is not an amount", "=cmd()"],
        ["2024-03-01", "3", "paid_at is not a time", "soon"],
        ["2024-03-03", "4", "amount is not an amount", "12 EUR"],
    ]
    reason = "amount is not an amount"
    printed = command("quarantine", "show", "payments", "--reason", reason, "--format", "csv")
    found = list(csv.DictReader(io.StringIO(printed.out)))
    assert [row["amount_text"] for row in found] == ["'=cmd()", "12 EUR"]

    people = command("quarantine", "show", "customers", "--format", "json")
    assert len(json.loads(people.out)) == 1
    assert "bob" not in people.out

    shop.write_text(PAYMENTS.replace("12 EUR", "12.00"))
    replayed = ecom("quarantine", "replay", "--table", "payments", *SPAN)
    assert replayed.code == 0
    assert "2024-03-01 published" in replayed.out + replayed.err
    assert "2024-03-03 published" in replayed.out + replayed.err
    assert "2024-03-02" not in replayed.out + replayed.err
    (row,) = (line for line in replayed.out.splitlines() if reason in line)
    assert [cell.strip() for cell in row.split("│")[1:-1]] == ["payments", reason, "2", "1"]
    revenue = command("show", "total_revenue", "--from", "2024-03-03", "--to", "2024-03-03",
                      "--region", "all", "--format", "json")  # fmt: skip
    assert json.loads(revenue.out)[0]["total_revenue"] == 12


def test_where_nothing_is_set_aside_nothing_is_run(shop: Path, command: Call) -> None:
    del shop
    done = command("quarantine", "replay", "--table", "orders", *SPAN)
    assert (done.code, done.out) == (0, "")
    assert "No day has rows in the quarantine." in done.err


@pytest.mark.usefixtures("lake")
def test_a_lake_without_days_says_what_to_run(command: Call) -> None:
    done = command("quarantine", "list", *SPAN)
    assert done.code == 1
    assert "quarantine/orders was never computed for 2024-03-01 to 2024-03-04" in done.err
