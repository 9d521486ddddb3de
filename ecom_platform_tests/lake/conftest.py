"""A lake in each of the places that it may be in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(params=["folder", "s3"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """What `ECOM_LAKE` is set to."""
    if request.param == "s3":
        return f"s3://{request.getfixturevalue('bucket')}/a/lake"
    return str(tmp_path / "a" / "lake")
