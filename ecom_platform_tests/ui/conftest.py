"""One browser for the tests of a module, and the daily page that they share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ecom_platform_tests.ui.browser import chromium
from ecom_platform_tests.ui.daily_page import (
    OPENED,
    Made,
    build_warehouse,
    changing_shop,
    make_odd_page,
    make_page,
    opened,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture
def page(browser: Browser, made: Made) -> Iterator[Page]:
    with opened(browser, made) as found:
        yield found


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """The page of a made-up shop, of 414 days, with regions of any name."""
    return make_odd_page(tmp_path_factory.mktemp("page"))


@pytest.fixture(scope="session")
def changing(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """The page of a shop of 40 days that are known to the cent, some of them below zero."""
    folder = tmp_path_factory.mktemp("changing")
    build_warehouse(changing_shop(), folder / "warehouse.duckdb")
    return make_page(folder / "warehouse.duckdb", folder, OPENED)
