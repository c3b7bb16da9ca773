"""Deadlines: due dates follow from facts, and overdue is computed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from careledger.mechanisms.deadline import DAY_S, Deadline, day_of, due_within, start_of


@pytest.mark.parametrize(
    ("met", "time", "standing"),
    [
        (None, 99, "open"),
        (None, 100, "overdue"),
        (50, 60, "met"),
        (50, 40, "open"),
        (99, 500, "met"),
        (100, 500, "met-late"),
        (150, 120, "overdue"),
    ],
)
def test_standing(met: int | None, time: int, standing: str) -> None:
    assert Deadline(due=100, met=met).standing(time) == standing


def test_a_duty_follows_from_a_fact() -> None:
    assert due_within(1_000, 60) == Deadline(due=1_060)


@given(st.integers(0, 2**40))
def test_a_day_begins_with_its_first_second(time: int) -> None:
    day = day_of(time)
    assert start_of(day) <= time < start_of(day + 1)
    assert day_of(start_of(day)) == day
    assert start_of(1) == DAY_S
