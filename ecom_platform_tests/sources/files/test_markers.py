"""Day folders that say themselves when they are complete."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import pytest

from ecom_platform.sources.files.source import FilesSource
from ecom_platform_tests.sources.files.file_shop import (
    DAY,
    content,
    extract,
    put,
    settings,
    shop,
)

if TYPE_CHECKING:
    from pathlib import Path

FOLDER = f"orders/date={DAY}"
DATA = content("orders", ".csv", [{}])
UNUSABLE = "/ has a _manifest.json that cannot be used:"
FILE: dict[str, Any] = {
    "name": "a.csv",
    "size": len(DATA),
    "rows": 1,
    "sha256": hashlib.sha256(DATA).hexdigest().upper(),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A shop with one day folder of orders, without a marker."""
    shop(tmp_path)
    (tmp_path / "orders.csv").unlink()
    put(tmp_path, {f"{FOLDER}/a.csv": DATA})
    return tmp_path


def bad_days(folder: Path) -> dict[str, str]:
    return extract(folder, "orders", source_markers=True).bad_days


def test_without_a_marker_a_day_is_not_delivered_yet(folder: Path) -> None:
    assert bad_days(folder) == {str(DAY): f"{FOLDER}/ has neither _SUCCESS nor _manifest.json yet"}
    assert extract(folder, "orders").bad_days == {}  # where deliverers write none


def test_with_a_marker_it_is(folder: Path) -> None:
    put(folder, {f"{FOLDER}/_SUCCESS": b""})
    assert bad_days(folder) == {}


@pytest.mark.parametrize("keys", [["name"], ["name", "size"], ["name", "rows"], list(FILE)])
def test_a_manifest_that_is_met_is_a_marker(folder: Path, keys: list[str]) -> None:
    manifest = {"files": [{key: FILE[key] for key in keys}], "made": "2026-01-06"}
    put(folder, {f"{FOLDER}/_manifest.json": json.dumps(manifest)})
    assert bad_days(folder) == {}


@pytest.mark.parametrize(
    ("manifest", "reason"),
    [
        ([FILE, {"name": "b.csv"}], "/ lacks b.csv, which _manifest.json names"),
        ([], "/ has a.csv, which _manifest.json does not name"),
        ([FILE | {"size": 7}], f"/ has a.csv with {len(DATA)} bytes, and _manifest.json says 7"),
        ([FILE | {"rows": 2}], "/a.csv has 1 rows, and _manifest.json says 2"),
        ([FILE | {"sha256": "0" * 64}], "/a.csv does not have the sha256 that _manifest.json says"),
        ([FILE | {"md5": ""}], f"{UNUSABLE} files.0.md5: Extra inputs are not permitted"),
        ([{"size": 7}], f"{UNUSABLE} files.0.name: Field required"),
    ],
)  # fmt: skip
def test_a_manifest_that_is_not_met_says_why(
    folder: Path, manifest: list[Any], reason: str
) -> None:
    put(folder, {f"{FOLDER}/_manifest.json": json.dumps({"files": manifest})})
    put(folder, {f"{FOLDER}/_SUCCESS": b""})  # which does not help
    assert bad_days(folder) == {str(DAY): FOLDER + reason}


def test_a_manifest_that_is_not_whole_says_so(folder: Path) -> None:
    put(folder, {f"{FOLDER}/_manifest.json": b'{"files": ['})
    assert "_manifest.json that cannot be used: Invalid JSON" in bad_days(folder)[str(DAY)]


def test_what_is_filed_otherwise_needs_no_marker(folder: Path) -> None:
    assert extract(folder, "customers", source_markers=True).column("id") == ["c1"]


def test_the_doctor_counts_days_without_a_marker(folder: Path) -> None:
    put(folder, {"orders/date=2026-01-06/a.csv": DATA, "orders/date=2026-01-06/_SUCCESS": b""})
    orders, _, _ = FilesSource(settings(folder, source_markers=True)).check()
    assert "1 days without a marker" in orders
