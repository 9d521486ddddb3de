"""Cleaning: why a row is rejected, what a value becomes, and that every row is accounted for."""

from __future__ import annotations

import shutil
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import dagster as dg
import pytest

from ecom_platform.assets.cleaned import build_cleaned_assets
from ecom_platform.assets.sql_files import SQL_FOLDER
from ecom_platform.datasets import RAW
from ecom_platform.settings import SOURCE_COLUMNS, Settings
from ecom_platform_tests.pipeline import DATASETS, Pipeline, open_lake
from ecom_platform_tests.platform import open_platform

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

FIRST, DAY = date(2024, 1, 1), date(2024, 1, 2)

#: A good row of each table, of `DAY`.
GOOD = {
    "orders": ("7", "c1", "12.30", "2024-01-02 10:00:00", "shipped"),
    "customers": ("c1", "c1@example.invalid", "North", "2024-01-02"),
    "payments": ("8", "7", "12.30", "paid", "2024-01-02 11:00:00"),
}


def row(table: str, **changes: str) -> tuple[str, ...]:
    """Return the good row of a table with some values changed; empty is NULL."""
    columns = SOURCE_COLUMNS[table]
    return tuple(changes.get(name, value) for name, value in zip(columns, GOOD[table], strict=True))


@pytest.fixture(scope="module")
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as opened:
        yield opened


@pytest.fixture
def shop(tmp_path: Path) -> Callable[..., Settings]:
    """Write tables as CSV and return settings that read them; by default one good row each."""

    def write(**tables: Sequence[tuple[str, ...]]) -> Settings:
        options = {name: tables.pop(name) for name in [*tables] if name not in GOOD}
        for table, good in GOOD.items():
            lines = [SOURCE_COLUMNS[table], *tables.get(table, [good])]
            (tmp_path / f"{table}.csv").write_text("".join(f"{','.join(line)}\n" for line in lines))
        return settings_of(tmp_path, **options)

    return write


def settings_of(folder: Path, **options: Any) -> Settings:
    """Return settings that read a folder, from `FIRST` on."""
    known = {
        "source": folder.as_uri(),
        "lake": str(folder / "lake"),
        "start_date": FIRST,
        "email_hmac_key": "k" * 32,
    }
    return Settings(_env_file=None, **known | options)


def rows(settings: Settings, dataset: str, columns: str = "*") -> list[tuple[Any, ...]]:
    """Return rows of both days, in order of their columns."""
    with open_lake(settings, [dataset], FIRST, DAY) as lake:
        query = f"SELECT {columns} FROM {dataset.replace('/', '.')} ORDER BY ALL"
        return lake.execute(query).fetchall()


def assert_all_accounted_for(pipeline: Pipeline) -> None:
    """Assert of each table and day: raw = cleaned + quarantined + duplicates, said and stored."""
    for raw in RAW:
        for day in (FIRST, DAY):
            facts = pipeline.facts[f"cleaned/{raw.name}", str(day)]
            layers = ["raw", "cleaned", "quarantine"]
            with open_lake(
                pipeline.settings, [f"{layer}/{raw.name}" for layer in layers], day, day
            ) as lake:
                stored = [
                    lake.execute(f"SELECT count(*) FROM {layer}.{raw.name}").fetchall()[0][0]
                    for layer in layers
                ]
            said = [facts[name] for name in ("raw_rows", "cleaned_rows", "quarantined_rows")]
            assert stored == said
            assert stored[0] == stored[1] + stored[2] + facts["duplicate_rows"]


