"""One file, read strictly: what is refused, in which words, and what comes through exactly."""

from __future__ import annotations

import csv
import gzip
import io
import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from ecom_platform.sources.files.faults import BrokenFileError
from ecom_platform.sources.files.formats import read_rows

if TYPE_CHECKING:
    from collections.abc import Mapping

COLUMNS = ("id", "amount", "status")
HEADER = "id,amount,status\n"

#: Any text of whole Unicode characters, and often what CSV and JSON trip over.
TEXTS = st.text(st.characters(exclude_categories=["Cs"])) | st.text('a,"\n\r\\é;\t ', max_size=6)
ROWS = st.lists(st.tuples(TEXTS, TEXTS, TEXTS), max_size=8)


def read(content: str | bytes, suffix: str = ".csv", **options: Any) -> list[tuple[Any, ...]]:
    stream = io.BytesIO(content.encode() if isinstance(content, str) else content)
    rows = read_rows(stream, suffix, COLUMNS, **options)
    return [tuple(row.values()) for batch in rows.batches for row in batch.to_pylist()]


def fault(content: str | bytes, suffix: str = ".csv") -> str:
    with pytest.raises(BrokenFileError) as caught:
        read(content, suffix)
    return caught.value.about(f"orders{suffix}")


def as_parquet(columns: Mapping[str, Any], **options: Any) -> bytes:
    sink = io.BytesIO()
    parquet.write_table(pa.table(dict(columns)), sink, **options)
    return sink.getvalue()


def parquet_texts(column: pa.Array, *, is_id: bool = False) -> list[str | None]:
    """Return how a Parquet column reads as text, as an id or as an amount."""
    name = "id" if is_id else "amount"
    others = {other: pa.nulls(len(column), pa.string()) for other in COLUMNS if other != name}
    rows = read(as_parquet({name: column, **others}), ".parquet", ids=frozenset({"id"}))
    return [row[COLUMNS.index(name)] for row in rows]  # pyright: ignore[reportReturnType]


# ------------------------------------------------------------------------------ CSV


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("1,2,a\n3,4\n", "line 3: has 2 fields where the header has 3"),
        ("1,2,a\n3,4,b,c\n", "line 3: has 4 fields where the header has 3"),
        ("1,2,a\n3,4,b,\n", "line 3: has 4 fields where the header has 3"),
        ("1,2,a\n   \n", "line 3: has 1 fields where the header has 3"),
        (
            '1,2,a\n3,"4,b\n5,6,c\n',
            "line 3: a quoted field that begins in this row is never closed",
        ),
        ('1,2,"a"b\n', "line 2: text follows a closing quote"),
        ('1,2,"a\\"b"\n', "line 2: text follows a closing quote"),
        ("1,2,a\rb\n", "line 2: a carriage return stands outside quotes"),
        ('"1\n",2,a\n\n3,4\n', "line 5: has 2 fields where the header has 3"),
        ('1,2,"' + "x" * 140_000, "line 2: a field is longer than 131,072 characters"),
        ("1,2," + "x" * 17_000_000, "line 2: is longer than 16,777,216 bytes"),
    ],
)
def test_a_broken_csv_row_names_its_line(content: str, said: str) -> None:
    assert fault(HEADER + content).startswith(f"orders.csv, {said}")


def test_a_byte_that_is_not_utf_8_names_its_line_and_place() -> None:
    content = HEADER.encode() + b"1,2,a\n3,4,caf\xe9\n"

    assert fault(content) == "orders.csv, line 3: byte 8 is not UTF-8"


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("id,status\n", "line 1: has no column `amount`; it has `id`, `status`"),
        ("ID,Amount,Status\n", "line 1: has no column `id`; it has `ID`, `Amount`, `Status`"),
        ("id,amount,status,id\n", "line 1: has the column `id` 2 times"),
        ("id;amount;status\n", "line 1: the header is one field: the delimiter is not ','"),
    ],
)
def test_a_header_without_each_required_column_once_is_refused(header: str, said: str) -> None:
    assert said in fault(header)


def test_an_address_in_a_missing_header_is_not_repeated() -> None:
    said = fault("7,anna@example.invalid,North\n")

    assert "has no column `id`" in said
    assert "anna" not in said


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "has 0 bytes"),
        (b"\n\n", "has no header line"),
        (b"\xef\xbb\xbf", "has no header line"),
        (b"<?xml version='1.0'?><Error/>", "is an XML or HTML page"),
        (b"\xef\xbb\xbf<!DOCTYPE html>", "is an XML or HTML page"),
        (
            gzip.compress(HEADER.encode(), mtime=0),
            "is compressed by gzip, so its name should end in .gz",
        ),
        (b"PK\x03\x04 a workbook", "is a ZIP or Excel file"),
        (b"PAR1 columns", "is a Parquet file"),
        (HEADER.encode("utf-16"), "is UTF-16"),
    ],
)
def test_what_is_not_csv_is_recognised(content: bytes, said: str) -> None:
    assert said in fault(content)


