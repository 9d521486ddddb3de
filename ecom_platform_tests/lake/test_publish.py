"""Days of a dataset in the lake: written when they changed, explicit when empty, exact."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from threading import Barrier
from typing import TYPE_CHECKING

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from pyarrow import dataset as arrow_dataset
from pyarrow import parquet

from ecom_platform.datasets import Column, Dataset, Type
from ecom_platform.engines.duckdb import add_view, create_result, text
from ecom_platform.errors import LakeError, MissingPartitionError
from ecom_platform.lake.tables import Rows
from ecom_platform_tests.lake.shelf import DAYS, NO_SALES, SALES, Run, sales, with_columns

if TYPE_CHECKING:
    from collections.abc import Callable

FIRST, SECOND, THIRD = DAYS

TWO_DAYS = sales(
    "2, 'south', 20.50, '2024-01-01 12:00:00Z'",
    "1, 'north', 10.00, '2024-01-01 09:30:00Z'",
    "3, NULL, -1.005, '2024-01-02 23:59:59.999999Z'",
)
OTHER_ORDER = sales(
    "3, NULL, -1.005, '2024-01-02 23:59:59.999999Z'",
    "1, 'north', 10.00, '2024-01-01 09:30:00Z'",
    "2, 'south', 20.50, '2024-01-01 12:00:00Z'",
)


def test_each_day_is_one_object_and_a_day_without_rows_too(address: str) -> None:
    run = Run(address)
    report = run.publish(TWO_DAYS)
    assert report.bad_days == {}
    assert {day: report.published[day][SALES].audit.rows for day in DAYS} == {
        FIRST: 2, SECOND: 1, THIRD: 0
    }  # fmt: skip
    assert sorted(run.storage.etags("metrics")) == [
        f"metrics/sales/date={day}/data.parquet" for day in DAYS
    ]
    assert run.rows(select="id, amount, date") == [
        (1, Decimal("10.00"), date(2024, 1, 1)),
        (2, Decimal("20.50"), date(2024, 1, 1)),
        (3, Decimal("-1.01"), date(2024, 1, 2)),
    ]


def test_an_empty_day_has_the_whole_schema(address: str) -> None:
    run = Run(address)
    run.publish(TWO_DAYS)
    expected = {
        "id": pa.int64(),
        "region": pa.string(),
        "amount": pa.decimal128(18, 2),
        "sold_at": pa.timestamp("us", "UTC"),
        "day": pa.date32(),
        "pieces": pa.int64(),
        "share": pa.float64(),
        "gift": pa.bool_(),
    }
    for day, rows in ((FIRST, 2), (SECOND, 1), (THIRD, 0)):
        file = parquet.ParquetFile(run.file(day))
        assert {field.name: field.type for field in file.schema_arrow} == expected
        assert file.metadata.num_rows == rows


def test_objects_say_who_wrote_them_and_what_is_in_them(address: str) -> None:
    run = Run(address, "run-7")
    report = run.publish(TWO_DAYS, code="abc123")
    for day, rows in ((FIRST, "2"), (THIRD, "0")):
        published = report.published[day][SALES]
        facts = {
            "ecom-run": "run-7",
            "ecom-code": "abc123",
            "ecom-rows": rows,
            "ecom-content": published.audit.content,
        }
        assert facts.items() <= run.stat(day).metadata.items()
        footer = parquet.read_metadata(run.file(day)).metadata or {}
        assert {key: footer[key.encode()].decode() for key in facts} == facts
        assert published.uri == f"{address}/metrics/sales/date={day}/data.parquet"
        assert published.size == run.stat(day).size == run.file(day).stat().st_size


def test_s3_itself_knows_the_facts(bucket: str) -> None:
    import boto3

    Run(f"s3://{bucket}", "run-7").publish(TWO_DAYS)
    client = boto3.client(
        "s3", region_name="us-east-1", endpoint_url=os.environ["AWS_ENDPOINT_URL"]
    )
    head = client.head_object(Bucket=bucket, Key=f"metrics/sales/date={FIRST}/data.parquet")
    assert head["Metadata"]["ecom-run"] == "run-7"
    assert head["Metadata"]["ecom-rows"] == "2"


def test_a_version_of_before_can_be_restored_and_replaced_again(bucket: str) -> None:
    """As docs/runbooks/restore-a-partition.md says."""
    import boto3

    client = boto3.client("s3", region_name="us-east-1")
    client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    address, key = f"s3://{bucket}", f"metrics/sales/date={FIRST}/data.parquet"
    before = Run(address)
    before.publish(TWO_DAYS)
    rows, facts = before.rows(), before.stat(FIRST).metadata
    wrong = sales("1, 'north', 99.00, '2024-01-01 09:30:00Z'")
    assert Run(address).changed(wrong, [FIRST]) == [True]

    _, wanted = client.list_object_versions(Bucket=bucket, Prefix=key)["Versions"]
    source = f"{bucket}/{key}?versionId={wanted['VersionId']}"
    client.copy_object(Bucket=bucket, Key=key, CopySource=source)
    after = Run(address)
    assert after.rows() == rows
    assert after.stat(FIRST).metadata == facts
    assert not any(after.changed(TWO_DAYS))
    assert after.changed(wrong, [FIRST]) == [True]


def test_files_are_zstd_and_sorted_by_key_however_large(tmp_path: Path) -> None:
    run = Run(str(tmp_path / "lake"))
    many = 300_000
    run.publish(
        f"SELECT (range * 7919) % {many} AS id, 'x' AS region, 1 AS amount, "
        f"TIMESTAMPTZ '{FIRST} 00:00:00Z' AS sold_at, NULL AS day, NULL AS pieces, NULL AS share, "
        f"NULL AS gift, DATE '{FIRST}' AS date FROM range({many})",
        [FIRST],
    )
    file = parquet.ParquetFile(run.file(FIRST))
    assert file.metadata.num_row_groups > 1
    assert file.read(["id"])["id"].to_pylist() == list(range(many))
    group = file.metadata.row_group(0)
    assert {group.column(i).compression for i in range(group.num_columns)} == {"ZSTD"}
    assert all(group.column(i).statistics for i in range(group.num_columns))


def _with_pandas(lake: str) -> list[object]:
    frame = pd.read_parquet(f"{lake}/metrics/sales").sort_values("id")
    assert str(frame["sold_at"].dtype) == "datetime64[us, UTC]"
    return [frame["id"].tolist(), frame["amount"].tolist(), frame["date"].astype(str).tolist()]


def _with_arrow(lake: str) -> list[object]:
    found = arrow_dataset.dataset(f"{lake}/metrics/sales", partitioning="hive").to_table()
    found = found.sort_by("id")
    return [found[name].to_pylist() for name in ("id", "amount", "date")]


def _with_duckdb(lake: str) -> list[object]:
    with duckdb.connect() as connection:
        found = connection.execute(
            f"SELECT list(id ORDER BY id), list(amount ORDER BY id), "
            f"list(date::VARCHAR ORDER BY id) FROM '{lake}/metrics/sales/*/data.parquet'"
        ).fetchone()
    assert found
    return list(found)


def _with_polars(lake: str) -> list[object]:
    found = pl.read_parquet(f"{lake}/metrics/sales", hive_partitioning=True).sort("id")
    return [found[name].to_list() for name in ("id", "amount")] + [
        [str(day) for day in found["date"].to_list()]
    ]


@pytest.mark.parametrize("read", [_with_pandas, _with_arrow, _with_duckdb, _with_polars])
def test_others_read_the_lake_without_a_catalog(
    tmp_path: Path, read: Callable[[str], list[object]]
) -> None:
    lake = str(tmp_path / "lake")
    Run(lake).publish(TWO_DAYS)
    assert read(lake) == [
        [1, 2, 3],
        [Decimal("10.00"), Decimal("20.50"), Decimal("-1.01")],
        [FIRST, FIRST, SECOND],
    ]


def test_the_same_rows_are_not_written_again(address: str) -> None:
    assert Run(address).changed(TWO_DAYS) == [True, True, True]
    before = {day: Run(address).stat(day) for day in DAYS}
    assert Run(address).changed(TWO_DAYS) == [False, False, False]
    assert Run(address).changed(OTHER_ORDER) == [False, False, False]
    assert {day: Run(address).stat(day) for day in DAYS} == before


def test_the_same_rows_are_left_alone_on_disk(tmp_path: Path) -> None:
    run = Run(str(tmp_path))
    run.publish(TWO_DAYS)

    def written() -> dict[str, tuple[int, int]]:
        found = {day: run.file(day).stat() for day in DAYS}
        return {day: (stat.st_ino, stat.st_mtime_ns) for day, stat in found.items()}

    before = written()
    Run(str(tmp_path)).publish(OTHER_ORDER)
    assert written() == before


def test_only_the_days_that_changed_are_written(address: str) -> None:
    Run(address).publish(TWO_DAYS)
    late = sales(
        "1, 'north', 10.00, '2024-01-01 09:30:00Z'",
        "2, 'south', 20.50, '2024-01-01 12:00:00Z'",
        "3, NULL, -1.01, '2024-01-02 23:59:59.999999Z'",
        "4, 'late', 0.01, '2024-01-03 00:00:00Z'",
    )
    assert Run(address).changed(late) == [False, False, True]
    assert Run(address).rows([THIRD], "id, region, amount") == [(4, "late", Decimal("0.01"))]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1, 'x', 1.00", "1, 'x', 1.01"),
        ("1, NULL, 1", "1, '', 1"),
        ("1, NULL, 1", "1, 'null', 1"),
        ("1, 'x', NULL", "1, 'x', 0"),
        ("1, 'x', 9999999999999999.98", "1, 'x', 9999999999999999.99"),
        ("9007199254740992, 'x', 1", "9007199254740993, 'x', 1"),
        ("'1' || chr(31), 'x', 1", "'1', chr(31) || 'x', 1"),
        ("'1', chr(30), 1", "'1', NULL, 1"),
        ("'1\",\"2', '3', 1", "'1', '2\",\"3', 1"),
        ("'007', 'x', 1", "'7', 'x', 1"),
        ("7, 'x', 1", "'7', 'x', 1"),
    ],
)
def test_what_differs_at_all_is_written(tmp_path: Path, one: str, other: str) -> None:
    Run(str(tmp_path)).publish(sales(f"{one}, '2024-01-01'"), [FIRST])
    assert Run(str(tmp_path)).changed(sales(f"{one}, '2024-01-01'"), [FIRST]) == [False]
    assert Run(str(tmp_path)).changed(sales(f"{other}, '2024-01-01'"), [FIRST]) == [True]


def test_a_row_more_of_the_same_is_a_change(tmp_path: Path) -> None:
    row = "1, 'x', 1, '2024-01-01'"
    no_key = replace(SALES, key=(), sort=("id",))
    for count, changed in ((1, True), (2, True), (2, False), (3, True), (1, True)):
        run = Run(str(tmp_path), dataset=no_key)
        assert run.changed(sales(*[row] * count), [FIRST]) == [changed]


def test_a_dataset_without_key_or_order_is_published(tmp_path: Path) -> None:
    run = Run(str(tmp_path), dataset=replace(SALES, key=(), sort=()))
    assert run.changed(TWO_DAYS) == [True, True, True]
    assert len(run.rows()) == 3


ID, REGION, AMOUNT, *OTHERS = SALES.columns


@pytest.mark.parametrize(
    "columns",
    [
        (*SALES.columns, Column("note", Type.TEXT, "New")),
        (ID, REGION, AMOUNT),
        (ID, REGION, replace(AMOUNT, type=Type.RATIO), *OTHERS),
        (REGION, ID, AMOUNT, *OTHERS),
    ],
    ids=["one more", "fewer", "another type", "another order"],
)
def test_another_schema_is_another_content_though_the_rows_are_the_same(
    address: str, columns: tuple[Column, ...]
) -> None:
    Run(address).publish(TWO_DAYS)
    again = Run(address, dataset=replace(with_columns(*columns), dated_by=""))
    query = f"SELECT *, NULL AS note FROM ({TWO_DAYS})"
    assert again.changed(query) == [True, True, True]
    assert again.changed(query) == [False, False, False]
    assert parquet.read_schema(again.file(THIRD)).names == [column.name for column in columns]


def test_a_wide_dataset_fits_into_what_s3_keeps_with_an_object(bucket: str) -> None:
    """S3 takes 2 KB of metadata; these declarations are longer."""
    columns = [Column(f"a_column_with_a_rather_long_name_{n}", Type.TEXT, "") for n in range(100)]
    run = Run(f"s3://{bucket}", dataset=Dataset("metrics", "wide", "", "", tuple(columns)))
    nulls = ", ".join(f"NULL AS {column.name}" for column in columns)
    assert run.changed(f"SELECT {nulls}, DATE '{FIRST}' AS date", [FIRST]) == [True]
    assert sum(len(key) + len(fact) for key, fact in run.stat(FIRST).metadata.items()) < 1024


def test_an_overtaken_run_cannot_overwrite_what_a_later_one_published(address: str) -> None:
    Run(address).publish(TWO_DAYS)
    zombie = Run(address, "the zombie")
    Run(address, "the newer").publish(sales("1, 'newer', 1, '2024-01-01'"), [FIRST])

    report = zombie.publish(
        sales("1, 'older', 1, '2024-01-01'", "3, 'older', 1, '2024-01-02'"), [FIRST, SECOND]
    )

    assert list(report.bad_days) == [FIRST]
    assert "was changed by another run since this one started" in report.bad_days[FIRST]
    assert list(report.published) == [SECOND]
    assert zombie.stat(FIRST).metadata["ecom-run"] == "the newer"
    assert zombie.rows([FIRST, SECOND], "region") == [("newer",), ("older",)]
    table = zombie.lake.table(SALES, DAYS)
    assert (table.failed, table.changed) == (report.bad_days, frozenset({FIRST}))


def test_what_is_published_beside_an_overtaken_table_is_left_alone_too(address: str) -> None:
    beside = replace(SALES, layer="quarantine")
    others = sales("9, 'newer', 1, '2024-01-01'")
    zombie = Run(address, "the zombie")
    zombie.lake.remember([beside])
    older = sales("1, 'older', 1, '2024-01-01'")
    for run, query in (Run(address), others), (zombie, older):
        with run.engine.connect() as connection:
            create_result(connection, SALES, query, table="result")
            create_result(connection, beside, query, table="rejected")
            rows = Rows(connection, "result", beside={beside: "rejected"})
            report = run.lake.publish(SALES, rows, [FIRST], "")
    assert list(report.bad_days) == [FIRST]
    reader = Run(address, dataset=beside)
    assert reader.rows([FIRST], "region") == [("newer",)]


def test_an_overtaken_first_run_cannot_either(address: str) -> None:
    zombie = Run(address)
    Run(address).publish(TWO_DAYS)
    report = zombie.publish(sales("1, 'older', 1, '2024-01-01'"))
    # Of the third day both say that it is empty, and that is no conflict.
    assert list(report.bad_days) == [FIRST, SECOND]
    assert report.published[THIRD][SALES].changed is False
    assert [region for (region,) in zombie.rows(select="region")] == ["north", "south", None]


def test_runs_that_make_the_same_at_once_all_succeed(address: str) -> None:
    runs = [Run(address) for _ in range(4)]
    start = Barrier(len(runs))

    def publish(run: Run) -> list[bool]:
        start.wait()
        return run.changed(TWO_DAYS)

    with ThreadPoolExecutor(len(runs)) as pool:
        changed = list(pool.map(publish, runs))
    assert [sum(day) for day in zip(*changed, strict=True)] == [1, 1, 1]


def test_a_run_may_publish_a_day_again(address: str) -> None:
    run = Run(address)
    run.publish(TWO_DAYS)
    assert run.changed(sales("1, 'x', 1, '2024-01-01'")) == [True, True, False]
    assert run.changed(TWO_DAYS) == [True, True, False]


def test_scratch_is_empty_after_publishing(address: str) -> None:
    run = Run(address)
    run.publish(TWO_DAYS)
    assert [path for path in run.scratch.rglob("*") if path.is_file()] == []


def test_a_day_that_was_never_computed_is_an_error_that_says_what_to_do(address: str) -> None:
    run = Run(address)
    run.publish(TWO_DAYS, [FIRST, SECOND])
    table = run.lake.table(SALES, DAYS)
    assert (table.days, table.missing) == ((FIRST, SECOND), frozenset({THIRD}))
    with pytest.raises(MissingPartitionError) as error:
        run.lake.fetch(SALES, DAYS)
    assert error.value.message == f"metrics/sales was never computed for {THIRD}."
    assert error.value.hint == "Materialize metrics/sales for that day."


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1 and no footer", b"<html>502</html>"])
def test_a_damaged_day_is_named_and_publishing_it_again_mends_it(
    address: str, content: bytes
) -> None:
    run = Run(address)
    run.publish(TWO_DAYS)
    overwrite(run, SECOND, content)
    with pytest.raises(
        LakeError, match=f"metrics/sales/date={SECOND}/data.parquet is damaged"
    ) as e:
        run.rows()
    assert e.value.hint == f"Delete it, and materialize metrics/sales for {SECOND} again."
    assert len(run.rows([FIRST])) == 2

    assert Run(address).changed(TWO_DAYS) == [False, True, False]
    assert len(run.rows()) == 3


def test_a_day_with_damaged_pages_is_named(address: str) -> None:
    run = Run(address)
    run.publish(TWO_DAYS)
    file = run.file(FIRST)
    first_column = parquet.read_metadata(file).row_group(0).column(0)
    content = bytearray(file.read_bytes())
    pages = slice(4, 4 + first_column.total_compressed_size)
    content[pages] = b"\xff" * first_column.total_compressed_size
    overwrite(run, FIRST, bytes(content))
    fresh = Run(address)
    with fresh.engine.connect() as connection:
        add_view(connection, fresh.lake.table(SALES, DAYS).partitions())
        with pytest.raises(LakeError, match=f"metrics/sales/date={FIRST}/data.parquet is damaged"):
            create_result(connection, SALES, "SELECT * FROM metrics.sales", table="result")


@pytest.mark.parametrize(
    "folder", ["a lake's", "region=north/lake", "date=2020-01-01", "[lake]*", 'quo"te', "é;--"]
)
def test_a_lake_may_be_in_any_folder(tmp_path: Path, folder: str) -> None:
    run = Run(str(tmp_path / folder / "lake"))
    run.publish(TWO_DAYS)
    assert run.rows(select="region, date") == [
        ("north", date(2024, 1, 1)),
        ("south", date(2024, 1, 1)),
        (None, date(2024, 1, 2)),
    ]


def test_text_of_any_kind_comes_back_as_it_was(address: str) -> None:
    run = Run(address)
    words = ["it's", 'a "quote"', "two\nlines", "a;b--c", "日本", "{}", "%s", "\x1f\x1e", "NULL"]
    rows = [f"'{n}', {text(word)}, 1, '2024-01-01'" for n, word in enumerate(words)]
    run.publish(sales(*rows), [FIRST])
    assert [word for (word,) in run.rows([FIRST], "region")] == words


def test_ids_keep_their_type_and_every_digit(address: str) -> None:
    Run(address).publish(
        sales("9007199254740993, 'x', 1, '2024-01-01'", "-7, 'x', 1, '2024-01-02'"), DAYS[:2]
    )
    assert Run(address).rows(DAYS[:2], "id") == [(9007199254740993,), (-7,)]


def test_ids_of_a_range_in_which_their_type_changes_are_text(address: str) -> None:
    Run(address).publish(sales("9007199254740993, 'x', 1, '2024-01-01'"), [FIRST])
    Run(address).publish(sales("'0007', 'x', 1, '2024-01-02'"), [SECOND])
    Run(address).publish(NO_SALES, [THIRD])
    assert Run(address).rows(DAYS, "id") == [("9007199254740993",), ("0007",)]
    assert Run(address).rows([FIRST, THIRD], "id") == [(9007199254740993,)]


def test_a_day_without_rows_does_not_make_ids_text(address: str) -> None:
    """A source without rows cannot know whether its ids are numbers."""
    empty = f"SELECT * REPLACE (CAST(id AS VARCHAR) AS id) FROM ({NO_SALES})"
    Run(address).publish(empty, [FIRST])
    assert parquet.read_schema(Run(address).file(FIRST)).field("id").type == pa.string()
    Run(address).publish(sales("7, 'x', 1, '2024-01-02'"), [SECOND])
    assert Run(address).rows(DAYS[:2], "id") == [(7,)]


def test_instants_are_utc_to_the_microsecond(address: str) -> None:
    run = Run(address)
    run.publish(sales("1, 'x', 1, '2024-01-01 23:59:59.999999Z'"), [FIRST])
    ((instant,),) = run.rows([FIRST], "sold_at")
    assert instant.astimezone(UTC) == datetime(2024, 1, 1, 23, 59, 59, 999999, UTC)


def overwrite(run: Run, day: str, content: bytes) -> None:
    """Overwrite an object, as no run of ours would."""
    if run.address.startswith("s3://"):
        import boto3

        bucket, _, prefix = run.address.removeprefix("s3://").partition("/")
        client = boto3.client(
            "s3", region_name="us-east-1", endpoint_url=os.environ["AWS_ENDPOINT_URL"]
        )
        key = f"{prefix}/{SALES.object_path(day)}"
        client.put_object(Bucket=bucket, Key=key, Body=content)
    else:
        (Path(run.address) / SALES.object_path(day)).write_bytes(content)
