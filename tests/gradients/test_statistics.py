import numpy as np
import pytest
import tensorflow as tf

from gradgate.gradients import statistics, statistics_of


def test_statistics_by_hand(values):
    # [[3, 0], [0, -4]]: mean 7/4, two of four zeros. None and empty: all 0.
    result = statistics_of(values)
    np.testing.assert_array_equal(result.mean_abs, [1.75, 0.0, 6.0, 0.5, 0.0])
    np.testing.assert_array_equal(result.max_abs, [4.0, 0.0, 12.0, 0.5, 0.0])
    np.testing.assert_array_equal(result.zero_fraction, [0.5, 0.0, 0.5, 0.0, 0.0])
    np.testing.assert_array_equal(result.nonfinite, np.zeros(5))


def test_rows_that_a_sparse_gradient_leaves_out_are_zeros(twice_looked_up):
    # [6, 8] in one of five rows: mean 14/10, eight of ten zeros.
    result = statistics_of([twice_looked_up])
    np.testing.assert_allclose(result.mean_abs, [1.4])
    np.testing.assert_array_equal(result.max_abs, [8.0])
    np.testing.assert_allclose(result.zero_fraction, [0.8])


def test_non_finite_entries_are_counted_and_shown(bad):
    result = statistics_of([tf.constant([bad, 1.0, bad, 0.0])])
    np.testing.assert_array_equal(result.nonfinite, [2.0])
    np.testing.assert_array_equal(result.zero_fraction, [0.25])
    shown = np.abs(np.float32([bad]))
    np.testing.assert_array_equal(result.max_abs, shown)
    np.testing.assert_array_equal(result.mean_abs, shown)


@pytest.mark.parametrize("dtype", [tf.float16, tf.bfloat16, tf.float64])
def test_any_float_dtype_is_measured_in_float32(dtype):
    result = statistics_of([tf.constant([1.0, -3.0], dtype)])
    assert [column.dtype for column in result] == [tf.float32] * 4
    np.testing.assert_array_equal(result.mean_abs, [2.0])


@pytest.mark.parametrize("size", [2 * statistics._BLOCK + 1, 70 * statistics._BLOCK])
def test_a_large_gradient_is_read_in_blocks_and_gives_the_same(size):
    gradient = np.random.default_rng(0).normal(size=size).astype(np.float32)
    gradient[::3] = 0.0
    gradient[-1] = -9.0
    result = statistics_of([tf.constant(gradient)])
    np.testing.assert_allclose(result.mean_abs, [np.abs(gradient).mean()], rtol=1e-4)
    np.testing.assert_array_equal(result.max_abs, [9.0])
    np.testing.assert_allclose(result.zero_fraction, [np.mean(gradient == 0)], rtol=1e-6)


def test_gradients_of_no_variable_are_fine():
    assert [column.shape for column in statistics_of([])] == [(0,)] * 4


@pytest.mark.parametrize("is_compiled", [False, True], ids=["graph", "XLA"])
def test_gives_the_same_in_a_graph(values, is_compiled):
    given = [g for g in values if g is not None and g.shape.num_elements()]
    compiled = tf.function(statistics_of, jit_compile=is_compiled)
    for one, other in zip(compiled(given), statistics_of(given), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)
