"""A lake for the commands that read it, and calling them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ecom_platform_tests.commands.harness import call

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ecom_platform_tests.commands.harness import Done

    Call = Callable[..., Done]


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of an empty lake that begins on 2024-03-01."""
    monkeypatch.setenv("ECOM_LAKE", str(tmp_path / "lake"))
    monkeypatch.setenv("ECOM_START_DATE", "2024-03-01")
    return tmp_path / "lake"


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Run `ecom` in this process: `command("show", "total_revenue")`."""
    return lambda *arguments: call(monkeypatch, capsys, *arguments)