@pytest.mark.parametrize(
    "content",
    [
        HEADER + "1,2,a\n3,,b\n",
        HEADER + "1,2,a\n3,,b",
        HEADER + '1,2,a\n\n3,"",b\n\n',
        "\ufeff" + HEADER + "1,2,a\n3,,b\n",
        HEADER.replace("\n", "\r\n") + "1,2,a\r\n3,,b\r\n",
        HEADER + "1,2,a\r\n3,,b\n",
        '"id","amount","status"\n"1","2","a"\n"3",,b\n',
        "note,status,id,amount\nx,a,1,2\ny,b,3,\n",
    ],
)
def test_the_forms_of_csv_that_mean_the_same_read_the_same(content: str) -> None:
    assert read(content) == [("1", "2", "a"), ("3", None, "b")]


def test_a_file_with_only_a_header_has_no_rows() -> None:
    assert read(HEADER) == []
    assert read(HEADER.strip()) == []


def test_another_delimiter_is_declared() -> None:
    assert read("id;amount;status\n1;2,50;a\n", delimiter=";") == [("1", "2,50", "a")]


def test_blanks_words_and_zeros_are_kept_as_they_are() -> None:
    content = HEADER + '007, "x" ,NA\nNULL,nan,x"y\n#8, ,\\N\n'

    assert read(content) == [("007", ' "x" ', "NA"), ("NULL", "nan", 'x"y'), ("#8", " ", "\\N")]


@given(ROWS, st.sampled_from(["\n", "\r\n"]))
def test_what_python_writes_as_csv_comes_back_exactly(
    rows: list[tuple[str, str, str]], line_end: str
) -> None:
    file = io.StringIO()
    # Python leaves a lone carriage return unquoted where lines end in a line feed.
    quoting = csv.QUOTE_ALL if line_end == "\n" else csv.QUOTE_MINIMAL
    writer = csv.writer(file, lineterminator=line_end, quoting=quoting)
    writer.writerow(COLUMNS)
    writer.writerows(rows)

    assert read(file.getvalue()) == [tuple(value or None for value in row) for row in rows]


def test_rows_of_many_batches_are_all_there_in_order() -> None:
    count = 50_000
    content = HEADER + "".join(
        f'{number},{number}.50,"two\r\nlines"\r\n' for number in range(count)
    )

    rows = read(content)

    assert [row[0] for row in rows] == [str(number) for number in range(count)]
    assert {row[2] for row in rows} == {"two\r\nlines"}


# ------------------------------------------------------------------------------ gzip


def test_gzip_reads_as_the_plain_file_also_in_several_members() -> None:
    halves = gzip.compress(HEADER.encode(), mtime=0) + gzip.compress(b"1,2,a\n")

    assert read(halves, ".csv.gz") == [("1", "2", "a")]


@pytest.mark.parametrize("kept", [5, 30, -9, -1])
def test_a_cut_gzip_file_is_refused(kept: int) -> None:
    whole = gzip.compress((HEADER + "".join(f"{n},{n * n},a\n" for n in range(500))).encode())

    assert fault(whole[:kept], ".csv.gz") == "orders.csv.gz is cut: its gzip data ends early"


@pytest.mark.parametrize(
    "content",
    [
        gzip.compress(HEADER.encode(), mtime=0) + b"rubbish",
        HEADER.encode(),
        gzip.compress(HEADER.encode(), mtime=0)[:-8] + bytes(8),
    ],
)
def test_gzip_with_rubbish_or_a_wrong_checksum_is_refused(content: bytes) -> None:
    assert "is not sound gzip data" in fault(content, ".csv.gz")


def test_damaged_gzip_data_is_refused() -> None:
    content = bytearray(gzip.compress((HEADER + "1,2,abcdefgh\n" * 50).encode()))
    content[10] = 0b111  # a block of a kind that there is not

    assert "its gzip data cannot be unpacked" in fault(bytes(content), ".csv.gz")


