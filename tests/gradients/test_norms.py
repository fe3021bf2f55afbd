import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from gradgate.gradients import norms_of, sum_duplicate_rows

FINITE = st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), max_size=6)


def test_norms_by_hand(values):
    # [3, 4] has 5, None has 0, [12] has 12, 0.5 has 0.5, empty has 0.
    norms = norms_of(values)
    np.testing.assert_array_equal(norms.each, [5.0, 0.0, 12.0, 0.5, 0.0])
    assert norms.overall == np.sqrt(np.float32(25 + 144 + 0.25))


def test_rows_looked_up_twice_count_once_summed(twice_looked_up):
    assert norms_of([twice_looked_up]).overall == 10.0
    rows = sum_duplicate_rows(twice_looked_up)
    np.testing.assert_array_equal(rows.values, [[6.0, 8.0]])
    np.testing.assert_array_equal(rows.indices, [0])


def test_summing_rows_leaves_dense_gradients_and_none_alone():
    gradient = tf.constant([1.0])
    assert sum_duplicate_rows(gradient) is gradient
    assert sum_duplicate_rows(None) is None


@pytest.mark.parametrize("dtype", [tf.float32, tf.float64])
def test_1e20_has_a_finite_norm_though_its_square_has_not(dtype):
    norms = norms_of([tf.constant([3e20, 4e20], dtype), tf.constant([1.0], dtype)])
    np.testing.assert_allclose(norms.each, [5e20, 1.0], rtol=1e-6)
    np.testing.assert_allclose(norms.overall, 5e20, rtol=1e-6)


def test_a_sum_that_overflows_over_the_variables_alone_does_not():
    # Each square is 1e38, which float32 holds; the sum of ten is not.
    norms = norms_of([tf.constant([1e19])] * 10)
    np.testing.assert_allclose(norms.overall, np.sqrt(10) * 1e19, rtol=1e-6)


def test_a_norm_beyond_float32_of_finite_numbers_is_the_greatest_float32():
    norms = norms_of([tf.constant([3e38] * 4)])
    assert norms.overall == tf.float32.max


def test_a_half_is_measured_in_float32():
    # 300^2 is infinite in float16.
    assert norms_of([tf.constant([300.0, 400.0], tf.float16)]).overall == 500.0


def test_a_gradient_that_is_not_finite_has_norm_nan_and_no_other_has(bad):
    norms = norms_of([tf.constant([1.0, bad]), tf.constant([3.0, 4.0])])
    np.testing.assert_array_equal(norms.each, [np.nan, 5.0])
    assert np.isnan(norms.overall)


@given(st.lists(FINITE, max_size=4))
def test_finite_gradients_have_the_norm_that_float64_gives(variables):
    norms = norms_of([tf.constant(values, tf.float32) for values in variables])
    expected = [np.linalg.norm(np.float64(values)) for values in variables]
    most = np.finfo(np.float32).max
    # What is below 1e-19 has a square below float32 and counts as 0.
    np.testing.assert_allclose(norms.each, np.minimum(expected, most), rtol=1e-5, atol=1e-18)
    overall = min(np.linalg.norm(expected), most)
    np.testing.assert_allclose(norms.overall, overall, rtol=1e-5, atol=1e-18)
