"""One value never sinks a range: at worst its row is set aside, at worst its day fails.

Each example puts some twenty odd rows on one day of three tables, and compares the days around
it with what they are without. With `ODD_SHOPS=200` in the environment, so many are tried.
"""

from __future__ import annotations

import json
import os
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import dagster as dg
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from ecom_platform.settings import Settings
from ecom_platform_tests.comparisons import content, thorough
from ecom_platform_tests.odd_values import (
    ID_TEXTS,
    MARIADB_TIMES,
    NUMBER_TEXTS,
    NUMBERS,
    POSTGRES_NUMBERS,
    POSTGRES_TIMES,
    STORED_IDS,
    STORED_TEXTS,
    TEXTS,
    TIME_TEXTS,
)
from ecom_platform_tests.oracle import Customer, Order, Payment, Shop
from ecom_platform_tests.pipeline import Pipeline
from ecom_platform_tests.shop_writers import ROWS, write_csv

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ecom_platform_tests.sources.shop_database import ShopDatabase


EXAMPLES = int(os.environ.get("ODD_SHOPS", "2"))
#: Rows without a day of their own are filed under the first.
START, BEFORE, ODD, AFTER = (date(2024, 3, day) for day in (1, 2, 3, 4))
AT = f"{ODD} 12:00:00"


def good_shop() -> Shop:
    """Return a shop with rows on each of the days."""
    days = (START, BEFORE, ODD, AFTER)
    return Shop(
        [Order(str(n), "1", "10.00", f"{day} 10:00:00", "paid") for n, day in enumerate(days, 1)],
        [Customer("1", "one@example.invalid", "North", str(BEFORE))],
        [Payment(str(n), str(n), "10.00", "paid", f"{d} 11:00:00") for n, d in enumerate(days, 1)],
    )


def _rows(
    table: str, columns: dict[str, tuple[str, st.SearchStrategy[Any]]]
) -> st.SearchStrategy[list[Any]]:
    """Choose rows that have one odd value each, in any of their columns."""
    usual = {name: value for name, (value, _) in columns.items()}

    def row(number: int, column: str, value: Any) -> Any:
        return ROWS[table](**(usual | {"id": str(10**6 + number)} | {column: value}))

    one = st.sampled_from(sorted(columns)).flatmap(lambda c: st.tuples(st.just(c), columns[c][1]))
    return st.lists(one, min_size=7, max_size=7).map(
        lambda odd: [row(n, column, value) for n, (column, value) in enumerate(odd)]
    )


def odd_rows(
    ids: st.SearchStrategy[Any],
    amounts: st.SearchStrategy[Any],
    times: st.SearchStrategy[Any],
    texts: st.SearchStrategy[Any],
) -> st.SearchStrategy[Shop]:
    """Choose odd rows of all three tables."""
    return st.builds(
        Shop,
        _rows(
            "orders",
            {
                "id": ("", ids),
                "customer_id": ("1", ids),
                "total_amount": ("1.00", amounts),
                "created_at": (AT, times),
                "status": ("paid", texts),
            },
        ),
        _rows(
            "customers",
            {
                "id": ("", ids),
                "email": ("odd@example.invalid", texts),
                "region": ("North", texts),
                "signup_date": (str(ODD), times),
            },
        ),
        _rows(
            "payments",
            {
                "id": ("", ids),
                "order_id": ("3", ids),
                "amount": ("1.00", amounts),
                "status": ("paid", texts),
                "paid_at": (AT, times),
            },
        ),
    )


def together(*shops: Shop) -> Shop:
    return Shop(*([row for rows in tables for row in rows] for tables in zip(*shops, strict=True)))


def settings_of(source: str, lake: Path) -> Settings:
    return Settings(
        _env_file=None, source=source, lake=str(lake), start_date=START, retention_days=1,
        email_hmac_key="k" * 32, quarantine_max_share=1.0, unknown_status_max_share=1.0,
        source_connections=1, engine_threads=1,
    )  # fmt: skip


def as_csv(shop: Shop, folder: Path) -> None:
    write_csv(shop, folder)


