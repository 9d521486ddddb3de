"""Fingerprints of the days of files: the same for the same rows, others for others."""

from __future__ import annotations

import tempfile
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from hypothesis import assume, given
from hypothesis import settings as effort
from hypothesis import strategies as st
from pyarrow import parquet

from ecom_platform.calendar import days_between
from ecom_platform.errors import SourceTooSlowError
from ecom_platform.sources.base import NO_ROWS
from ecom_platform.sources.files.source import FilesSource
from ecom_platform_tests.sources.files.file_shop import (
    DAY,
    START,
    TYPICAL,
    Row,
    content,
    put,
    settings,
    snapshot,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

NINE = datetime(2026, 1, 5, 9, tzinfo=UTC)
TABLES = ("orders", "customers", "payments")
SUFFIXES = (".csv", ".csv.gz", ".jsonl", ".jsonl.gz", ".parquet")
WORDS = st.sampled_from(["a", "A", " a", "é", "1", "01", "1.0", "a,b", 'a"b', "NULL"])
AMOUNTS = st.sampled_from(["0.00", "1.00", "-1.00", "1.005", "1e2", "NaN", "12.30", "free"])
TIMES = st.sampled_from(
    [f"{DAY} 00:00:00", f"{DAY} 10:00:00", f"{DAY} 10:00:00.000001", f"{DAY}", "soon"]
)
ROWS = st.fixed_dictionaries(
    {
        "id": WORDS | st.none(),
        "customer_id": WORDS | st.none(),
        "total_amount": AMOUNTS | st.none(),
        "created_at": TIMES | st.none(),
        "status": WORDS | st.none(),
    }
)


def fingerprint(files: dict[str, Any], table: str, day: date = DAY) -> str:
    """Return the fingerprint of a day of a table, from files in a folder of their own."""
    with tempfile.TemporaryDirectory() as folder:
        put(Path(folder), files)
        with snapshot(Path(folder)) as opened:
            found, bad_days = opened.fingerprints(table, [day])
    assert bad_days == {}
    return found[day]


def of_orders(*folders: dict[str, bytes]) -> list[str]:
    """Return the fingerprint of each of some day folders of orders."""
    days = [START + timedelta(days=number) for number in range(len(folders))]
    with tempfile.TemporaryDirectory() as root:
        for day, files in zip(days, folders, strict=True):
            put(Path(root), {f"orders/date={day}/{name}": data for name, data in files.items()})
        with snapshot(Path(root)) as opened:
            found, bad_days = opened.fingerprints("orders", days)
    assert bad_days == {}
    return [found[day] for day in days]


def of_rows(*variants: Sequence[Row]) -> list[str]:
    return of_orders(*({"a.csv": as_file(".csv", rows)} for rows in variants))


def as_file(suffix: str, rows: Sequence[Row]) -> bytes:
    """Write rows of orders; CSV has no other way to write NULL than an empty field."""
    if suffix.startswith(".csv"):
        rows = [{name: value or "" for name, value in row.items()} for row in rows]
    return content("orders", suffix, rows)


def what_counts(row: Row) -> tuple[Any, ...]:
    """Return a row as raw has it: equal amounts and instants are equal."""
    amount, moment = row["total_amount"], row["created_at"]
    is_date = moment == str(DAY)
    return (
        row["id"], row["customer_id"], amount,
        f"{moment} 00:00:00" if is_date else moment, row["status"],
    )  # fmt: skip


@effort(max_examples=50)
@given(st.data())
def test_order_files_and_formats_do_not_matter(data: st.DataObject) -> None:
    rows = data.draw(st.lists(ROWS, max_size=6))
    shuffled = data.draw(st.permutations(rows))
    cut = data.draw(st.integers(0, len(rows)))
    suffix = data.draw(st.sampled_from(SUFFIXES))
    ways = [
        {"a.csv": as_file(".csv", rows)},
        {f"a{suffix}": as_file(suffix, shuffled)},
        {
            f"x{suffix}": as_file(suffix, shuffled[:cut]),
            f"y{suffix}": as_file(suffix, shuffled[cut:]),
        },
    ]

    assert len(set(of_orders(*ways))) == 1


@effort(max_examples=50)
@given(st.lists(ROWS, min_size=1, max_size=4), st.data())
def test_any_other_value_matters(rows: list[Row], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(rows) - 1))
    column = data.draw(st.sampled_from(list(TYPICAL["orders"])))
    other = data.draw(ROWS)[column]
    changed = [row | {column: other} if number == at else row for number, row in enumerate(rows)]
    assume(what_counts(changed[at]) != what_counts(rows[at]))

    before, after = of_rows(rows, changed)
    assert after != before


