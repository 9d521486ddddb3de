"""Slow drift of a region: its share of the whole, of four weeks against twelve weeks before.

Too slow to make any day unusual. As shares, because the season moves all regions alike; a
drift of the whole shop is not told from its season here.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from dagster import AssetCheckSeverity

from ecom_platform.quality.anomalies import WEEK, Floats
from ecom_platform.quality.checks import Answer
from ecom_platform.quality.events import ALL
from ecom_platform.quality.verdicts import FINE, NO_HISTORY, UNUSUAL, USUAL, Known, rounded

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from datetime import date

    from ecom_platform.quality.anomalies import Series
    from ecom_platform.quality.checks import Facts
    from ecom_platform.quality.thresholds import DriftLimits

#: The share of a window's days that must be known.
KNOWN_DAYS = 0.75


def judge_drift(
    series: Series,
    days: Sequence[date],
    asked: Collection[str],
    known: Known,
    limits: Callable[[str], DriftLimits],
) -> list[Answer]:
    """Answer for each day that is asked about, with the region that has drifted most.

    Args:
        series: Numbers of `days` that can be summed over regions, `all` among them.
        days: Consecutive.
        asked: The days to answer for, ISO.
        known: A region that was marked as fine is compared with its share of that day.
        limits: Region -> its thresholds.

    Returns:
        Answers with the facts of `verdicts.judge`; values are shares of the whole.
    """
    common = limits(ALL)
    lag = common.weeks * WEEK
    shares, errors = _shares(series, common.days)
    before = np.full_like(shares, np.nan)
    before[:, lag:] = shares[:, :-lag] if lag < shares.shape[1] else 0
    old_errors = np.full_like(errors, np.nan)
    old_errors[:, lag:] = errors[:, :-lag] if lag < shares.shape[1] else 0
    answers: list[Answer] = []
    for place, day in enumerate(days):
        if day.isoformat() in asked:
            expected = before[:, place].copy()
            for then, marked in known.fine:
                back = (day - then).days
                if 0 <= back < min(lag, place + 1):
                    rows = [marked in {None, region} for region in series.regions]
                    expected[rows] = shares[rows, place - back]
            error = np.hypot(errors[:, place], old_errors[:, place])
            found = _answer(series, day, shares[:, place], expected, error, known, limits)
            if not found.facts:
                seen = ~np.isnan(series.values[:, : place + 1]).all(axis=0)
                weeks = int(np.sum(seen)) // WEEK
                found = replace(found, facts={"result": NO_HISTORY, "weeks": weeks})
            answers.append(found)
    return answers


def _shares(series: Series, length: int) -> tuple[Floats, Floats]:
    """Return each region's share of the window up to each day, and its error as a logarithm."""
    whole = series.values[series.regions.index(ALL)]
    known = ~np.isnan(series.values) & ~np.isnan(whole)
    padded = [
        np.pad(np.where(known, numbers, np.nan), ((0, 0), (length - 1, 0)), constant_values=np.nan)
        for numbers in (series.values, np.broadcast_to(whole, series.values.shape))
    ]
    part, total = (
        np.lib.stride_tricks.sliding_window_view(rows, length, axis=1) for rows in padded
    )
    sums, totals = np.nansum(part, axis=-1), np.nansum(total, axis=-1)
    enough = np.sum(~np.isnan(part), axis=-1) >= KNOWN_DAYS * length
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(enough & (sums > 0) & (totals > 0), sums / totals, np.nan)
        daily = np.nan_to_num(part / total) / share[..., None] - 1
    return share, np.sqrt(np.mean(daily**2, axis=-1) / length)


def _answer(
    series: Series,
    day: date,
    share: Floats,
    expected: Floats,
    error: Floats,
    known: Known,
    limits: Callable[[str], DriftLimits],
) -> Answer:
    key = day.isoformat()
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.log(share / expected) / error
    z[series.regions.index(ALL)] = np.nan
    rows = np.flatnonzero(np.isfinite(z))
    if not len(rows):
        return Answer(key, passed=True)
    own = [limits(region) for region in series.regions]
    far = {int(row): np.maximum(own[row].change, np.expm1(own[row].z * error[row])) for row in rows}
    drift = {row: np.exp(abs(np.log(share[row] / expected[row]))) - 1 for row in far}
    found = [row for row in far if drift[row] > far[row]]
    alarms = [row for row in found if not known.is_fine(day, series.regions[row])]
    result = UNUSUAL if alarms else FINE if found else USUAL

    def badness(row: int) -> float:
        return drift[row] / far[row]

    def facts(row: int) -> Facts:
        return {
            "result": result,
            "region": series.regions[row],
            "value": rounded(share[row]),
            "expected": rounded(expected[row]),
            "low": rounded(expected[row] / (1 + far[row])),
            "high": rounded(expected[row] * (1 + far[row])),
            "z": round(float(z[row]), 2),
            "change": round(float(share[row] / expected[row] - 1), 4),
            "weeks": own[row].weeks,
        }

    worst = max(alarms or found or far, key=badness)
    return Answer(
        key,
        passed=not alarms,
        facts={**facts(worst), "alarms": len(alarms)},
        severity=AssetCheckSeverity.WARN,
        regions={series.regions[row]: facts(row) for row in alarms},
    )
