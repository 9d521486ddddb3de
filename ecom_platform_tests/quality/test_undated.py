"""Which days could hold the rows that have no day, and when these are too many."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ecom_platform.quality.undated import Verdict, judge

if TYPE_CHECKING:
    from collections.abc import Mapping

MONTH = [f"2024-01-{day:02}" for day in range(1, 29)]


def asked(
    undated: int, rows: Mapping[str, int], *, known: int = 0, unpublished: int = 0,
    before: Mapping[str, int] | None = None,
) -> Verdict:  # fmt: skip
    before = before or {}
    return judge(
        undated, known, rows, before, unpublished or len(rows) - len(before),
        is_first=not before, max_share=0.1, min_rows=5,
    )  # fmt: skip


@pytest.mark.parametrize("undated", [1, 2, 3100])
def test_a_first_load_of_which_nothing_is_readable_fails_at_every_day(undated: int) -> None:
    found = asked(undated, dict.fromkeys(MONTH, 0))
    assert found == Verdict(frozenset(MONTH), 1.0, 0)


@pytest.mark.parametrize("days", [1, 3])
def test_some_days_of_a_table_that_cannot_be_read_fail_however_far_back_it_begins(
    days: int,
) -> None:
    assert asked(40, dict.fromkeys(MONTH[:days], 0), unpublished=3000).bad_days == {*MONTH[:days]}


@pytest.mark.parametrize(("undated", "fails"), [(311, False), (312, True)])
def test_a_first_load_is_judged_by_all_its_rows(undated: int, fails: bool) -> None:
    found = asked(undated, dict.fromkeys(MONTH, 100))
    assert bool(found.bad_days) is fails
    assert found.accepted == (0 if fails else undated)


def test_old_rows_without_a_day_do_not_fail_the_first_run_of_one_day() -> None:
    found = asked(500, {MONTH[0]: 100}, unpublished=1000)
    assert found == Verdict(frozenset(), 0.0, 0)


def test_the_day_whose_export_changed_fails_and_those_before_it_stand() -> None:
    before = dict.fromkeys(MONTH[:-1], 100)
    rows = before | {MONTH[-1]: 0}
    assert asked(600, rows, known=500, before=before).bad_days == {MONTH[-1]}


def test_rows_without_a_day_that_are_known_fail_no_night() -> None:
    before = dict.fromkeys(MONTH[:-1], 100)
    found = asked(500, before | {MONTH[-1]: 0}, known=500, before=before)
    assert found == Verdict(frozenset(), 0.0, 500)


def test_a_few_more_each_night_are_known_from_then_on() -> None:
    before = dict.fromkeys(MONTH[:-1], 100_000)
    found = asked(600, before | {MONTH[-1]: 99_900}, known=500, before=before)
    assert found == Verdict(frozenset(), 0.0, 600)


def test_published_days_fail_that_lost_rows_while_rows_without_a_day_appeared() -> None:
    before = dict.fromkeys(MONTH, 3)
    rows = dict.fromkeys(MONTH[:14], 3) | dict.fromkeys(MONTH[14:], 0)
    found = asked(42, rows, before=before)
    assert found == Verdict(frozenset(MONTH[14:]), 1.0, 0)


def test_rows_that_are_mended_are_forgotten() -> None:
    assert asked(2, {MONTH[0]: 10}, known=500, before={MONTH[0]: 10}).accepted == 2


def test_days_made_again_say_nothing_of_rows_that_appeared_meanwhile() -> None:
    assert asked(600, {MONTH[0]: 10}, known=500, before={MONTH[0]: 10}).accepted == 500
