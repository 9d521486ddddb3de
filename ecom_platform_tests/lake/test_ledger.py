"""What the ledger keeps when a published day changes, and what was published when."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from ecom_platform.datasets import Column, Dataset, Type
from ecom_platform.engines.duckdb import add_view
from ecom_platform.lake.as_of import add_days_as_of
from ecom_platform.lake.ledger import BACKFILL, CODE_CHANGE, version_facts
from ecom_platform_tests.lake.shelf import Run

if TYPE_CHECKING:
    from collections.abc import Sequence

DAY, NEXT = "2024-01-01", "2024-01-02"
METRIC = Dataset(
    "metrics",
    "sales",
    "Sales.",
    "one row per day, region and kind",
    (
        Column("region", Type.TEXT, "Where", required=True),
        Column("kind", Type.TEXT, "What", required=True),
        Column("orders", Type.COUNT, "How many"),
        Column("amount", Type.MONEY, "How much"),
        Column("share", Type.RATIO, "A ratio"),
    ),
    key=("region", "kind"),
)


def rows(*values: str) -> str:
    """Return a query over rows, each `date, region, kind, orders, amount, share`."""
    listed = ", ".join(f"({value})" for value in values)
    return (
        "SELECT CAST(date AS DATE) AS date, * EXCLUDE (date) FROM "
        f"(VALUES {listed}) AS sales(date, region, kind, orders, amount, share)"
    )


ONE = rows(f"'{DAY}', 'it''s \"é\"', 'a', 1, 10.10, 0.1", f"'{DAY}', 'south', 'a', 2, 20, NULL")


def run(address: str, run_id: str, dataset: Dataset = METRIC) -> Run:
    return Run(address, run_id, dataset)


def history(opened: Run, days: Sequence[str] = (DAY,)) -> dict[str, list[Any]]:
    return {
        day: [
            (entry.run_id, entry.cause, [(r.change, *r.key.values(), r.column, r.old, r.new)
                                         for r in entry.restatements])
            for entry in entries
        ]
        for day, entries in opened.lake.ledger.history(opened.dataset, days).items()
    }  # fmt: skip


def as_of(opened: Run, moment: datetime) -> list[tuple[Any, ...]] | None:
    """Return the rows that the day had at a moment; None where it was not published yet."""
    days = [DAY]
    with opened.engine.connect() as connection:
        add_view(connection, opened.lake.table(opened.dataset, days).partitions(), "now")
        absent = add_days_as_of(
            connection,
            opened.lake.ledger,
            opened.dataset,
            days,
            moment,
            view="now",
            table="earlier",
        )
        found = connection.execute("SELECT * FROM earlier ORDER BY ALL").fetchall()
    return None if absent else found


def all_rows(opened: Run) -> list[tuple[Any, ...]]:
    with opened.engine.connect() as connection:
        add_view(connection, opened.lake.table(opened.dataset, [DAY]).partitions(), "now")
        return connection.execute("SELECT * FROM now ORDER BY ALL").fetchall()


def test_every_value_that_changes_is_kept_with_what_it_was(address: str) -> None:
    run(address, "one").publish(ONE, [DAY, NEXT])
    changed = rows(
        f"'{DAY}', 'it''s \"é\"', 'a', 1, 10.11, NULL", f"'{DAY}', 'west', 'b', 3, 5, 1e-17"
    )
    run(address, "two").publish(changed, [DAY, NEXT])
    assert history(run(address, "reader"), [DAY, NEXT]) == {
        DAY: [
            (
                "two",
                BACKFILL,
                [
                    ("changed", 'it\'s "é"', "a", "amount", "10.10", "10.11"),
                    ("changed", 'it\'s "é"', "a", "share", "0.1", None),
                    ("removed", "south", "a", "amount", "20.00", None),
                    ("removed", "south", "a", "orders", "2", None),
                    ("removed", "south", "a", "share", None, None),
                    ("added", "west", "b", "amount", None, "5.00"),
                    ("added", "west", "b", "orders", None, "3"),
                    ("added", "west", "b", "share", None, "1e-17"),
                ],
            )
        ],
        NEXT: [],
    }


def test_what_was_published_at_any_moment_can_be_read_again_exactly(address: str) -> None:
    states = [
        ONE,
        rows(f"'{DAY}', 'north', 'a', 9007199254740993, 9999999999999999.99, 0.30000000000000004"),
        rows(f"'{DAY}', 'x', 'x', 0, 0, 0") + " WHERE false",
        ONE,
        ONE,
    ]
    published: list[tuple[datetime, list[tuple[Any, ...]]]] = []
    before = datetime.now(UTC)
    for number, state in enumerate(states):
        run(address, f"run-{number}").publish(state, [DAY])
        published.append((datetime.now(UTC), all_rows(run(address, "reader"))))
    reader = run(address, "reader")
    assert len(history(reader)[DAY]) == 3  # the last run changed nothing
    for moment, found in published:
        assert as_of(reader, moment) == found
    assert as_of(reader, before) is None


def test_a_change_by_other_code_says_so_and_new_columns_were_null_before(address: str) -> None:
    narrow = replace(METRIC, columns=METRIC.columns[:-1])
    run(address, "one", narrow).publish(ONE.replace(", share)", ", s)"), [DAY], code="old")
    run(address, "two").publish(ONE, [DAY], code="new")
    ((_, cause, changes),) = history(run(address, "reader"))[DAY]
    assert cause == CODE_CHANGE
    assert changes == [("changed", 'it\'s "é"', "a", "share", None, "0.1")]


def test_an_entry_whose_day_was_never_published_is_left_out(address: str) -> None:
    run(address, "one").publish(ONE, [DAY])
    killed = run(address, "killed")
    with killed.engine.connect() as connection:
        connection.execute(f"CREATE TABLE result AS {ONE} WHERE false")
        facts = version_facts("what it would have said", "killed")
        killed.lake.ledger.write(
            connection, METRIC, "result", DAY, killed.stat(DAY), facts, BACKFILL
        )
    assert history(run(address, "reader")) == {DAY: []}
    run(address, "two").publish(rows(f"'{DAY}', 'north', 'a', 1, 1, 1"), [DAY])
    assert [run_id for run_id, *_ in history(run(address, "reader"))[DAY]] == ["two"]


def test_the_ledger_is_plain_parquet(tmp_path: Any) -> None:
    address = str(tmp_path / "lake")
    run(address, "one").publish(ONE, [DAY])
    run(address, "two").publish(rows(f"'{DAY}', 'south', 'a', 2, 21, NULL"), [DAY])
    found = duckdb.sql(
        "SELECT metric, CAST(date AS VARCHAR), region, column_name, old_value, new_value, cause "
        f"FROM read_parquet('{address}/ledger/restatements/**/*.parquet') "
        "WHERE change = 'changed'"
    ).fetchall()
    assert found == [("sales", DAY, "south", "amount", "20.00", "21.00", BACKFILL)]


@pytest.mark.parametrize("layer", ["raw", "cleaned", "quarantine"])
def test_only_metrics_are_restated(address: str, layer: str) -> None:
    dataset = replace(METRIC, layer=layer)
    run(address, "one", dataset).publish(ONE, [DAY])
    reader = run(address, "two", dataset)
    reader.publish(rows(f"'{DAY}', 'south', 'a', 2, 21, NULL"), [DAY])
    assert reader.storage.etags("ledger") == {}
