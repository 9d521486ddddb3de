"""The file of thresholds: what it changes, and what it must not say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ecom_platform.errors import SettingsError
from ecom_platform.quality.thresholds import Thresholds, load_thresholds

if TYPE_CHECKING:
    from pathlib import Path

DATASETS = ("cleaned/orders", "cleaned/payments")


def load(folder: Path, text: str) -> Thresholds:
    file = folder / "thresholds.toml"
    file.write_text(text, encoding="utf-8")
    return load_thresholds(file, DATASETS)


def test_without_a_file_the_defaults_hold_for_every_dataset() -> None:
    thresholds = load_thresholds(None, DATASETS)
    assert thresholds.completeness.of("cleaned/orders").min_rows == 20
    assert thresholds.arithmetic.of("cleaned/orders").max_share == 0.05


def test_a_file_changes_only_what_it_says(tmp_path: Path) -> None:
    thresholds = load(tmp_path, "arithmetic.max_share = 0.2")
    assert thresholds.arithmetic.of("cleaned/orders").max_share == 0.2
    assert thresholds.arithmetic.of("cleaned/orders").grace_days == 7
    assert thresholds.completeness == load_thresholds(None, DATASETS).completeness


def test_a_dataset_has_its_own_limits_and_else_those_of_all(tmp_path: Path) -> None:
    thresholds = load(
        tmp_path,
        """
        [arithmetic]
        grace_days = 3
        [arithmetic."cleaned/orders"]
        max_share = 1.0
        """,
    )
    own, others = (thresholds.arithmetic.of(path) for path in DATASETS)
    assert (own.grace_days, own.max_share) == (3, 1.0)
    assert (others.grace_days, others.max_share) == (3, 0.05)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[competeness]", "[competeness] is no topic; there are completeness, "),
        ("completeness = 3", "[completeness] "),
        ("completeness.rows = 3", "[completeness] rows: Extra inputs are not permitted"),
        ("completeness.min_rows = 0", "[completeness] min_rows: Input should be greater"),
        ("completeness.min_rows = '20'", "[completeness] min_rows: Input should be a valid int"),
        ("guests.max_share = 50", "[guests] max_share: Input should be less than or equal to 1"),
        (
            '[guests."cleaned/order"]',
            '[guests."cleaned/order"] is no dataset; there are cleaned/orders, cleaned/payments',
        ),
        (
            '[guests."cleaned/orders"]\nshare = 1.0',
            '[guests."cleaned/orders"] share: Extra inputs are not permitted',
        ),
        ("guests.max_share = 1.0.0", "at line 1"),
    ],
)
def test_what_is_no_threshold_is_refused_with_the_file_and_the_key(
    tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(SettingsError) as refused:
        load(tmp_path, text)
    assert f"ECOM_THRESHOLDS, {tmp_path}/thresholds.toml: " in str(refused.value)
    assert message in str(refused.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"none\.toml: No such file"):
        load_thresholds(tmp_path / "none.toml", DATASETS)
