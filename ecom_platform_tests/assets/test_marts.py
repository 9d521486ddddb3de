"""Whether marts say what is so, and are published only if they do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb
import pytest

from ecom_platform.engines.dbt import build
from ecom_platform.marts import PROJECT
from ecom_platform.settings import Settings
from ecom_platform_tests.mart_shops import MARTS, assert_equal, odd_shop, write_warehouse

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ecom_platform_tests.marts_oracle import MartsOracle


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> tuple[MartsOracle, Path]:
    """A made-up shop, and the warehouse in which dbt has built its marts."""
    shop, file = odd_shop(), tmp_path_factory.mktemp("odd") / "warehouse.duckdb"
    write_warehouse(shop, file)
    results = build(PROJECT, file, Settings(_env_file=None, engine_memory="200MB"))
    wrong = {key: r for key, r in results.items() if r.status not in ("success", "pass")}
    assert wrong == {}
    return shop, file


@pytest.mark.parametrize("mart", sorted(MARTS))
def test_a_mart_equals_what_is_computed_row_by_row(
    mart: str, odd: tuple[MartsOracle, Path]
) -> None:
    shop, file = odd
    with duckdb.connect(str(file), read_only=True) as connection:
        found = connection.execute(f"FROM marts.{mart}")
        names = [str(column[0]) for column in found.description or ()]
        rows = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
    assert_equal(rows, shop, mart)