# ------------------------------------------------------------------------------ JSON Lines


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"id": 1, "amount"', "is not JSON: Expecting ':' delimiter at 19"),
        ('{"id": 1, "amount": 2, "status": "a"} {}', "is not JSON: Extra data at 39"),
        ('{"id": 1, "amount": 2, "status": "a", "id": 1}', "has a key twice"),
        ('{"id": 1, "amount": 2}', "has no column `status`; it has `id`, `amount`"),
        ('{"id": 1, "amount": {"eur": 2}, "status": "a"}', "`amount` is a nested value"),
        ('{"id": [1], "amount": 2, "status": "a"}', "`id` is a nested value"),
        ('{"id": 1, "amount": 2, "status": "\\ud800"}', "`status` holds half a Unicode character"),
        ('["id", "amount", "status"]', "is not a JSON object"),
        ("[" * 100_000, "is not JSON"),
    ],
)
def test_a_broken_json_line_names_its_line(line: str, said: str) -> None:
    content = '{"id": 1, "amount": 2, "status": "a"}\n\n' + line + "\n"

    assert fault(content, ".jsonl").startswith(f"orders.jsonl, line 3: {said}")


def test_json_numbers_keep_every_digit_they_are_written_with() -> None:
    content = (
        '{"id": 9007199254740993, "amount": 12.30, "status": true}\n'
        '{"id": "007", "amount": 1e5, "status": null}\n'
        '{"id": 123456789012345678901234567890, "amount": NaN, "status": ""}\n'
    )

    assert read(content, ".jsonl") == [
        ("9007199254740993", "12.30", "true"),
        ("007", "1e5", None),
        ("123456789012345678901234567890", "NaN", ""),
    ]


def test_json_lines_without_rows_are_a_blank_line() -> None:
    assert read("\n", ".jsonl") == []
    assert "has 0 bytes" in fault("", ".jsonl")


def test_other_keys_are_passed_over_and_order_is_free() -> None:
    content = '{"status": "a", "more": {"deep": [1, {"id": 2}]}, "amount": 2, "id": 1}\r\n'

    assert read(content, ".jsonl") == [("1", "2", "a")]


@given(ROWS, st.booleans())
def test_what_python_writes_as_json_lines_comes_back_exactly(
    rows: list[tuple[str, str, str]], ensure_ascii: bool
) -> None:
    lines = [
        json.dumps(dict(zip(COLUMNS, row, strict=True)), ensure_ascii=ensure_ascii) for row in rows
    ]

    assert read("\n".join(lines) + "\n", ".jsonl") == rows


# ------------------------------------------------------------------------------ Parquet


def test_parquet_keeps_exact_decimals_integers_and_text() -> None:
    decimals = [Decimal("12.30"), Decimal("0E-12"), Decimal("-0.000000000001"), None]

    assert parquet_texts(pa.array(decimals, pa.decimal128(38, 12))) == [
        "12.300000000000",
        "0.000000000000",
        "-0.000000000001",
        None,
    ]
    huge = [Decimal(f"1{'0' * 60}.01")]
    assert parquet_texts(pa.array(huge, pa.decimal256(70, 2))) == ["1" + "0" * 60 + ".01"]
    assert parquet_texts(pa.array([2**64 - 1], pa.uint64())) == ["18446744073709551615"]
    assert parquet_texts(pa.array(["a", None]).dictionary_encode()) == ["a", None]
    assert parquet_texts(pa.array(["é".encode()])) == ["é"]


def test_parquet_floats_read_as_the_shortest_text_that_makes_them() -> None:
    doubles = [0.1, 12.345, 1234567890123.45, 1e16, float("nan"), None]

    texts = parquet_texts(pa.array(doubles))

    assert texts == ["0.1", "12.345", "1234567890123.45", "1e+16", "nan", None]
    assert parquet_texts(pa.array([0.1], pa.float32())) == ["0.1"]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_parquet_times_read_as_iso_8601_with_and_without_a_zone(unit: str) -> None:
    instant = datetime(2026, 3, 29, 0, 30, tzinfo=UTC)
    naive = pa.array([instant.replace(tzinfo=None), None], pa.timestamp(unit))  # pyright: ignore[reportArgumentType, reportCallIssue]
    zoned = pa.array([instant, None], pa.timestamp(unit, "Europe/Berlin"))  # pyright: ignore[reportArgumentType, reportCallIssue]

    (wall, none), (utc, also_none) = parquet_texts(naive), parquet_texts(zoned)

    assert none is also_none is None
    assert datetime.fromisoformat(str(wall)) == instant.replace(tzinfo=None)
    assert datetime.fromisoformat(str(utc)) == instant
    assert parquet_texts(pa.array([date(2026, 1, 5)])) == ["2026-01-05"]


def test_parquet_nanoseconds_are_not_cut_off() -> None:
    whole, half = 1_767_600_000_123_456_000, 1_767_600_000_123_456_789

    assert parquet_texts(pa.array([whole, half], pa.timestamp("ns"))) == [
        "2026-01-05 08:00:00.123456",
        "2026-01-05 08:00:00.123456789",
    ]


