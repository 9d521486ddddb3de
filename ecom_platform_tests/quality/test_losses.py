"""The rule of the circuit breaker: what a day, and a run, may lose of what was published."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from ecom_platform.datasets import RAW_ORDERS
from ecom_platform.quality.losses import AMOUNT, MEASURES, ROWS, Compared, find_losses
from ecom_platform.quality.thresholds import load_thresholds

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ecom_platform.quality.losses import Loss

LIMITS = load_thresholds(None, []).losses.default
NAMES = list(MEASURES[RAW_ORDERS.path])

#: Orders of each day, of which all have a customer, a region, a status and 10.00; and parts of 100.
SIZE = 8
shops = st.lists(st.integers(0, 300), min_size=1, max_size=SIZE)
parts_of_days = st.lists(st.integers(0, 100), min_size=SIZE, max_size=SIZE)


def measures(rows: int, money: int | None = None) -> dict[str, Decimal]:
    return dict.fromkeys(NAMES, Decimal(rows)) | {
        AMOUNT: Decimal(rows * 10 if money is None else money)
    }


def days(before: Iterable[int | None], now: Iterable[int]) -> dict[str, Compared]:
    return {
        f"2024-01-{number:02}": Compared(
            None if was is None else measures(was), measures(n), was == n
        )
        for number, (was, n) in enumerate(zip(before, now, strict=False), start=1)
    }


def find(
    found: dict[str, Compared], *, emptied: bool = False, few: int | None = None
) -> dict[str, Loss]:
    """Apply the rule where each lost row had 10.00, unless said how much a few have lost."""

    def of_few_rows(asked: Iterable[str]) -> Decimal:
        lost = sum(int(found[day].lost(ROWS)) for day in asked)
        return Decimal(10 * min(LIMITS.rows, lost) if few is None else few)

    return find_losses(RAW_ORDERS, found, LIMITS, of_few_rows, is_emptied=emptied)


@given(shops, parts_of_days)
def test_what_only_grows_is_never_refused(before: list[int], more: list[int]) -> None:
    now = [was + added for was, added in zip(before, more, strict=False)]
    assert find(days(before, now)) == {}


@given(shops, parts_of_days)
def test_so_few_rows_as_the_threshold_may_always_be_lost(
    before: list[int], parts: list[int]
) -> None:
    left = LIMITS.rows
    now: list[int] = []
    for was, part in zip(before, parts, strict=False):
        lost = min(was, part * left // 100)
        now.append(was - lost)
        left -= lost
    assert find(days(before, now)) == {}


@given(shops.filter(lambda rows: sum(rows) > 2 * LIMITS.rows + 2 * len(rows)))
def test_half_of_a_table_is_never_lost_however_it_is_spread(before: list[int]) -> None:
    refused = find(days(before, [was // 2 for was in before]))
    if len(before) > 1:
        assert refused.keys() == {day for day, one in days(before, before).items() if one.now[ROWS]}
    else:
        assert refused


@given(shops, parts_of_days)
def test_who_loses_more_is_not_let_through_sooner(before: list[int], parts: list[int]) -> None:
    some = [was - part * was // 100 for was, part in zip(before, parts, strict=False)]
    more = [n - part * n // 100 for n, part in zip(some, parts, strict=False)]
    assert find(days(before, some)).keys() <= find(days(before, more)).keys()


@given(shops, parts_of_days)
def test_a_day_that_is_as_it_was_is_never_refused(before: list[int], parts: list[int]) -> None:
    now = [was if part < 50 else 0 for was, part in zip(before, parts, strict=False)]
    compared = days(before, now)
    for emptied in (False, True):
        assert not any(compared[day].same for day in find(compared, emptied=emptied))


def test_a_tenth_of_a_large_day_may_be_deleted_and_a_quarter_not() -> None:
    assert find(days([1000], [900])) == {}
    assert find(days([1000] * 7, [1000] * 6 + [900])) == {}
    refused = find(days([1000] * 7, [1000] * 6 + [750]))
    assert list(refused) == ["2024-01-07"]
    assert refused["2024-01-07"].reason.startswith(
        "too much would be lost of orders: 1,000 before, 750 now."
    )


def test_a_run_that_lost_a_little_of_every_day_publishes_none_of_them() -> None:
    refused = find(days([100] * 10 + [None, None], [93] * 10 + [90, 0]))
    # The eleventh is new and has rows; the twelfth may be what was lost.
    assert list(refused) == [f"2024-01-{number:02}" for number in (*range(1, 11), 12)]
    assert (
        "orders: 70 of 1,000 in the days of the run; in this one, 100 before, 93 now."
        in refused["2024-01-01"].reason
    )


def test_a_few_rows_may_move_to_another_day_and_many_may_not() -> None:
    assert find(days([100] * 4, [85, 115, 100, 100])) == {}
    # Nor is the day published that has them now: they would count twice.
    assert list(find(days([100] * 4, [85, 85, 130, 100]))) == [
        "2024-01-01", "2024-01-02", "2024-01-03"
    ]  # fmt: skip


def test_of_an_empty_table_nothing_is_published_however_small_it_was() -> None:
    found = days([3, 0, None], [0, 0, 0])
    assert find(found) == {}
    assert list(find(found, emptied=True)) == ["2024-01-01", "2024-01-03"]


def test_money_that_a_few_rows_lost_may_go() -> None:
    found = {"2024-01-01": Compared(measures(100, 10**6), measures(99, 1000))}
    assert find(found, few=10**6 - 1000) == {}
    assert find(found, few=10**6 - 1300)["2024-01-01"].measure == AMOUNT


def test_no_row_is_asked_after_unless_money_is_missing() -> None:
    def of_few_rows(_: Iterable[str]) -> Decimal:
        raise AssertionError

    find_losses(RAW_ORDERS, days([100] * 3, [95] * 3), LIMITS, of_few_rows, is_emptied=False)


def test_each_measure_counts_by_itself() -> None:
    for name in NAMES:
        now = measures(100) | {name: Decimal(0)}
        (loss,) = find({"2024-01-01": Compared(measures(100), now)}).values()
        assert loss.measure == name


def test_days_whose_parents_are_missing_do_not_take_the_others_along() -> None:
    orphans = measures(8) | {"customers": Decimal(0)}
    now = [orphans if number in (3, 7) else measures(9) for number in range(1, 31)]
    found = {
        f"2024-01-{number:02}": Compared(measures(8), one) for number, one in enumerate(now, 1)
    }
    assert list(find(found)) == ["2024-01-03", "2024-01-07"]


def test_a_version_that_does_not_say_so_much_is_compared_by_its_rows() -> None:
    found = {"2024-01-01": Compared({ROWS: Decimal(100)}, {ROWS: Decimal(40)})}
    assert find(found)["2024-01-01"].measure == ROWS
