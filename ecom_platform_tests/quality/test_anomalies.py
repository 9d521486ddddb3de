"""What is found out of the ordinary in made-up numbers, and what is not."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecom_platform.quality.anomalies import Series
from ecom_platform.quality.drift import judge_drift
from ecom_platform.quality.events import Event
from ecom_platform.quality.thresholds import load_thresholds
from ecom_platform.quality.verdicts import Known, judge

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ecom_platform.quality.checks import Answer

FIRST = date(2024, 1, 1)
THRESHOLDS = load_thresholds(None, [])
SEEDS = st.integers(0, 2**32 - 1)


def numbers(
    regions: int = 3, weeks: int = 12, seed: int = 1, noise: float = 0.06, mean: float = 1000
) -> NDArray[np.float64]:
    """Make a shop's numbers by region (the first is all) and day, with a weekly rhythm."""
    chance = np.random.default_rng(seed)
    days = weeks * 7
    week = np.tile([1.1, 1.05, 1.0, 0.95, 0.9, 0.7, 0.8], weeks)
    shares = mean / np.arange(1, regions + 1)[:, None]
    made = np.round(shares * week * np.exp(chance.normal(0, noise, (regions, days))))
    return np.vstack((made.sum(axis=0), made))


def answers(
    values: NDArray[np.float64],
    known: Known | None = None,
    kind: Literal["count", "money", "ratio"] = "count",
    totals: NDArray[np.float64] | None = None,
    names: Sequence[str] = (),
    parts: Sequence[str] = (),
) -> dict[str, Answer]:
    """Judge all days that have eight weeks before them."""
    regions = tuple(names) or ("all", *(f"region {n}" for n in range(1, len(values))))
    series = Series(
        kind,
        regions,
        tuple(parts) or ("",) * len(values),
        values,
        np.ones(values.shape, bool),
        totals,
    )
    days = [FIRST + timedelta(n) for n in range(values.shape[1])]
    keys = [day.isoformat() for day in days]
    limits = THRESHOLDS.anomalies.default
    return {a.day: a for a in judge(series, days, keys, known or Known(), lambda _: limits, "part")}


def failed(found: dict[str, Answer]) -> list[str]:
    return [day for day, answer in found.items() if not answer.passed]


def key(day: int) -> str:
    return (FIRST + timedelta(day)).isoformat()


DAY = 70


def test_an_ordinary_shop_is_as_usual() -> None:
    found = answers(numbers(weeks=30))
    assert failed(found) == []
    assert {answer.facts["result"] for answer in found.values()} == {"as usual"}


@pytest.mark.parametrize(
    ("factor", "severity"), [(0.6, "WARN"), (1.3, "WARN"), (0.2, "ERROR"), (3, "ERROR")]
)
def test_a_day_that_is_other_than_usual_alarms_and_says_by_how_much(
    factor: float, severity: str
) -> None:
    values = numbers()
    values[:, DAY] *= factor
    answer = answers(values)[key(DAY)]
    assert not answer.passed
    assert answer.severity.value == severity
    facts: dict[str, Any] = dict(answer.facts)
    assert facts["result"] == "unusual"
    assert facts["region"] == "all"
    assert facts["value"] == pytest.approx(values[0, DAY], rel=1e-5)
    assert facts["change"] == pytest.approx(facts["value"] / facts["expected"] - 1, abs=1e-3)
    assert not facts["low"] <= facts["value"] <= facts["high"]
    assert (facts["z"] > 0) == (factor > 1)
    assert facts["weeks"] == 8


def test_a_region_that_is_lost_is_named() -> None:
    values = numbers(regions=8)
    values[0, DAY] -= values[8, DAY]
    values[8, DAY] = 0
    answer = answers(values)[key(DAY)]
    assert (answer.passed, answer.facts["region"]) == (False, "region 8")
    assert answer.facts["value"] == 0


def test_regions_that_are_out_of_the_ordinary_are_told_each_with_its_own_severity() -> None:
    values = numbers(regions=8)
    lost = np.array([[0.0], [0.52]]) * values[7:9, DAY][:, None]
    values[0, DAY] -= values[7:9, DAY].sum() - lost.sum()
    values[7:9, DAY] = lost[:, 0]
    answer = answers(values)[key(DAY)]
    assert not answer.passed
    told = {region: (facts["severity"], facts["value"]) for region, facts in answer.regions.items()}
    assert told == {"region 7": ("ERROR", 0), "region 8": ("WARN", pytest.approx(lost[1, 0], 1e-5))}


def test_what_moves_the_whole_shop_is_told_of_the_shop_and_of_no_region() -> None:
    values = numbers(regions=8)
    values[:, DAY] *= 0.3
    answer = answers(values)[key(DAY)]
    assert (answer.passed, answer.facts["region"], answer.regions) == (False, "all", {})
    assert answer.facts["alarms"] == 9


def test_a_busy_day_that_few_regions_show_is_told_of_the_shop() -> None:
    values = numbers(regions=8)
    values[1:4, DAY] *= 3
    values[0, DAY] = values[1:, DAY].sum()
    values[0, :DAY] = values[1:, :DAY].sum(axis=0)
    answer = answers(values)[key(DAY)]
    assert answer.facts["alarms"] == 4
    assert (answer.facts["region"], answer.regions) == ("all", {})


