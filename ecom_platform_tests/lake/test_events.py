"""What Dagster is told of days that were not published: every reason, however many there are."""

from __future__ import annotations

from datetime import date, timedelta

import dagster as dg

from ecom_platform.datasets import RAW
from ecom_platform.lake.events import BAD_DAYS, SHOWN_REASONS, by_reason, failure
from ecom_platform.lake.tables import Report

FIRST = date(2024, 3, 1)


def test_days_with_one_reason_are_one_line() -> None:
    bad_days = {"2024-03-01": "a", "2024-03-02": "a", "2024-03-03": "b", "2024-03-05": "a"}
    assert by_reason(bad_days) == ["2024-03-01 to 2024-03-02, 2024-03-05: a", "2024-03-03: b"]


def test_a_failure_keeps_the_reason_of_every_day() -> None:
    bad_days = {
        str(FIRST + timedelta(days=n)): f"file {n} of ann@example.invalid" for n in range(100)
    }
    told = failure(RAW[0], Report({}, bad_days))
    summary, *lines = str(told.description).splitlines()
    assert summary.startswith("100 of 100 days of raw/")
    assert len(lines) == SHOWN_REASONS + 1
    assert lines[-1] == "… and 70 more: all of them are in the metadata, bad_days"
    kept = told.metadata[BAD_DAYS]
    assert isinstance(kept, dg.JsonMetadataValue)
    assert isinstance(kept.data, dict)
    assert list(kept.data) == list(bad_days)
    assert "ann@" not in str(kept.data)
