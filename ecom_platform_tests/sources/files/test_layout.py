"""Layouts of files: which files make a table, which days are bad, what the doctor says."""

from __future__ import annotations

import gzip
import os
from datetime import date
from typing import TYPE_CHECKING

import pytest

from ecom_platform.errors import SourceError
from ecom_platform.sources.files.formats import SUFFIXES
from ecom_platform.sources.files.source import FilesSource
from ecom_platform_tests.sources.files.file_shop import (
    DAY,
    START,
    Row,
    content,
    extract,
    put,
    settings,
    shop,
    snapshot,
    take,
)

if TYPE_CHECKING:
    from pathlib import Path

NEXT = date(2026, 1, 6)
FOLDER, NEXT_FOLDER = f"orders/date={DAY}", f"orders/date={NEXT}"


def orders_in(folder: Path, files: dict[str, bytes | str | list[Row]]) -> Path:
    """Write a shop whose orders are these files."""
    shop(folder)
    (folder / "orders.csv").unlink()
    put(folder, files)
    return folder


# ------------------------------------------------------------------------------ layouts


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_each_layout_gives_the_same_rows_in_every_format(tmp_path: Path, suffix: str) -> None:
    one, two = {"id": "1"}, {"id": "2", "status": 'with "quotes",\nand lines'}
    layouts: dict[str, dict[str, bytes | str | list[Row]]] = {
        "whole": {f"orders{suffix}": [one, two]},
        "parts": {f"orders/a{suffix}": [one], f"orders/b{suffix}": [two]},
        "days": {f"{FOLDER}/a{suffix}": [one], f"{FOLDER}/b{suffix}": [two]},
    }
    found = {
        name: extract(orders_in(tmp_path / name, files), "orders")
        for name, files in layouts.items()
    }

    assert found["whole"].column("id") == ["1", "2"]
    assert found["whole"].column("status") == ["shipped", two["status"]]
    assert found["whole"].rows == found["parts"].rows == found["days"].rows
    assert found["whole"].totals == found["parts"].totals == found["days"].totals


def test_a_table_without_files_says_what_was_looked_for_and_what_is_there(tmp_path: Path) -> None:
    folder = orders_in(tmp_path, {"orders.xlsx": "a workbook", "old/orders.csv": ""})

    with pytest.raises(SourceError) as caught:
        extract(folder, "orders")
    assert "looked for orders.csv, .jsonl (also with .gz) or .parquet" in str(caught.value)
    assert "there is customers.csv, old/, orders.xlsx, payments.csv" in str(caught.value)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (["orders.csv", "orders.parquet"], "orders.csv and orders.parquet"),
        (["orders.csv", "orders/a.csv"], "orders.csv and orders/*"),
        (["orders/a.csv", f"{FOLDER}/a.csv"], "orders/* and orders/date=YYYY-MM-DD/*"),
    ],
)
def test_two_layouts_at_once_are_refused(tmp_path: Path, files: list[str], said: str) -> None:
    folder = orders_in(tmp_path, {name: [{}] for name in files})

    with pytest.raises(SourceError, match="has orders more than once") as caught:
        extract(folder, "orders")
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "path",
    [
        "orders/march.xlsx", "orders/a.csv.bak", "orders/2025/a.csv", "orders/date=2026-1-5/a.csv",
        "orders/date=2026-02-30/a.csv",
    ],
)  # fmt: skip
def test_a_file_that_would_be_passed_over_in_silence_is_refused(tmp_path: Path, path: str) -> None:
    folder = orders_in(tmp_path, {"orders/a.csv": [{}], path: "rows"})

    with pytest.raises(SourceError, match=f"{path} would not be read"):
        extract(folder, "orders")


def test_files_that_begin_with_an_underscore_or_a_dot_are_passed_over(tmp_path: Path) -> None:
    folder = orders_in(
        tmp_path,
        {
            "orders/a.csv": [{}],
            "orders/_SUCCESS": "",
            "orders/.a.csv.crc": "x",
            "orders/_temporary/0/b.csv": [{"id": "2"}],
            "orders/.old/c.csv": [{"id": "3"}],
        },
    )

    assert extract(folder, "orders").column("id") == ["o1"]


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (["a.csv", "b.parquet"], "holds files of several kinds: .csv, .parquet"),
        (["a.csv", "a.csv.gz"], "a.csv and orders/a.csv.gz, one file in two forms"),
    ],
)
def test_a_folder_of_one_table_holds_one_kind_of_files(
    tmp_path: Path, files: list[str], said: str
) -> None:
    folder = orders_in(tmp_path, {f"orders/{name}": [{}] for name in files})

    with pytest.raises(SourceError) as caught:
        extract(folder, "orders")
    assert said in str(caught.value)