@effort(max_examples=15)
@given(st.lists(ROWS, min_size=1, max_size=4), st.integers(1, 3))
def test_a_row_that_is_there_more_often_matters(rows: list[Row], times: int) -> None:
    found = of_rows(*(rows + rows[:1] * extra for extra in range(times + 1)))
    assert len(set(found)) == times + 1


@pytest.mark.parametrize(
    ("table", "change"),
    [
        ("customers", {"id": "c2"}),
        ("customers", {"email": "c2@example.invalid"}),
        ("customers", {"region": "South"}),
        ("customers", {"signup_date": "2026-01-05 11:00"}),
        ("payments", {"id": "p2"}),
        ("payments", {"order_id": "o2"}),
        ("payments", {"amount": "12.31"}),
        ("payments", {"status": "refunded"}),
        ("payments", {"paid_at": "2026-01-05 11:00:01"}),
    ],
)
@pytest.mark.parametrize("name", ["{}.csv", "{}/date=2026-01-05/a.csv"])
def test_each_column_of_each_table_matters(name: str, table: str, change: Row) -> None:
    shop = {f"{other}.csv": [{}] for other in TABLES if other != table}
    path = name.format(table)
    before = fingerprint(shop | {path: [{}]}, table)
    after = fingerprint(shop | {path: [change]}, table)
    # A sign-up is a day, at whatever time of it.
    assert (after != before) == ("signup_date" not in change)


def test_values_count_not_how_they_are_written() -> None:
    typed = pa.table(
        {
            "id": [7],
            "customer_id": pa.array(["c1"]),
            "total_amount": pa.array([Decimal("12.3000")]),
            "created_at": pa.array(
                [datetime(2026, 1, 5, 9, tzinfo=UTC)], pa.timestamp("ms", tz="UTC")
            ),
            "status": ["done"],
        }
    )
    sink = pa.BufferOutputStream()
    parquet.write_table(typed, sink)
    row = {
        "id": "7", "customer_id": "c1", "total_amount": "+012.3",
        "created_at": f"{DAY}T10:00:00+01:00", "status": "done",
    }  # fmt: skip

    as_parquet, as_csv = of_orders(
        {"a.parquet": sink.getvalue().to_pybytes()}, {"a.csv": as_file(".csv", [row])}
    )
    assert as_parquet == as_csv


def test_what_is_looked_up_of_parents_does_not_matter() -> None:
    files: dict[str, Any] = {f"{table}.csv": [{}] for table in TABLES}
    for table in ("orders", "payments"):
        before = fingerprint(files, table)
        moved = files | {"customers.csv": [{"region": "South"}]}
        assert fingerprint(moved, table) == before
        assert fingerprint(files | {"customers.csv": [{"id": "another"}]}, table) == before


def test_extraction_gives_the_fingerprints_that_are_asked_for(tmp_path: Path) -> None:
    put(tmp_path, {"customers.csv": [{}], "payments.csv": [{}, {"id": "p2", "paid_at": ""}]})
    last = date(2026, 1, 8)
    put(tmp_path, {f"orders/date={day}/a.csv": [{"id": str(day)}] for day in (START, DAY, last)})
    put(tmp_path, {f"orders/date={DAY}/b.csv": []})
    days = list(days_between(START, last))
    for table in TABLES:
        with snapshot(tmp_path) as opened:
            extraction = opened.extract(table, START, last, tmp_path)
        with snapshot(tmp_path) as opened:
            found, bad_days = opened.fingerprints(table, days)
            assert (found, bad_days) == (extraction.fingerprints, extraction.bad_days)
            for day in set(found):  # alone as among others
                assert opened.fingerprints(table, [day])[0] == {day: found[day]}
        assert {str(day) for day in days} == {*map(str, found), *bad_days}
        rows = {day: int(text.partition(":")[0]) for day, text in found.items()}
        assert rows == {day: t.rows for day, t in extraction.totals.items()} | {
            day: 0 for day, text in found.items() if text == NO_ROWS
        }


def test_reading_ends_when_its_time_is_over(tmp_path: Path) -> None:
    put(tmp_path, {f"{table}.csv": [{}] for table in TABLES})
    with (
        FilesSource(settings(tmp_path)).snapshot(seconds=0) as opened,
        pytest.raises(SourceTooSlowError, match=r"orders\.csv could not be read in the time"),
    ):
        opened.fingerprints("orders", [DAY])
