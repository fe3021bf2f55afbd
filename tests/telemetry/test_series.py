"""Summaries: what they hold, and that merging two stretches equals one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradgate.telemetry.series import ACCURACY, SeriesAccumulator, merge_series, quantile

values_lists = st.lists(
    st.floats(0, 1e6, width=32) | st.sampled_from([np.nan, np.inf]), min_size=0, max_size=40
)


def summarise(values, first=0):
    series = SeriesAccumulator(1)
    series.add(np.arange(first, first + len(values)), np.array(values, np.float64).reshape(-1, 1))
    return series.summaries()[0]


def test_extremes_carry_the_first_step_that_had_them():
    summary = summarise([3.0, 1.0, 5.0, 1.0, 5.0], first=10)
    assert (summary.least, summary.least_step) == (1.0, 11)
    assert (summary.greatest, summary.greatest_step) == (5.0, 12)
    assert (summary.count, summary.total, summary.total_squares) == (5, 15.0, 61.0)
    assert summary.last == 5.0


def test_non_finite_values_are_counted_and_enter_nothing_else():
    summary = summarise([1.0, np.nan, np.inf])
    assert (summary.count, summary.nonfinite, summary.total) == (1, 2, 1.0)
    assert summary.greatest == 1.0
    assert summary.last == np.inf


def test_an_empty_series_has_no_extremes():
    summary = summarise([])
    assert summary.least is summary.greatest is summary.last is quantile(summary, 0.5) is None


@given(values_lists, values_lists)
def test_merging_two_stretches_equals_one(earlier, later):
    merged = merge_series(summarise(earlier), summarise(later, first=len(earlier)))
    whole = summarise(earlier + later)
    assert merged.model_copy(update={"total": 0, "total_squares": 0, "last": 0}) == (
        whole.model_copy(update={"total": 0, "total_squares": 0, "last": 0})
    )
    assert merged.total == pytest.approx(whole.total)
    assert merged.total_squares == pytest.approx(whole.total_squares)


@given(st.lists(st.floats(1e-12, 1e12), min_size=1, max_size=60), st.floats(0, 1))
def test_quantiles_are_within_the_accuracy(values, q):
    rank = int(q * (len(values) - 1))
    exact = np.sort(values)[rank]
    assert quantile(summarise(values), q) == pytest.approx(exact, rel=ACCURACY * 1.01)


def test_columns_do_not_touch_each_other():
    series = SeriesAccumulator(2)
    series.add(np.arange(2), np.array([[1.0, np.nan], [2.0, 4.0]]))
    left, right = series.summaries()
    assert (left.count, left.total) == (2, 3.0)
    assert (right.count, right.nonfinite, right.total) == (1, 1, 4.0)