NOT_A_TIME, NOT_AN_AMOUNT = "created_at is not a time", "amount is not an amount"
DIFFER = "id is on rows that differ"
#: For each table: what is wrong with a row, and the reason that is given.
REJECTED = {
    "orders": [
        ({"id": ""}, "id is missing"),
        ({"id": "7"}, DIFFER),
        ({"id": "7", "status": "returned"}, DIFFER),
        ({"created_at": "2024-02-30 10:00:00"}, NOT_A_TIME),
        ({"created_at": "soon"}, NOT_A_TIME),
        ({"created_at": ""}, "created_at is missing"),
    ],
    "customers": [
        ({"id": ""}, "id is missing"),
        ({"id": "c1"}, DIFFER),
        ({"id": "c1", "region": "South"}, DIFFER),
        ({"signup_date": "2024-13-01"}, "signup_date is not a date"),
    ],
    "payments": [
        ({"id": ""}, "id is missing"),
        ({"id": "7"}, DIFFER),
        ({"id": "7", "amount": "1"}, DIFFER),
        ({"paid_at": "0000-00-00 00:00:00"}, "paid_at is not a time"),
        ({"amount": ""}, "amount is missing"),
        ({"amount": "--1"}, NOT_AN_AMOUNT),
        ({"amount": "12 EUR"}, NOT_AN_AMOUNT),
        ({"amount": "NaN"}, NOT_AN_AMOUNT),
        ({"amount": "1_000"}, NOT_AN_AMOUNT),
        ({"amount": "9999999999999999.995"}, NOT_AN_AMOUNT),
    ],
}


@pytest.mark.parametrize("table", REJECTED)
def test_a_row_that_cannot_be_cleaned_is_kept_whole_with_the_reason(
    shop: Callable[..., Settings], instance: dg.DagsterInstance, table: str
) -> None:
    bad = [row(table, **{"id": f"bad {n}"} | wrong) for n, (wrong, _) in enumerate(REJECTED[table])]
    settings = shop(**{table: bad}, quarantine_max_share=1.0)
    pipeline = Pipeline(settings, instance)
    assert pipeline.run(FIRST, DAY) == {}
    assert_all_accounted_for(pipeline)
    columns = [c.name for c in DATASETS[f"quarantine/{table}"].columns if c.name != "reject_reason"]
    found = rows(settings, f"quarantine/{table}", f"id, reject_reason, {', '.join(columns)}")
    expected = [
        (values[0] or None, why) for values, (_, why) in zip(bad, REJECTED[table], strict=True)
    ]
    assert Counter((id_, why) for id_, why, *_ in found) == Counter(expected)
    whole = rows(settings, f"raw/{table}", ", ".join(columns))
    assert Counter(tuple(values) for _, _, *values in found) == Counter(whole)
    assert rows(settings, f"cleaned/{table}") == []


@pytest.mark.parametrize(
    ("table", "other", "reason"),
    [
        ("orders", {"created_at": "2024-01-03 00:00:00"}, "created_at is not on this day"),
        ("orders", {"created_at": "2024-01-01 23:59:59"}, "created_at is not on this day"),
        ("payments", {"paid_at": "2024-01-01 23:59:59.999999"}, "paid_at is not on this day"),
        ("customers", {"signup_date": "2024-01-03"}, "signup_date is not on this day"),
        ("customers", {"signup_date": "2024-01-01"}, "signup_date is not on this day"),
    ],
)
def test_a_row_in_the_folder_of_another_day_is_rejected(
    tmp_path: Path, instance: dg.DagsterInstance, table: str, other: dict[str, str], reason: str
) -> None:
    for name in GOOD:
        for day in (FIRST, DAY):
            lines = [SOURCE_COLUMNS[name]]
            if day == DAY:
                lines.append(row(name, **other) if name == table else row(name))
            folder = tmp_path / name / f"date={day}"
            folder.mkdir(parents=True)
            (folder / "part.csv").write_text("".join(f"{','.join(line)}\n" for line in lines))
    settings = settings_of(tmp_path)
    pipeline = Pipeline(settings, instance)
    assert pipeline.run(FIRST, DAY) == {}
    assert_all_accounted_for(pipeline)
    assert rows(settings, f"quarantine/{table}", "date, reject_reason") == [(DAY, reason)]
    assert len(rows(settings, f"quarantine/{table}")) == 1


@pytest.mark.parametrize("space", ["\t", " \u00a0\t", "\u2003", "\v\f"])
def test_white_space_around_words_changes_nothing(
    shop: Callable[..., Settings], instance: dg.DagsterInstance, space: str
) -> None:
    def spaced(word: str) -> str:
        return f"{space}{word}{space}"

    settings = shop(
        customers=[row("customers", region=spaced("North"))],
        orders=[row("orders", status=spaced("Cancelled"))],
        payments=[row("payments", status=spaced("Paid"), amount=spaced("12.345"))],
    )
    assert Pipeline(settings, instance).run(FIRST, DAY) == {}
    assert rows(settings, "cleaned/customers", "region") == [("North",)]
    assert rows(settings, "cleaned/orders", "region, status, is_void") == [
        ("North", "cancelled", True)
    ]
    assert rows(settings, "cleaned/payments", "region, status, amount") == [
        ("North", "completed", Decimal("12.35"))
    ]