def test_a_region_whose_loss_moves_the_whole_shop_is_told_as_the_region() -> None:
    values = numbers(regions=8)
    values[0, DAY] -= values[1, DAY]
    values[1, DAY] = 0
    answer = answers(values)[key(DAY)]
    assert answer.facts["alarms"] == 2
    assert answer.facts["region"] == "region 1"
    assert answer.regions.keys() == {"region 1"}


@pytest.mark.parametrize("factor", [0.0, 0.3, 3.0, 100.0])
def test_a_bad_day_does_not_alarm_the_days_after_it(factor: float) -> None:
    # It is not nothing what a day weighs among 55 others: one that was nearly an alarm may
    # become one. So few as these are chance; a bad day that counted would alarm weeks.
    alarms = 0
    for seed in range(100):
        values = numbers(seed=seed, weeks=11)
        before = failed(answers(values))
        values[:, 57] *= factor
        alarms += len(set(failed(answers(values))) - {key(57), *before})
    assert alarms <= 2


@given(seed=SEEDS, scale=st.sampled_from([1e-4, 0.37, 100.0, 1e6]))
def test_the_currency_does_not_matter(seed: int, scale: float) -> None:
    values = numbers(seed=seed)
    values[:, DAY] *= 0.5
    as_they_are, scaled = answers(values, kind="money"), answers(values * scale, kind="money")
    for day, answer in as_they_are.items():
        other = scaled[day]
        assert answer.passed == other.passed
        assert answer.facts["region"] == other.facts["region"]
        assert answer.facts["z"] == pytest.approx(other.facts["z"], abs=0.011)


@given(seed=SEEDS, order=st.permutations(range(5)))
def test_the_order_of_the_regions_does_not_matter(seed: int, order: list[int]) -> None:
    values = numbers(regions=4, seed=seed, mean=60)
    values[2, DAY] = 0
    names = ["all", "a", "b", "c", "d"]
    found = answers(values, names=names)
    assert answers(values[order], names=[names[place] for place in order]) == found


def test_a_slow_trend_does_not_alarm() -> None:
    growth = 1.03 ** (np.arange(30 * 7) / 7)
    assert failed(answers(numbers(weeks=30) * growth)) == []


def test_too_little_history_passes_and_says_how_much_there_is() -> None:
    values = numbers()
    values[:, : DAY - 21] = np.nan
    found = answers(values)[key(DAY)]
    assert found.passed
    assert found.facts == {"result": "not enough history", "weeks": 3}


def test_days_that_are_missing_are_left_out() -> None:
    values = numbers(weeks=20)
    values[:, 60:75] = np.nan
    found = answers(values)
    assert failed(found) == []
    values[:, 90] *= 0.4
    assert failed(answers(values)) == [key(90)]


@pytest.mark.parametrize("value", [0, -5000])
def test_nothing_and_less_than_nothing_alarm(value: float) -> None:
    values = numbers()
    values[:, DAY] = value
    answer = answers(values, kind="money")[key(DAY)]
    assert (answer.passed, answer.facts["value"]) == (False, value)
    assert answer.severity.value == "ERROR"


def test_a_region_that_opens_does_not_alarm_on_its_own_account() -> None:
    values = numbers(regions=2)
    values[2, :DAY] = 0
    values[0] = values[1]  # so that the sum has no news
    assert failed(answers(values)) == []


def test_small_regions_are_judged_together() -> None:
    chance = np.random.default_rng(5)
    small = chance.poisson(6, (30, 84)).astype(float)
    values = np.vstack((5000 + small.sum(axis=0), np.full(84, 5000.0), small))
    assert failed(answers(values)) == []
    values[0, DAY] -= values[2:, DAY].sum()
    values[2:, DAY] = 0
    answer = answers(values)[key(DAY)]
    assert (answer.passed, answer.facts["region"]) == (False, "small regions")


def test_the_share_of_a_status_that_stops_alarms_and_names_it() -> None:
    totals = numbers(regions=1)
    counts = np.round(totals * 0.06)
    both, all_totals = np.vstack((counts, totals - counts)), np.vstack((totals, totals))
    names, parts = ("all", "north") * 2, ("failed", "failed", "completed", "completed")
    assert failed(answers(both, totals=all_totals, names=names, parts=parts)) == []
    both[:2, DAY], both[2:, DAY] = 0, totals[:, DAY]
    answer = answers(both, totals=all_totals, names=names, parts=parts)[key(DAY)]
    assert (answer.passed, answer.facts["part"], answer.facts["value"]) == (False, "failed", 0)


def test_a_rare_status_that_comes_twice_instead_of_once_does_not_alarm() -> None:
    totals = numbers(regions=1, mean=500)[:1]
    counts = np.ones_like(totals)
    counts[0, DAY] = 3
    assert failed(answers(counts, totals=totals)) == []


# --------------------------------------------------------------------------- what people said