def test_other_tables_do_not_mind_a_table_that_cannot_be_read(tmp_path: Path) -> None:
    folder = orders_in(tmp_path, {"orders/notes.txt": "rows?"})

    assert extract(folder, "customers").column("id") == ["c1"]
    with pytest.raises(SourceError, match=r"notes\.txt"):
        extract(folder, "payments")


def test_a_broken_file_of_a_whole_table_stops_the_table(tmp_path: Path) -> None:
    broken = content("orders", ".csv", [{"id": "2"}]) + b"3,c1\n"
    folder = orders_in(tmp_path, {"orders/a.csv": [{}], "orders/b.csv": broken, "orders/c.csv": ""})

    with pytest.raises(SourceError) as caught:
        extract(folder, "orders")
    assert "orders/b.csv, line 3: has 2 fields where the header has 5." in str(caught.value)
    assert "orders/c.csv has 0 bytes" in str(caught.value)
    assert not caught.value.transient


# ------------------------------------------------------------------------------ day folders


def test_the_folder_is_the_day_whatever_the_rows_say(tmp_path: Path) -> None:
    rows: list[Row] = [
        {"id": "1"},
        {"id": "2", "created_at": "2020-01-01"},
        {"id": "3", "created_at": "?"},
    ]
    found = extract(orders_in(tmp_path, {f"{NEXT_FOLDER}/a.csv": rows}), "orders", NEXT)

    assert found.column("date") == [NEXT, NEXT, NEXT]
    assert found.totals[NEXT].rows == 3


def test_a_file_with_only_a_header_is_a_day_without_rows(tmp_path: Path) -> None:
    files: dict[str, bytes | str | list[Row]] = {
        f"{FOLDER}/a.csv": [],
        f"{NEXT_FOLDER}/a.jsonl": "\n",
    }
    found = extract(orders_in(tmp_path, files), "orders", DAY, NEXT)

    assert (found.rows, found.totals, found.bad_days) == ([], {}, {})


def test_a_missing_folder_is_a_bad_day(tmp_path: Path) -> None:
    folder = orders_in(tmp_path, {f"{FOLDER}/a.csv": [{}], f"{NEXT_FOLDER}/_SUCCESS": ""})
    found = extract(folder, "orders", DAY, date(2026, 1, 7))

    assert found.column("id") == ["o1"]
    assert found.bad_days == {
        day: f"orders/date={day}/ is missing or has no file; put one without rows there if the "
        "day had no orders"
        for day in ("2026-01-06", "2026-01-07")
    }


def test_a_broken_file_makes_its_day_bad_and_no_other(tmp_path: Path) -> None:
    good = content("orders", ".csv", [{"id": "1"}])
    folder = orders_in(
        tmp_path,
        {
            f"{FOLDER}/a.csv": good,
            f"{NEXT_FOLDER}/a.csv": good,
            f"{NEXT_FOLDER}/b.csv": good + b'9,"c1\n',
            "orders/date=2026-01-07/a.csv": "",
            "orders/date=2026-01-08/a.csv.gz": gzip.compress(good)[:40],
            "orders/date=2026-01-09/a.parquet": content("orders", ".parquet", [{}])[:-4],
            "orders/date=2026-01-10/a.csv": good,
            "orders/date=2026-01-10/a.xlsx": "a workbook",
            "orders/date=2026-01-11/a.csv": good,
            "orders/date=2026-01-11/b.jsonl": [{}],
        },
    )
    found = extract(folder, "orders", DAY, date(2026, 1, 11))

    assert found.column("date") == [DAY]
    assert list(found.totals) == [DAY]
    said = {
        day[-2:]: reason.removeprefix(f"orders/date={day}/")
        for day, reason in found.bad_days.items()
    }
    assert said.pop("07").startswith("a.csv has 0 bytes")
    assert said == {
        "06": "b.csv, line 3: a quoted field that begins in this row is never closed",
        "08": "a.csv.gz is cut: its gzip data ends early",
        "09": "a.parquet is not a whole Parquet file: it is cut, damaged or no Parquet",
        "10": "a.xlsx would not be read: it is none of "
        "orders/date=2026-01-10/*.csv, .jsonl (also with .gz) or .parquet",
        "11": " holds files of several kinds: .csv, .jsonl",
    }


def test_bad_days_are_told_only_of_the_days_asked_for(tmp_path: Path) -> None:
    folder = orders_in(tmp_path, {f"{FOLDER}/a.csv": [{}], f"{NEXT_FOLDER}/a.csv": ""})

    assert extract(folder, "orders", DAY).bad_days == {}
    assert list(extract(folder, "orders", NEXT).bad_days) == ["2026-01-06"]