@pytest.mark.parametrize("blank", ["\t", " \u00a0 "])
def test_a_blank_region_is_unknown(
    shop: Callable[..., Settings], instance: dg.DagsterInstance, blank: str
) -> None:
    settings = shop(customers=[row("customers", region=blank)])
    assert Pipeline(settings, instance).run(FIRST, DAY) == {}
    assert rows(settings, "cleaned/orders", "region") == [("unknown",)]


@pytest.mark.parametrize(
    ("written", "amount"),
    [
        ("1e1", "10"), ("1.5E0", "1.50"), ("-12.5e-1", "-1.25"), (".50", "0.50"), ("5.", "5"),
        ("+.5", "0.50"), ("5.551115123125783e-17", "0"), ("00000000000000000012.5", "12.50"),
        (".00499999999999999999999", "0"), ("0.005", "0.01"), ("-0.005", "-0.01"),
    ],
)  # fmt: skip
def test_an_amount_may_be_spelled_as_numbers_are(
    shop: Callable[..., Settings], instance: dg.DagsterInstance, written: str, amount: str
) -> None:
    settings = shop(payments=[row("payments", amount=written)])
    assert Pipeline(settings, instance).run(FIRST, DAY) == {}
    assert rows(settings, "cleaned/payments", "amount") == [(Decimal(amount),)]


def test_good_rows_are_kept_in_their_declared_types(
    shop: Callable[..., Settings], instance: dg.DagsterInstance
) -> None:
    settings = shop()
    pipeline = Pipeline(settings, instance)
    assert pipeline.run(FIRST, DAY) == {}
    assert_all_accounted_for(pipeline)
    assert rows(
        settings, "cleaned/orders",
        "id, customer_id, region, total_amount, created_at, status, is_void, is_orphan, date",
    ) == [
        ("7", "c1", "North", Decimal("12.30"), datetime(2024, 1, 2, 10, tzinfo=UTC), "shipped",
         False, False, DAY)
    ]  # fmt: skip
    assert rows(
        settings, "cleaned/payments",
        "id, order_id, customer_id, region, amount, status, source_status, is_orphan, date",
    ) == [("8", "7", "c1", "North", Decimal("12.30"), "completed", "paid", False, DAY)]  # fmt: skip
    assert rows(settings, "cleaned/customers", "id, region, signup_date, date") == [
        ("c1", "North", DAY, DAY)
    ]


def test_an_order_counts_whatever_its_amount_is(
    shop: Callable[..., Settings], instance: dg.DagsterInstance
) -> None:
    texts = ["", "12 EUR", "NaN", "19,90", "9999999999999999.995", "1.005"]
    orders = [
        row("orders", id=f"{n}", customer_id=f"c{n}", total_amount=f'"{text}"')
        for n, text in enumerate(texts)
    ]
    settings = shop(orders=[*orders, row("orders", id="")])
    pipeline = Pipeline(settings, instance)
    assert pipeline.run(FIRST, DAY) == {}
    assert_all_accounted_for(pipeline)
    amounts = [None] * 5 + [Decimal("1.01")]
    assert rows(settings, "cleaned/orders", "id, total_amount") == [
        (f"{n}", amount) for n, amount in enumerate(amounts)
    ]
    facts = pipeline.facts["cleaned/orders", str(DAY)]
    assert (facts["quarantined_rows"], facts["rounded_rows"]) == (1, 1)
    for metric, columns, found in (
        ("total_orders", "total_orders", 6),
        ("total_customers", "total_customers", 6),
        ("customer_retention_rate", "active_customers", 6),
    ):
        wanted = f"date, region, {columns}"
        assert (DAY, "all", found) in rows(settings, f"metrics/{metric}", wanted)


