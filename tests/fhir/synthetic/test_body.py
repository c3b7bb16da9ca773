"""Measurements move as the tables say."""

from hypothesis import given
from hypothesis import strategies as st

from careledger.fhir.synthetic.body import along
from careledger.fhir.synthetic.content.trends import GROWTH, TRENDS, Trend

TRENDS_ = [trend for measures in TRENDS.values() for trend in measures.values()]


def test_a_trend_begins_at_its_onset_and_is_half_way_after_its_half_days() -> None:
    trend = Trend(onset=3.0, treated=1.0, half_days=90)
    assert trend.shift(0) == 3.0
    assert trend.shift(90) == 2.0
    assert trend.shift(-5) == 3.0


def test_a_steep_trend_keeps_an_eighth_where_another_keeps_a_half() -> None:
    assert Trend(onset=8.0, treated=0.0, half_days=10, steep=True).shift(10) == 1.0


@given(trend=st.sampled_from(TRENDS_), days=st.integers(0, 20_000))
def test_a_trend_stays_between_its_ends(trend: Trend, days: int) -> None:
    low, high = sorted((trend.onset, trend.treated))
    assert low - 1e-9 <= trend.shift(days) <= high + 1e-9


@given(table=st.sampled_from(list(GROWTH.values())), age=st.floats(0, 110))
def test_growth_stays_between_the_points_of_its_table(
    table: tuple[tuple[float, float], ...], age: float
) -> None:
    values = [value for _, value in table]
    assert min(values) <= along(table, age) <= max(values)


def test_growth_passes_through_the_points_of_its_table() -> None:
    for table in GROWTH.values():
        for age, value in table:
            assert along(table, age) == value