def test_a_broken_day_of_the_parents_sinks_no_day_of_the_children(tmp_path: Path) -> None:
    files: dict[str, bytes | str | list[Row]] = {
        f"customers/date={DAY}/a.csv": [{}],
        f"customers/date={NEXT}/a.csv": "<html>",
        f"{FOLDER}/a.csv": [{}, {"id": "o2", "customer_id": "c2"}],
    }
    folder = orders_in(tmp_path, files)
    (folder / "customers.csv").unlink()

    with snapshot(folder) as opened:
        orders = take(opened, "orders")
        customers = take(opened, "customers", DAY, NEXT)

    assert orders.bad_days == {}
    assert orders.column("customer_found") == [True, False]
    assert customers.bad_days == {
        "2026-01-06": f"customers/date={NEXT}/a.csv is an XML or HTML page, not data"
    }


def test_parents_of_other_days_are_found(tmp_path: Path) -> None:
    folder = orders_in(
        tmp_path,
        {f"{FOLDER}/a.csv": [{}], "orders/date=2025-06-01/a.csv": [{"id": "old", "status": "x"}]},
    )
    put(folder, {"payments.csv": [{}, {"id": "p2", "order_id": "old"}]})

    assert extract(folder, "payments").column("order_found") == [True, True]


# ------------------------------------------------------------------------------ the doctor


def test_the_doctor_says_layout_files_bytes_and_days(tmp_path: Path) -> None:
    files: dict[str, bytes | str | list[Row]] = {
        f"{FOLDER}/a.csv": [{}],
        "orders/date=2026-01-08/a.csv": [{}],
        "orders/date=2026-01-08/b.csv": [{}],
        "orders/date=2026-01-09/a.xlsx": "a workbook",
    }
    folder = orders_in(tmp_path, files)
    size = len(content("orders", ".csv", [{}]))

    orders, customers, payments = FilesSource(settings(folder)).check()

    assert orders == (
        f"orders: orders/date=YYYY-MM-DD/*, 3 files, {3 * size} bytes, 2026-01-05 to 2026-01-09, "
        "2 days missing between, orders/date=2026-01-09/a.xlsx would not be read: it is none of "
        "orders/date=2026-01-09/*.csv, .jsonl (also with .gz) or .parquet, "
        "columns checked in orders/date=2026-01-08/b.csv"
    )
    assert customers.startswith("customers: customers.csv, 1 file, ")
    assert payments.endswith("columns checked in payments.csv")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_doctor_checks_the_columns_of_each_format(tmp_path: Path, suffix: str) -> None:
    folder = orders_in(tmp_path, {f"orders{suffix}": content("payments", suffix, [{}])})

    with pytest.raises(SourceError, match="has no column `customer_id`; it has `id`, `order_id`"):
        FilesSource(settings(folder)).check()


# ------------------------------------------------------------------------------ folders


def test_names_with_blanks_and_signs_are_read(tmp_path: Path) -> None:
    folder = orders_in(tmp_path / "Händler #1 100%", {f"{FOLDER}/export é%20 'x'.csv": [{}]})

    assert extract(folder, "orders").column("id") == ["o1"]


def test_a_linked_day_folder_is_read_and_a_broken_link_is_an_error(tmp_path: Path) -> None:
    folder = orders_in(tmp_path / "shop", {f"{FOLDER}/a.csv": [{}]})
    put(tmp_path, {"elsewhere/a.csv": content("orders", ".csv", [{"id": "linked"}])})
    (folder / NEXT_FOLDER).symlink_to(tmp_path / "elsewhere")

    assert extract(folder, "orders", NEXT).column("id") == ["linked"]
    (folder / FOLDER / "b.csv").symlink_to(tmp_path / "gone.csv")
    with pytest.raises(SourceError, match=r"b\.csv cannot be read"):
        extract(folder, "orders", NEXT)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_makes_its_day_bad(tmp_path: Path) -> None:
    folder = orders_in(tmp_path, {f"{FOLDER}/a.csv": [{}]})
    (folder / FOLDER / "a.csv").chmod(0)

    assert "cannot be opened: Permission denied" in extract(folder, "orders").bad_days["2026-01-05"]


def test_days_before_the_first_are_not_asked_for(tmp_path: Path) -> None:
    folder = orders_in(tmp_path, {f"orders/date={START}/a.csv": [{}]})

    assert extract(folder, "orders", date(2025, 12, 1), START).bad_days == {}
