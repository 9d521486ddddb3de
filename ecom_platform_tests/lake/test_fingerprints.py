"""What an object says of the source's rows that it was made of."""

from __future__ import annotations

from datetime import date

from ecom_platform.engines.duckdb import create_result
from ecom_platform.lake.fingerprints import SOURCE_FINGERPRINT, recorded_fingerprints
from ecom_platform.lake.tables import Published, Rows
from ecom_platform_tests.lake.shelf import SALES, Run, sales

DAY = "2024-01-01"
ONE_SALE = sales(f"1, 'north', 10.00, '{DAY} 09:30:00Z'")
OTHER_SALE = sales(f"1, 'south', 10.00, '{DAY} 09:30:00Z'")


def publish(address: str, query: str, fingerprint: str | None) -> tuple[Published, Run]:
    run = Run(address)
    facts = {DAY: {SOURCE_FINGERPRINT: fingerprint}} if fingerprint else {}
    connection = run.engine.connect()
    with connection:
        create_result(connection, SALES, query, table="result")
        rows = Rows(connection, "result", facts=facts)
        report = run.lake.publish(SALES, rows, [DAY], "v1")
    assert report.bad_days == {}
    return report.published[DAY][SALES], run


def recorded(run: Run) -> dict[date, str]:
    days = [date(2024, 1, 1), date(2024, 1, 2)]
    return recorded_fingerprints(run.storage, [SALES], days)[SALES]


def test_a_published_day_remembers_its_fingerprint(address: str) -> None:
    _, run = publish(address, ONE_SALE, "1:4711")
    assert recorded(run) == {date(2024, 1, 1): "1:4711"}


def test_the_same_rows_of_another_fingerprint_are_kept_with_the_new_one(address: str) -> None:
    _, before = publish(address, ONE_SALE, "1:4711")
    version = before.stat(DAY).etag
    again, _ = publish(address, ONE_SALE, "1:4711")
    assert (again.changed, before.stat(DAY).etag) == (False, version)
    found, run = publish(address, ONE_SALE, "1:42")
    assert found.changed is False  # its rows were not, so nothing below is disturbed
    assert found.size == run.stat(DAY).size
    assert recorded(run) == {date(2024, 1, 1): "1:42"}
    assert run.rows([DAY], "id, region") == [(1, "north")]


def test_other_rows_of_the_same_fingerprint_are_written(address: str) -> None:
    publish(address, ONE_SALE, "1:4711")
    found, run = publish(address, OTHER_SALE, "1:4711")
    assert found.changed is True
    assert run.rows([DAY], "region") == [("south",)]


def test_a_day_published_without_a_fingerprint_has_the_empty_one(address: str) -> None:
    _, run = publish(address, ONE_SALE, None)
    assert recorded(run) == {date(2024, 1, 1): ""}


def test_what_a_damaged_object_was_made_of_is_not_known(address: str) -> None:
    _, run = publish(address, ONE_SALE, "1:4711")
    path = SALES.object_path(DAY)
    broken = run.scratch / "broken"
    broken.write_bytes(b"not Parquet")
    run.storage.put(path, broken, replaces=run.stat(DAY).etag, facts={})
    assert recorded(run) == {date(2024, 1, 1): ""}