def test_exact_duplicates_are_dropped_before_anything_is_rejected(
    shop: Callable[..., Settings], instance: dg.DagsterInstance
) -> None:
    bad = row("orders", id="", status="new")
    settings = shop(orders=[row("orders"), row("orders"), row("orders", id="1"), bad, bad, bad])
    pipeline = Pipeline(settings, instance)
    assert pipeline.run(FIRST, DAY) == {}
    assert_all_accounted_for(pipeline)
    facts = pipeline.facts["cleaned/orders", str(DAY)]
    assert facts == {
        "raw_rows": 6, "cleaned_rows": 2, "quarantined_rows": 1, "duplicate_rows": 3,
        "rounded_rows": 0,
        "quarantine_reasons": '{"id is missing": 1}',
    }  # fmt: skip
    assert [id_ for (id_,) in rows(settings, "cleaned/orders", "id")] == ["1", "7"]


def test_amounts_with_more_decimals_are_rounded_half_up_and_counted(
    shop: Callable[..., Settings], instance: dg.DagsterInstance
) -> None:
    amounts = [
        "1.005",
        "-1.005",
        "1.0049999999999999999999",
        "2.675",
        "7",
        "7.1",
        "7.100",
        " 3.14159 ",
    ]
    settings = shop(
        orders=[row("orders", id=f"{n:02}", total_amount=text) for n, text in enumerate(amounts)],
        payments=[row("payments", id=f"{n:02}", amount=text) for n, text in enumerate(amounts)],
    )
    pipeline = Pipeline(settings, instance)
    assert pipeline.run(FIRST, DAY) == {}
    rounded = ["1.01", "-1.01", "1.00", "2.68", "7.00", "7.10", "7.10", "3.14"]
    for table, column in {"orders": "total_amount", "payments": "amount"}.items():
        found = rows(settings, f"cleaned/{table}", f"id, {column}")
        assert found == [(f"{n:02}", Decimal(cents)) for n, cents in enumerate(rounded)]
        assert pipeline.facts[f"cleaned/{table}", str(DAY)]["rounded_rows"] == 5


def test_payment_words_become_the_five_statuses_and_the_shop_can_add_its_own(
    shop: Callable[..., Settings], instance: dg.DagsterInstance
) -> None:
    words = {
        " PAID ": "completed", "succeeded": "completed", "captured": "completed",
        "settled": "completed", "authorized": "pending", "processing": "pending",
        "requires_action": "pending", "declined": "failed", "canceled": "failed",
        "cancelled": "failed", "expired": "failed", "refund": "refunded",
        "partially_refunded": "refunded", "chargeback": "refunded", "bezahlt": "completed",
        "error": "pending", "who knows": "other", "": "other",
    }  # fmt: skip
    settings = shop(
        payments=[row("payments", id=f"{n:02}", status=word) for n, word in enumerate(words)],
        payment_statuses={"completed": [" Bezahlt"], "pending": ["ERROR"]},
    )
    assert Pipeline(settings, instance).run(FIRST, DAY) == {}
    assert rows(settings, "cleaned/payments", "id, status, coalesce(source_status, '')") == [
        (f"{n:02}", status, word) for n, (word, status) in enumerate(words.items())
    ]


@pytest.mark.parametrize(
    ("setting", "void"),
    [
        ({}, ["CANCELLED", " canceled", "void", "test", "deleted"]),
        ({"void_order_statuses": "Returned, unknown"}, ["returned", "", "   "]),
    ],
)
def test_order_words_are_kept_in_lower_case_and_some_are_void(
    shop: Callable[..., Settings], instance: dg.DagsterInstance,
    setting: dict[str, str], void: list[str],
) -> None:  # fmt: skip
    words = ["CANCELLED", " canceled", "void", "test", "deleted", "returned", "", "   ", "Shipped"]
    settings = shop(
        orders=[row("orders", id=f"{n:02}", status=word) for n, word in enumerate(words)], **setting
    )
    assert Pipeline(settings, instance).run(FIRST, DAY) == {}
    assert rows(settings, "cleaned/orders", "id, status, is_void") == [
        (f"{n:02}", word.strip().lower() or "unknown", word in void) for n, word in enumerate(words)
    ]