def event(day: int, expect: str, region: str = "", last: int | None = None) -> Event:
    days = {"date": FIRST + timedelta(day)}
    if last is not None:
        days = {"from": FIRST + timedelta(day), "to": FIRST + timedelta(last)}
    return Event.model_validate({**days, "expect": expect, "region": region, "note": "Sale"})


@pytest.mark.parametrize(
    ("factor", "expect", "passes"),
    [
        (2, "higher", True),
        (2, "anything", True),
        (2, "lower", False),
        (0.4, "lower", True),
        (0.4, "higher", False),
    ],
)
def test_an_expected_event_explains_what_was_expected_of_it(
    factor: float, expect: str, *, passes: bool
) -> None:
    values = numbers()
    values[:, DAY] *= factor
    answer = answers(values, Known([event(DAY, expect)]))[key(DAY)]
    assert answer.passed == passes
    assert answer.facts["result"] == ("expected event: Sale" if passes else "unusual")


def test_the_event_of_a_region_explains_that_region_and_the_sum_and_no_other() -> None:
    values = numbers(regions=3)
    values[[0, 1], DAY] = values[[0, 1], DAY] + 3 * values[1, DAY]
    known = Known([event(DAY, "higher", "region 1")])
    assert answers(values, known)[key(DAY)].passed
    values[2, DAY] *= 0.2
    found = answers(values, known)[key(DAY)]
    assert (found.passed, found.facts["region"]) == (False, "region 2")


def test_events_do_not_become_what_is_usual() -> None:
    values = numbers(weeks=14)
    values[:, 42:77] *= 3  # a campaign of five weeks
    after = {key(day) for day in range(77, 98)}
    campaign = [event(42, "higher", last=76)]
    assert set(failed(answers(values))) & after
    assert not set(failed(answers(values, Known(campaign)))) & after
    # Had anybody marked them as fine, they would count.
    fine = {(FIRST + timedelta(day), None) for day in range(42, 77)}
    assert set(failed(answers(values, Known(campaign, fine)))) & after


def test_a_day_that_was_marked_fine_passes_and_so_do_days_at_its_level() -> None:
    values = numbers(weeks=14)
    values[:, DAY:] *= 0.55  # for good
    assert failed(answers(values))[:2] == [key(DAY), key(DAY + 1)]
    known = Known(fine={(FIRST + timedelta(DAY), None)})
    found = answers(values, known)
    assert failed(found) == []
    assert found[key(DAY)].facts["result"] == "marked fine"
    assert found[key(DAY + 1)].facts["result"] == "at a level that was marked fine"
    values[:, DAY + 2] *= 3  # another level
    assert failed(answers(values, known)) == [key(DAY + 2)]


def test_a_region_that_was_marked_fine_excuses_no_other() -> None:
    values = numbers()
    values[:, DAY] *= 0.3
    known = Known(fine={(FIRST + timedelta(DAY), name) for name in ("all", "region 1", "region 2")})
    found = answers(values, known)[key(DAY)]
    assert (found.passed, found.facts["region"], found.facts["alarms"]) == (False, "region 3", 1)


# --------------------------------------------------------------------------- drift


def drift(values: NDArray[np.float64], known: Known | None = None) -> dict[str, Answer]:
    names = ("all", *(f"region {n}" for n in range(1, len(values))))
    series = Series("count", names, ("",) * len(values), values, np.ones(values.shape, bool))
    days = [FIRST + timedelta(n) for n in range(values.shape[1])]
    limits = THRESHOLDS.drift.default
    keys = [day.isoformat() for day in days]
    return {a.day: a for a in judge_drift(series, days, keys, known or Known(), lambda _: limits)}


def leaking() -> NDArray[np.float64]:
    values = numbers(weeks=40)
    values[1] *= 0.98 ** (np.maximum(np.arange(280) - 140, 0) / 7)
    values[0] = values[1:].sum(axis=0)
    return values


def test_a_region_that_leaks_two_percent_a_week_is_noticed_and_a_season_is_not() -> None:
    season = np.exp(0.4 * np.sin(np.arange(280) / 40))
    assert failed(drift(numbers(weeks=40) * season)) == []
    found = drift(leaking() * season)
    first, *_ = failed(found)
    assert key(140) < first < key(140 + 16 * 7)
    assert found[first].facts["region"] in {"region 1", "region 2", "region 3"}
    assert found[first].severity.value == "WARN"
    assert found[first].regions.keys() >= {found[first].facts["region"]}
    # No day of it is unusual.
    assert failed(answers(leaking())) == []


def test_a_drift_that_was_marked_fine_is_measured_from_there() -> None:
    values = leaking()
    first = failed(drift(values))[0]
    fine = Known(fine={(date.fromisoformat(first), None)})
    after = failed(drift(values, fine))
    assert first not in after
    assert all(day > (date.fromisoformat(first) + timedelta(28)).isoformat() for day in after)


def test_a_drift_needs_its_weeks() -> None:
    found = drift(numbers(weeks=14))
    assert {answer.facts["result"] for answer in found.values()} == {"not enough history"}
    assert found[key(97)].facts["weeks"] == 14
