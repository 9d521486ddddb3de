"""What is usual for a number on a weekday, and which days are out of it: arithmetic only.

Where the numbers come from and where the answers go is in `assets/anomalies.py`; why it is
done so, and what it catches, in docs/explanation/anomalies.md.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from ecom_platform.quality.events import ALL, SMALL

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ecom_platform.quality.thresholds import AnomalyLimits

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

WEEK = 7
#: Days whose level says where a slow trend has led: up to six bad ones of them do no harm.
RECENT = 14
#: From the median absolute deviation of the residuals to the standard deviation of the error
#: of the forecast: 1.4826 for a normal law, 1.32 for fitting the medians (simulated).
MAD_TO_ERROR = 1.4826 * 1.32
#: A number of zero or below counts as this share of the usual one, for it has no logarithm.
NOTHING = 0.01


@dataclass(frozen=True)
class Series:
    """Numbers of consecutive days, one row for each region and part.

    Args:
        kind: `count` and `money` can be summed over regions; `ratio` cannot.
        regions: Of each row.
        parts: Of each row, what it is a share of, such as a status; empty where it is none.
        values: By row and day; NaN where not known. The number itself, or, of a share, how
            many rows of the day are in it.
        totals: Of shares, how many rows the day has; None for other numbers.
        usual: By row and day, whether the day counts for what is usual.
    """

    kind: Literal["count", "money", "ratio"]
    regions: tuple[str, ...]
    parts: tuple[str, ...]
    values: Floats
    usual: Bools
    totals: Floats | None = None

    def take(self, rows: Sequence[int]) -> Series:
        """Return some of the rows."""
        return replace(
            self,
            regions=tuple(self.regions[row] for row in rows),
            parts=tuple(self.parts[row] for row in rows),
            values=self.values[rows],
            usual=self.usual[rows],
            totals=None if self.totals is None else self.totals[rows],
        )


@dataclass(frozen=True)
class Outlook:
    """What was expected of each row and judged day, and what came.

    All by row and judged day: the numbers, in their own unit, and what is compared with the
    bounds for them, which is never 0 nor, of a share, 1; the bounds beyond which they warn and
    err; `z`, the distance in usual deviations, NaN where nothing is judged; and how many weeks
    say so. `scaled` and `weekday` are logarithms (of shares: log odds), of all days of the
    window and the judged one.
    """

    regions: tuple[str, ...]
    parts: tuple[str, ...]
    value: Floats
    compared: Floats
    expected: Floats
    warn: tuple[Floats, Floats]
    err: tuple[Floats, Floats]
    z: Floats
    spread: Floats
    weeks: NDArray[np.int64]
    scaled: Floats
    weekday: Floats

    def level(self, row: int, day: int, back: int) -> float:
        """Return how far the level of an earlier day, `back` days ago, was from this one.

        As a distance in usual deviations, weekdays put aside; NaN when it is not known.
        """
        then = self.scaled[row, day, -1 - back] - self.weekday[row, day, -back % WEEK]
        now = self.scaled[row, day, -1] - self.weekday[row, day, 0]
        return float((now - then) / self.spread[row, day])


def look(series: Series, limits: Callable[[str], AnomalyLimits]) -> Outlook:
    """Judge all days that have the weeks before them, against just those weeks.

    Args:
        series: The numbers, `weeks` more weeks of days than are judged.
        limits: Region -> its thresholds; `weeks` and `max_spread` are those of `all`.
    """
    common = limits(ALL)
    before, now, totals = _windows(series, common.weeks)
    with np.errstate(divide="ignore", invalid="ignore"):  # where nothing is known
        small = _is_small(series, before, now, totals, common)
        pooled = _pool(series, before, now, totals, small)
        series = _names_with_pools(series)
        before, now, totals = (
            np.concatenate((mine, pool))
            for mine, pool in zip((before, now, totals), pooled, strict=True)
        )
        found = _forecast(series, before, now, totals, limits)
    is_pool = np.array([region == SMALL for region in series.regions])[:, None]
    small = np.concatenate((small, np.zeros((len(is_pool) - len(small), small.shape[1]), bool)))
    not_judged = small | (is_pool & (found.spread > common.max_spread))
    not_judged |= found.weeks < common.min_weeks
    return replace(found, z=np.where(not_judged, np.nan, found.z))


def _windows(series: Series, weeks: int) -> tuple[Floats, Floats, Floats]:
    """Return the weeks before each judged day, the day itself, and the totals of all these."""
    size = weeks * WEEK + 1
    values, totals = series.values, series.totals
    if totals is None:
        totals = np.ones_like(values)

    def slide(rows: Floats) -> Floats:
        return np.lib.stride_tricks.sliding_window_view(rows, size, axis=1)

    before = slide(np.where(series.usual, values, np.nan))[..., :-1]
    return before, slide(values)[..., -1], slide(totals)


def _is_small(
    series: Series, before: Floats, now: Floats, totals: Floats, limits: AnomalyLimits
) -> Bools:
    """Say of each row and judged day whether its region is too small to be judged alone."""
    if series.totals is None:
        scaled, _ = _logarithms(before, now)
        spread = _fit(scaled)[2]
        if series.kind == "count":
            spread = np.fmax(spread, _median(before) ** -0.5)
    else:  # a share of few rows jumps
        spread = _median(totals[..., :-1]) ** -0.5
    is_all = np.array([region == ALL for region in series.regions])[:, None]
    return ~is_all & ~(spread <= limits.max_spread)


def _pool(
    series: Series, before: Floats, now: Floats, totals: Floats, small: Bools
) -> tuple[Floats, Floats, Floats]:
    """Return rows that sum up the small regions, one for each part; none of what has no sum."""
    pools: list[tuple[Floats, Floats, Floats]] = []
    for part in _pooled_parts(series):
        rows = np.array([p == part for p in series.parts])
        chosen = (small & rows[:, None])[..., None]
        sums = [
            np.where(chosen, numbers, 0).sum(axis=0) for numbers in (before, now[..., None], totals)
        ]
        if series.totals is None:
            sums[2] = np.ones_like(sums[2])
        pools.append((sums[0], sums[1][..., 0], sums[2]))
    if not pools:
        return before[:0], now[:0], totals[:0]
    first, second, third = zip(*pools, strict=True)
    return np.stack(first), np.stack(second), np.stack(third)


def _pooled_parts(series: Series) -> list[str]:
    return [] if series.kind == "ratio" else sorted(set(series.parts))


def _names_with_pools(series: Series) -> Series:
    parts = _pooled_parts(series)
    return replace(
        series,
        regions=(*series.regions, *(SMALL for _ in parts)),
        parts=(*series.parts, *parts),
    )


def _logarithms(before: Floats, now: Floats) -> tuple[Floats, Floats]:
    """Return logarithms; NaN where the usual number is not above zero."""
    usual = _median(before)
    least = np.where(usual > 0, NOTHING * usual, np.nan)
    return np.log(np.maximum(before, least[..., None])), np.log(np.maximum(now, least))


def _log_odds(counts: Floats, totals: Floats) -> Floats:
    return np.where(totals > 0, np.log((counts + 0.5) / (totals - counts + 0.5)), np.nan)


def _median(numbers: Floats, axis: int = -1) -> Floats:
    """Return the medians of what is known; NaN of nothing, about which numpy's own would warn."""
    ordered = np.sort(numbers, axis=axis)  # NaN last
    known = np.sum(~np.isnan(numbers), axis=axis, keepdims=True)
    middle = [
        np.take_along_axis(ordered, np.maximum(n, 0), axis) for n in ((known - 1) // 2, known // 2)
    ]
    return np.squeeze((middle[0] + middle[1]) / 2, axis=axis)


def _fit(scaled: Floats) -> tuple[Floats, Floats, Floats]:
    """Return the weekday medians (the judged day's first), the recent level, the spread."""
    weeks = scaled.reshape(*scaled.shape[:2], -1, WEEK)
    weekday = _median(weeks, axis=-2)
    residual = (weeks - weekday[..., None, :]).reshape(scaled.shape)
    recent = np.nan_to_num(_median(residual[..., -RECENT:]))
    spread = MAD_TO_ERROR * _median(np.abs(residual))
    return weekday, recent, spread


def _forecast(
    series: Series,
    before: Floats,
    now: Floats,
    totals: Floats,
    limits: Callable[[str], AnomalyLimits],
) -> Outlook:
    shares, total = series.totals is not None, totals[..., -1]
    if shares:
        scaled = _log_odds(before, totals[..., :-1])
        current = _log_odds(now, total)
    else:
        scaled, current = _logarithms(before, now)
    weekday, recent, spread = _fit(scaled)
    center = weekday[..., 0] + recent

    def unscaled(numbers: Floats) -> Floats:
        return 1 / (1 + np.exp(-numbers)) if shares else np.exp(numbers)

    expected = unscaled(center)
    own = [limits(region) for region in series.regions]

    def column(name: str) -> Floats:
        return np.array([getattr(one, name) for one in own], np.float64)[:, None]

    spread = np.maximum(spread, column("min_spread"))
    if shares:  # by chance alone, among so many rows
        chance = 1 / (expected * total + 0.5) + 1 / ((1 - expected) * total + 0.5)
        spread = np.maximum(spread, np.sqrt(chance))
    elif series.kind == "count":
        spread = np.maximum(spread, expected**-0.5)
    points = column("min_points") if shares else np.zeros((len(own), 1))
    extra = np.array(
        [
            0.0 if region == ALL else one.region_extra_z
            for region, one in zip(series.regions, own, strict=True)
        ]
    )[:, None]

    def bounds(severity: str) -> tuple[Floats, Floats]:
        far = (column(f"{severity}_z") + extra) * spread
        change = np.maximum(column(f"{severity}_change") * expected, points)
        return (
            np.minimum(unscaled(center - far), expected - change),
            np.maximum(unscaled(center + far), expected + change),
        )

    return Outlook(
        series.regions,
        series.parts,
        now / total,
        unscaled(current),
        expected,
        bounds("warn"),
        bounds("error"),
        (current - center) / spread,
        spread,
        np.sum(~np.isnan(scaled[..., ::WEEK]), axis=-1),
        np.concatenate((scaled, current[..., None]), axis=-1),
        weekday,
    )