def as_json_lines(shop: Shop, folder: Path) -> None:
    for table, rows in shop._asdict().items():
        lines = (json.dumps(row._asdict()) for row in rows)
        (folder / f"{table}.jsonl").write_text("".join(f"{line}\n" for line in lines))


def as_parquet(shop: Shop, folder: Path) -> None:
    for table, rows in shop._asdict().items():
        columns = {name: [getattr(row, name) for row in rows] for name in ROWS[table]._fields}
        parquet.write_table(pa.table(columns), folder / f"{table}.parquet")


@pytest.fixture(scope="module")
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as opened:
        yield opened


@pytest.fixture(scope="module")
def usual(instance: dg.DagsterInstance, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the days around the odd one are without odd rows."""
    folder = tmp_path_factory.mktemp("usual")
    as_csv(good_shop(), folder)
    settings = settings_of(folder.as_uri(), folder / "lake")
    assert Pipeline(settings, instance).run(START, AFTER) == {}
    return {str(day): figures(settings, day) for day in (BEFORE, AFTER)}


def figures(settings: Settings, day: date) -> dict[str, Any]:
    """Return what is cleaned and computed of a day, ids as texts, without hashes and owners."""
    return {
        path: sorted(tuple(map(str, row)) for row in rows.elements())
        for path, rows in content(settings, [day]).items()
        if path.startswith(("cleaned/", "metrics/"))
    }


def assert_others_stand(instance: dg.DagsterInstance, source: str, usual: dict[str, Any]) -> None:
    """Make all days: those around are as usual, and every row of the others is somewhere."""
    with TemporaryDirectory() as folder:
        settings = settings_of(source, Path(folder, "lake"))
        pipeline = Pipeline(settings, instance)
        bad_days = pipeline.run(START, AFTER)
        assert {key for key in bad_days if key.endswith((str(BEFORE), str(AFTER)))} == set()
        assert "SQL" not in str(bad_days.values())
        for day in (BEFORE, AFTER):
            assert figures(settings, day) == usual[str(day)]
        for (dataset, _), facts in pipeline.facts.items():
            if dataset.startswith("cleaned/"):
                kept = (facts[f"{what}_rows"] for what in ("cleaned", "quarantined", "duplicate"))
                assert facts["raw_rows"] == sum(kept)


@pytest.mark.parametrize("write", [as_csv, as_json_lines, as_parquet])
@thorough(EXAMPLES)
@given(odd=odd_rows(ID_TEXTS, NUMBER_TEXTS, TIME_TEXTS, TEXTS))
def test_an_odd_value_in_a_file_leaves_the_other_days_as_they_are(
    instance: dg.DagsterInstance, usual: dict[str, Any], odd: Shop, write: Any
) -> None:
    with TemporaryDirectory() as folder:
        write(together(good_shop(), odd), Path(folder))
        assert_others_stand(instance, Path(folder).as_uri(), usual)


@pytest.mark.parametrize(
    ("kind", "amounts", "times"),
    [("database", POSTGRES_NUMBERS, POSTGRES_TIMES), ("maria", NUMBERS, MARIADB_TIMES)],
)
def test_an_odd_value_in_a_database_leaves_the_other_days_as_they_are(
    request: pytest.FixtureRequest,
    instance: dg.DagsterInstance,
    usual: dict[str, Any],
    kind: str,
    amounts: st.SearchStrategy[Any],
    times: st.SearchStrategy[Any],
) -> None:
    database: ShopDatabase = request.getfixturevalue(kind)

    @thorough(EXAMPLES)
    @given(odd=odd_rows(STORED_IDS, amounts, times, STORED_TEXTS))
    def holds(odd: Shop) -> None:
        database.create(
            orders_id="text", orders_customer_id="text", orders_total_amount="any_number",
            orders_created_at="naive", customers_id="text", payments_id="text",
            payments_order_id="text", payments_amount="any_number", payments_paid_at="naive",
        )  # fmt: skip
        for table, rows in together(good_shop(), odd)._asdict().items():
            database.copy(table, rows)
        assert_others_stand(instance, database.url, usual)

    holds()
