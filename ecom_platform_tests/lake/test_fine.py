"""What people say of a day is kept in the lake, wherever that is."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from ecom_platform.errors import LakeError
from ecom_platform.lake.fine import mark_fine, read_fine
from ecom_platform.lake.storage import open_storage

if TYPE_CHECKING:
    from pathlib import Path

CHECK, ASSET, DAY = "value_is_usual", "metrics/total_orders", date(2024, 3, 1)


def test_what_was_marked_fine_is_read_back(address: str, tmp_path: Path) -> None:
    storage = open_storage(address)
    assert read_fine(storage, ASSET, [DAY], tmp_path) == []
    begun = datetime.now(UTC)
    uri = mark_fine(storage, CHECK, ASSET, DAY, "Übersee/Süd, 'alle'", "wie erwartet: Messe")
    mark_fine(storage, "other", ASSET, DAY, None, "")
    mark_fine(storage, CHECK, ASSET, DAY + timedelta(1), None, "")
    mark_fine(storage, CHECK, "metrics/total_orders_b", DAY, None, "")
    assert uri.startswith(f"{address}/quality/fine/{ASSET}/{CHECK}/date=2024-03-01/")
    found = {word.check: word for word in read_fine(storage, ASSET, [DAY], tmp_path)}
    assert set(found) == {CHECK, "other"}
    word = found[CHECK]
    assert (word.asset, word.day, word.region) == (ASSET, DAY, "Übersee/Süd, 'alle'")
    assert word.note == "wie erwartet: Messe"
    assert begun <= word.marked_at <= datetime.now(UTC)
    assert found["other"].region is None


def test_the_newer_note_replaces_the_older_one_of_the_same_day_and_region(
    address: str, tmp_path: Path
) -> None:
    storage = open_storage(address)
    for note in ("first", "second"):
        mark_fine(storage, CHECK, ASSET, DAY, "north", note)
    assert [word.note for word in read_fine(storage, ASSET, [DAY], tmp_path)] == ["second"]


def test_an_address_in_a_note_is_not_kept(tmp_path: Path) -> None:
    storage = open_storage(str(tmp_path / "lake"))
    mark_fine(storage, CHECK, ASSET, DAY, None, "asked ann@example.invalid")
    (word,) = read_fine(storage, ASSET, [DAY], tmp_path)
    assert "asked" in word.note
    assert "@" not in word.note


@pytest.mark.parametrize(
    ("check", "asset"),
    [("", ASSET), ("../up", ASSET), (CHECK, "total_orders"), (CHECK, "../x"), (CHECK, "a/b/c")],
)
def test_names_that_are_none_are_refused(tmp_path: Path, check: str, asset: str) -> None:
    storage = open_storage(str(tmp_path / "lake"))
    with pytest.raises(LakeError, match="There is no check"):
        mark_fine(storage, check, asset, DAY, None, "")
    assert not (tmp_path / "lake").exists()