def test_regions_are_trimmed_and_never_mistaken_for_all(
    shop: Callable[..., Settings], instance: dg.DagsterInstance
) -> None:
    regions = {"a": " North ", "b": "", "c": "   ", "d": "ALL", "e": "all (region)"}
    settings = shop(
        customers=[row("customers", id=id_, region=text) for id_, text in regions.items()],
        orders=[
            row("orders", id=f"{n:02}", customer_id=id_)
            for n, id_ in enumerate([*regions, "nobody", ""])
        ],
    )
    assert Pipeline(settings, instance).run(FIRST, DAY) == {}
    names = ["North", "unknown", "unknown", "all (region)", "all (region)"]
    assert rows(settings, "cleaned/customers", "id, region") == list(
        zip(regions, names, strict=True)
    )
    assert rows(settings, "cleaned/orders", "id, region, is_orphan") == [
        *((f"{n:02}", name, False) for n, name in enumerate(names)),
        ("05", "unknown", True),
        ("06", "unknown", False),  # a guest
    ]


def test_a_payment_belongs_to_the_day_it_was_paid_and_until_then_to_its_orders(
    shop: Callable[..., Settings], instance: dg.DagsterInstance
) -> None:
    settings = shop(
        orders=[row("orders", created_at="2024-01-01 08:00:00")],
        payments=[
            row("payments", id="1"),
            row("payments", id="2", paid_at=""),
            row("payments", id="3", paid_at="", order_id="99"),
            row("payments", id="4", order_id=""),
        ],
    )
    assert Pipeline(settings, instance).run(FIRST, DAY) == {}
    assert rows(settings, "cleaned/payments", "id, date, is_orphan") == [
        ("1", DAY, False), ("2", FIRST, False), ("3", FIRST, True), ("4", DAY, True),
    ]  # fmt: skip


@pytest.mark.parametrize(("bad", "published"), [(6, True), (7, False)])
def test_a_day_with_too_large_a_share_of_bad_rows_fails_and_keeps_its_last_version(
    shop: Callable[..., Settings], bad: int, published: bool
) -> None:
    other = row("orders", id="other", created_at="2024-01-01 10:00:00")
    with open_platform(shop(orders=[other, row("orders", id="first")])) as platform:
        assert platform.run(FIRST, DAY).success
    orders = [row("orders", id=f"{n:02}") for n in range(60)]
    orders[:bad] = [row("orders", id="", status=f"{n}") for n in range(bad - 2)] + [
        row("orders", id="x", status=f"{n}") for n in range(2)
    ]
    settings = shop(orders=[other, *orders])
    with open_platform(settings) as platform:
        result = platform.run(FIRST, DAY)
        assert result.success is published
        assert platform.statuses("cleaned/orders", FIRST, DAY) == {
            str(FIRST): "MATERIALIZED", str(DAY): "MATERIALIZED" if published else "FAILED",
        }  # fmt: skip
        if not published:
            assert (
                "2024-01-02: 7 of 60 rows would be quarantined, more than ECOM_QUARANTINE_MAX_SHARE"
                "=0.1: id is missing (5), id is on rows that differ (2)"
            ) in platform.failures(result)["clean_orders"]
    found = rows(settings, "cleaned/orders", "id")
    assert len(found) == 1 + (54 if published else 1)
    assert len(rows(settings, "quarantine/orders")) == (6 if published else 0)


@pytest.mark.parametrize("word", ["abgeschlossen", ""])
def test_a_day_whose_payments_have_statuses_without_a_meaning_keeps_its_last_version(
    shop: Callable[..., Settings], instance: dg.DagsterInstance, word: str
) -> None:
    paid = [row("payments", id=f"{n}") for n in range(20)]
    assert Pipeline(shop(payments=paid), instance).run(FIRST, DAY) == {}

    changed = [row("payments", id=f"{n}", status=word) for n in range(11)] + paid[11:]
    settings = shop(payments=changed)
    failed = Pipeline(settings, instance, accepts_loss=True).run(FIRST, DAY)

    reason = failed[f"cleaned/payments {DAY}"]
    assert reason.startswith("11 of 20 payments have a status that the platform has no word for")
    assert word in reason
    assert rows(settings, "metrics/total_revenue", "max(total_revenue)") == [(Decimal("246.00"),)]

    known = {"payment_statuses": {"completed": ["Abgeschlossen"]}} if word else {}
    settings = shop(payments=changed, **known or {"unknown_status_max_share": 0.6})
    assert Pipeline(settings, instance, accepts_loss=True).run(FIRST, DAY) == {}