def test_the_timestamps_of_old_spark_do_not_overflow() -> None:
    instants = pa.array([datetime(1066, 10, 14), datetime(9999, 12, 31)], pa.timestamp("us"))  # noqa: DTZ001
    others = {"id": ["1", "2"], "status": ["a", "b"]}
    content = as_parquet({"amount": instants, **others}, use_deprecated_int96_timestamps=True)

    assert [row[1] for row in read(content, ".parquet")] == [
        "1066-10-14 00:00:00.000000",
        "9999-12-31 00:00:00.000000",
    ]


def test_parquet_uuids_read_as_their_36_characters() -> None:
    ids = [UUID("00112233-4455-6677-8899-aabbccddeeff"), None, UUID(int=7)]
    column = pa.array([value.bytes if value else None for value in ids], pa.uuid())

    assert parquet_texts(column, is_id=True) == [str(value) if value else None for value in ids]


def test_integer_ids_that_pandas_made_floats_of_are_integers_again() -> None:
    assert parquet_texts(pa.array([17.0, None, 2.0**53]), is_id=True) == [
        "17",
        None,
        "9007199254740992",
    ]


@pytest.mark.parametrize("value", [1.5, 2.0**54, float("nan")])
def test_an_id_that_a_float_may_have_rounded_is_refused(value: float) -> None:
    with pytest.raises(BrokenFileError, match="`id` is double and holds a value that is no exact"):
        parquet_texts(pa.array([value]), is_id=True)


def test_integer_columns_are_told_from_text() -> None:
    columns = {
        "id": pa.array([1, 2], pa.int32()),
        "amount": pa.array(["1", "2"]),
        "status": pa.nulls(2),
    }
    content = io.BytesIO(as_parquet(columns))

    assert read_rows(content, ".parquet", COLUMNS, ids=frozenset(COLUMNS)).integers == {
        "id",
        "status",
    }


def whole_parquet(**options: Any) -> bytes:
    columns = {name: [str(n) for n in range(5000)] for name in COLUMNS}
    return as_parquet(columns, **options)


@pytest.mark.parametrize("kept", [3, 100, 0.5, -1])
def test_a_cut_parquet_file_is_refused(kept: float) -> None:
    whole = whole_parquet()
    end = int(kept * len(whole)) if 0 < kept < 1 else int(kept)

    assert "is not a whole Parquet file" in fault(whole[:end], ".parquet")


def test_a_flipped_bit_is_noticed_where_pages_have_checksums() -> None:
    content = bytearray(whole_parquet(write_page_checksum=True, compression="none"))
    content[len(content) // 4] ^= 1

    assert "is damaged" in fault(bytes(content), ".parquet")


def test_text_that_is_not_utf_8_is_noticed_in_parquet() -> None:
    column = pa.array([b"\xff\xfe"])
    content = as_parquet({"id": ["1"], "amount": column, "status": ["a"]})

    assert "is damaged" in fault(content, ".parquet")


def test_csv_that_is_named_parquet_is_refused() -> None:
    assert "is not a whole Parquet file" in fault(HEADER + "1,2,a\n", ".parquet")


def test_parquet_without_a_column_or_with_a_nested_one_is_refused() -> None:
    nested = as_parquet({"id": ["1"], "amount": [[1]], "status": ["a"]})

    assert "has no column `status`; it has `id`, `amount`" in fault(
        as_parquet({"id": ["1"], "amount": ["2"]}), ".parquet"
    )
    assert "the column `amount` is list" in fault(nested, ".parquet")


@given(ROWS, st.integers(1, 4))
def test_what_arrow_writes_as_parquet_comes_back_exactly(
    rows: list[tuple[str, str, str]], group: int
) -> None:
    columns = {
        name: pa.array([row[at] for row in rows], pa.string()) for at, name in enumerate(COLUMNS)
    }

    assert read(as_parquet(columns, row_group_size=group), ".parquet") == rows


@given(
    st.lists(
        st.datetimes(datetime(1700, 1, 1), datetime(2250, 1, 1)),  # noqa: DTZ001
        min_size=1,
        max_size=5,
    ),
    st.sampled_from(["us", "ns"]),
)
def test_every_parquet_timestamp_reads_as_the_time_it_is(times: list[datetime], unit: str) -> None:
    epoch = datetime(1970, 1, 1)  # noqa: DTZ001
    ticks = [(time - epoch) // timedelta(microseconds=1) for time in times]
    scale = 1000 if unit == "ns" else 1
    column = pa.array([tick * scale for tick in ticks], pa.timestamp(unit))  # pyright: ignore[reportArgumentType, reportCallIssue]

    assert [datetime.fromisoformat(str(text)) for text in parquet_texts(column)] == times
