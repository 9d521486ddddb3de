"""The engine: what it may see, what memory it has, and that types are declared, never guessed."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
import pytest
from pyarrow import parquet

from ecom_platform.datasets import Column, Dataset, Type
from ecom_platform.engines.duckdb import (
    Engine,
    Partitions,
    add_table,
    add_view,
    create_result,
    quote,
    text,
)
from ecom_platform.errors import EngineError, LakeError
from ecom_platform.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ecom_platform.engines.duckdb import Connection


def dataset(*columns: tuple[str, Type], name: str = "things") -> Dataset:
    """Declare a dataset of the lake."""
    declared = tuple(Column(column, kind, "") for column, kind in columns)
    return Dataset("metrics", name, "", "", declared)


THINGS = dataset(("id", Type.ID), ("share", Type.RATIO), ("amount", Type.MONEY))


def engine(folder: Path, **options: Any) -> Engine:
    """Return an engine that may use the folders `scratch` and `lake`."""
    settings = Settings(_env_file=None, **options)  # pyright: ignore[reportCallIssue]
    (folder / "scratch").mkdir(exist_ok=True)
    return Engine(settings, folder / "scratch", [folder / "lake"])


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    with engine(tmp_path).connect() as opened:
        yield opened


def write(folder: Path, day: str, **columns: Any) -> Path:
    """Write a partition."""
    file = folder / "lake" / "metrics" / "things" / f"date={day}" / "data.parquet"
    file.parent.mkdir(parents=True)
    parquet.write_table(pa.table(columns), file)
    return file


def read(connection: Connection, declared: Dataset, files: dict[str, Path]) -> list[Any]:
    """Return all rows of some partitions, in order of days."""
    add_view(connection, Partitions(declared, files))
    return connection.execute(
        f"SELECT * FROM metrics.{quote(declared.name)} ORDER BY date"
    ).fetchall()


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_text('{outside}/secret')",
        "SELECT * FROM read_csv('{outside}/secret')",
        "SELECT * FROM glob('{outside}/*')",
        "COPY (SELECT 1) TO '{outside}/written'",
        "ATTACH '{outside}/database'",
        "SELECT * FROM read_text('{inside}/../secret')",
        "SELECT * FROM read_csv('https://example.invalid/x.csv')",
        "INSTALL httpfs",
        "SET enable_external_access = true",
        "SET allowed_directories = ['/']",
        "SET memory_limit = '100GB'",
    ],
)
def test_sql_can_reach_nothing_but_the_lake_and_scratch(
    connection: Connection, tmp_path: Path, sql: str
) -> None:
    (tmp_path / "secret").write_text("secret")
    inside = tmp_path / "lake"
    with pytest.raises(duckdb.Error, match=r"(?i)disabled|locked|permission|not found|cannot"):
        connection.execute(sql.format(outside=tmp_path, inside=inside))
    assert {path.name for path in tmp_path.iterdir()} <= {"secret", "scratch", "lake"}


def test_more_than_fits_in_memory_is_spilled_to_scratch(tmp_path: Path) -> None:
    with engine(tmp_path, engine_memory="60MB", engine_threads=2).connect() as connection:
        # 100 MB of rows, and as much again while they are sorted.
        rows = "SELECT md5(range::VARCHAR) AS word, range FROM range(2_000_000)"
        connection.execute(f"CREATE TABLE rows AS {rows}")
        ((first, count),) = connection.execute(
            "SELECT min(word), count(*) FROM (SELECT * FROM rows ORDER BY word LIMIT 1_900_000)"
        ).fetchall()
    assert (first[:4], count) == ("0000", 1_900_000)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_memory_may_be_a_share_of_what_there_is(tmp_path: Path) -> None:
    limits: list[float] = []
    for share in ("20%", "40%"):
        with engine(tmp_path, engine_memory=share).connect() as connection:
            query = "SELECT value FROM duckdb_settings() WHERE name = 'memory_limit'"
            ((limit,),) = connection.execute(query).fetchall()
        number, unit = limit.split()
        limits.append(float(number) * {"MiB": 1, "GiB": 1024}[unit])
    assert limits[1] == pytest.approx(2 * limits[0], rel=0.05)


def test_what_cannot_be_done_in_the_memory_says_which_setting_to_raise(tmp_path: Path) -> None:
    with (
        engine(tmp_path, engine_memory="20MB", engine_threads=1).connect() as connection,
        pytest.raises(
            EngineError, match="metrics/things: the engine's memory does not suffice"
        ) as e,
    ):
        create_result(
            connection,
            dataset(("word", Type.TEXT)),
            "SELECT string_agg(md5(range::VARCHAR), '') AS word, DATE '2024-01-01' AS date "
            "FROM range(5_000_000)",
            table="result",
        )
    assert "ECOM_ENGINE_MEMORY" in e.value.hint


def test_every_cursor_counts_in_utc(connection: Connection) -> None:
    add_table(connection, "now", pa.table({"instant": [datetime(2024, 7, 1, 23, 30, tzinfo=UTC)]}))
    for cursor in (connection, connection.cursor()):
        ((day,),) = cursor.execute(
            "SELECT CAST(instant AS DATE)::VARCHAR FROM settings.now"
        ).fetchall()
        assert day == "2024-07-01"


def test_a_days_types_never_come_from_another_days_file(
    connection: Connection, tmp_path: Path
) -> None:
    """DuckDB by itself reads 2.75 as 3 when the first file of a list holds whole numbers."""
    files = {
        "2024-01-01": write(tmp_path, "2024-01-01", id=[1], share=[2], amount=[3]),
        "2024-01-02": write(tmp_path, "2024-01-02", id=[2], share=[2.75], amount=["0.10"]),
        "2024-01-03": write(tmp_path, "2024-01-03", id=[3], share=["2.5"], amount=[Decimal("4.5")]),
    }
    assert read(connection, THINGS, files) == [
        (1, 2.0, Decimal("3.00"), date(2024, 1, 1)),
        (2, 2.75, Decimal("0.10"), date(2024, 1, 2)),
        (3, 2.5, Decimal("4.50"), date(2024, 1, 3)),
    ]


def test_columns_are_found_by_name_and_others_left_out(
    connection: Connection, tmp_path: Path
) -> None:
    files = {
        "2024-01-01": write(tmp_path, "2024-01-01", amount=[1], share=[0.5], id=["a"], old=["?"]),
        "2024-01-02": write(tmp_path, "2024-01-02", id=["b"], share=[0.5], amount=[2]),
    }
    assert [row[:3] for row in read(connection, THINGS, files)] == [
        ("a", 0.5, Decimal("1.00")), ("b", 0.5, Decimal("2.00"))
    ]  # fmt: skip


def test_each_id_column_has_a_type_of_its_own(connection: Connection, tmp_path: Path) -> None:
    pairs = dataset(("order_id", Type.ID), ("customer_id", Type.ID))
    files = {
        "2024-01-01": write(tmp_path, "2024-01-01", order_id=[2**62], customer_id=["007"]),
        "2024-01-02": write(tmp_path, "2024-01-02", order_id=[7], customer_id=[2**62]),
    }
    assert [row[:2] for row in read(connection, pairs, files)] == [
        (2**62, "007"), (7, str(2**62))
    ]  # fmt: skip


def test_no_days_are_a_table_without_rows(connection: Connection) -> None:
    assert read(connection, THINGS, {}) == []
    types = connection.execute("DESCRIBE metrics.things").fetchall()
    assert [(name, kind) for name, kind, *_ in types] == [
        ("id", "VARCHAR"), ("share", "DOUBLE"), ("amount", "DECIMAL(18,2)"), ("date", "DATE")
    ]  # fmt: skip


def test_a_file_of_an_older_schema_says_which_day_to_make_again(
    connection: Connection, tmp_path: Path
) -> None:
    file = write(tmp_path, "2024-01-01", id=[1], amount=[1])
    with pytest.raises(LakeError) as error:
        read(connection, THINGS, {"2024-01-01": file})
    assert error.value.message == (
        "metrics/things/date=2024-01-01/data.parquet lacks the column share."
    )
    assert "Materialize metrics/things for 2024-01-01 again" in error.value.hint


def test_names_may_be_words_of_sql(connection: Connection, tmp_path: Path) -> None:
    odd = dataset(("order", Type.TEXT), ('a "b" c', Type.TEXT), ("lake", Type.TEXT), name="select")
    file = write(tmp_path, "2024-01-01", **{"order": ["x"], 'a "b" c': ["y"], "lake": ["z"]})
    assert read(connection, odd, {"2024-01-01": file}) == [("x", "y", "z", date(2024, 1, 1))]


def test_literals_and_names_survive_quoting(connection: Connection) -> None:
    for value in ("it's", 'a "b"', "'; DROP TABLE x; --", "\\", "é", ""):
        row = connection.execute(f"SELECT {text(value)} AS {quote(value or 'x')}").fetchone()
        assert row == (value,)


def test_a_result_has_the_declared_types_and_ids_that_the_lake_keeps(
    connection: Connection,
) -> None:
    ids = dataset(*((name, Type.ID) for name in ("small", "big", "word", "uuid", "none")))
    create_result(
        connection,
        ids,
        "SELECT 1::SMALLINT AS small, 2 ** 40::BIGINT::BIGINT AS big, '007' AS word, "
        "'6f1c2d9e-0000-4000-8000-00000000000A'::UUID AS uuid, NULL AS none, 'x' AS other, "
        "'2024-01-01' AS date",
        table="result",
    )
    types = [row[1] for row in connection.execute("DESCRIBE result").fetchall()]
    assert types[2:] == ["VARCHAR", "VARCHAR", "VARCHAR", "DATE"]
    assert types[0] == "BIGINT"
    assert connection.execute("SELECT small, word, uuid, none FROM result").fetchall() == [
        (1, "007", "6f1c2d9e-0000-4000-8000-00000000000a", None)
    ]


def test_half_a_cent_is_rounded_away_from_zero(connection: Connection) -> None:
    amounts = "('0.005'), ('-0.005'), ('1.015'), ('2.6749999')"
    create_result(
        connection,
        dataset(("amount", Type.MONEY)),
        f"SELECT n::DECIMAL(38, 9) AS amount, today() AS date FROM (VALUES {amounts}) AS t(n)",
        table="result",
    )
    found = connection.execute("SELECT amount FROM result ORDER BY amount").fetchall()
    assert [str(amount) for (amount,) in found] == ["-0.01", "0.01", "1.02", "2.67"]


@pytest.mark.parametrize("missing", ["id", "amount", "date"])
def test_a_result_without_a_declared_column_is_refused(
    connection: Connection, missing: str
) -> None:
    columns = (
        "SELECT * EXCLUDE (%s) FROM (SELECT 1 AS id, 2 AS share, 3 AS amount, today() AS date)"
    )
    with pytest.raises(EngineError, match=f"metrics/things: the SQL gives no column {missing}"):
        create_result(connection, THINGS, columns % missing, table="result")


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ("SELEC 1", "Parser Error"),
        ("SELECT * FROM metrics.nothing", "nothing does not exist"),
    ],
)
def test_sql_that_does_not_run_is_named_with_its_reason(
    connection: Connection, query: str, problem: str
) -> None:
    with pytest.raises(EngineError) as error:
        create_result(connection, THINGS, query, table="result")
    assert error.value.message.startswith("metrics/things: the SQL does not run: ")
    assert problem in error.value.message
    assert error.value.hint == "Correct the SQL file or the declaration."


def test_a_value_that_its_type_does_not_hold_is_of_its_day_alone(connection: Connection) -> None:
    query = (
        "SELECT * FROM (VALUES (1, '0.5', 2, DATE '2024-01-01'), (2, 'x', 2, DATE '2024-01-02'), "
        "(3, '0.5', 1e17, DATE '2024-01-03')) AS found(id, share, amount, date)"
    )
    assert create_result(connection, THINGS, query, table="result") == {
        "2024-01-02": "1 rows have a share that DOUBLE does not hold",
        "2024-01-03": "1 rows have a amount that DECIMAL(18,2) does not hold",
    }