def test_small_days_whose_payments_all_have_unknown_statuses_are_judged_together(
    shop: Callable[..., Settings], instance: dg.DagsterInstance
) -> None:
    payments = [
        row("payments", id=f"{day}{n}", paid_at=f"{day} 11:00:00", status="bezahlt")
        for day in (FIRST, DAY)
        for n in range(4)
    ]
    failed = Pipeline(shop(payments=payments), instance).run(FIRST, DAY)
    for day in (FIRST, DAY):
        assert failed[f"cleaned/payments {day}"].startswith("8 of the run's 8 payments have")
        assert "of this day 'bezahlt' for one" in failed[f"cleaned/payments {day}"]


@pytest.mark.parametrize(("undated", "published"), [(8000, True), (80000, False)])
def test_rows_without_a_day_are_of_all_days_and_not_only_of_the_first(
    shop: Callable[..., Settings], instance: dg.DagsterInstance, undated: int, published: bool
) -> None:
    start = datetime.now(UTC).date() - timedelta(days=1000)
    orders = [row("orders", id=f"{n}", created_at=f"{start} 10:00:00") for n in range(500)]
    orders += [row("orders", id=f"u{n}", created_at="soon") for n in range(undated)]
    failed = Pipeline(shop(orders=orders, start_date=start), instance).run(start, start)
    assert (f"cleaned/orders {start}" not in failed) is published


def test_few_bad_rows_never_fail_a_small_day(
    shop: Callable[..., Settings], instance: dg.DagsterInstance
) -> None:
    bad = [row("orders", id="", status=f"{n}") for n in range(6)]
    assert Pipeline(shop(orders=bad[:5]), instance).run(FIRST, DAY) == {}
    failed = Pipeline(shop(orders=bad, quarantine_max_share=0.99), instance).run(FIRST, DAY)
    assert next(iter(failed)) == f"cleaned/orders {DAY}"
    assert Pipeline(shop(orders=bad, quarantine_min_rows=6), instance).run(FIRST, DAY) == {}


WRONG_SQL = {
    "loses a row": "select * from cleaned_orders where id <> '7'",
    "repeats a row": "select * from cleaned_orders union all "
    "select * from cleaned_orders where id = '7'",
    "repeats a rejected row": "select * from cleaned_orders union all "
    "select * from cleaned_orders where reject_reason is not null",
    "loses one and repeats another": "select * from cleaned_orders where id <> '7' "
    "union all select * from cleaned_orders where id = '8'",
    "moves a row to another day": "select * replace (date - case when id = '7' then 1 else 0 end "
    "as date) from cleaned_orders",
}


@pytest.mark.filterwarnings("ignore::dagster.BetaWarning")
@pytest.mark.parametrize("wrong", WRONG_SQL.values(), ids=[*WRONG_SQL])
def test_a_cleaning_sql_that_loses_or_repeats_rows_fails_the_day(
    shop: Callable[..., Settings], instance: dg.DagsterInstance, tmp_path: Path, wrong: str
) -> None:
    folder = tmp_path / "sql"
    shutil.copytree(SQL_FOLDER / "cleaned", folder)
    right = (folder / "orders.sql").read_text()
    (folder / "orders.sql").write_text(f"with cleaned_orders as (\n{right}\n)\n{wrong}\n")
    settings = shop(
        orders=[
            row("orders", id="7"),
            row("orders", id="8"),
            row("orders", id=""),
            row("orders", id="6", created_at="2024-01-01 10:00:00"),
        ]
    )
    orders, *_ = build_cleaned_assets(settings, folder)
    failed = Pipeline(settings, instance, orders).run(FIRST, DAY)
    assert "the cleaning SQL loses or repeats" in failed[f"cleaned/orders {DAY}"]
    if f"cleaned/orders {FIRST}" not in failed:  # as when its row came from the other day
        assert rows(settings, "cleaned/orders", "id") == [("6",)]
