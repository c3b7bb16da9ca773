"""Streams of chance are pinned and do not disturb each other."""

from hypothesis import given
from hypothesis import strategies as st

from careledger.fhir.synthetic.chance import Chance


def test_a_stream_is_the_same_on_every_python() -> None:
    chance = Chance(7, 1, "riverside", "visit")
    assert [chance.integer(0, 999) for _ in range(6)] == [485, 307, 919, 700, 673, 166]


def test_names_divide_streams() -> None:
    assert Chance(1, "a").integer(0, 10**12) != Chance(1, "b").integer(0, 10**12)
    assert Chance(1, "a").integer(0, 10**12) != Chance(2, "a").integer(0, 10**12)


@given(seed=st.integers(), low=st.integers(-1000, 1000), width=st.integers(0, 1000))
def test_a_whole_number_stays_in_its_bounds(seed: int, low: int, width: int) -> None:
    assert low <= Chance(seed).integer(low, low + width) <= low + width


@given(seed=st.integers())
def test_normal_is_never_beyond_three(seed: int) -> None:
    chance = Chance(seed)
    assert all(-3 <= chance.normal() <= 3 for _ in range(50))
