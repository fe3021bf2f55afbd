import numpy as np
import pytest
import tensorflow as tf

from gradgate.gradients import histogram, histograms_of

# Three bins of one decade each: [0.01, 0.1), [0.1, 1), [1, 10); ends take what is beyond.
SMALL = {"lowest": -2, "per_decade": 1, "bins": 3}


def test_histograms_by_hand():
    gradient = tf.constant([0.0, 0.001, -0.05, 0.5, -0.5, 2.0, 1e6])
    np.testing.assert_array_equal(histograms_of([gradient], **SMALL), [[3, 2, 2]])


def test_non_finite_entries_are_in_no_bin(bad):
    counts = histograms_of([tf.constant([bad, 0.5, bad])], **SMALL)
    np.testing.assert_array_equal(counts, [[0, 1, 0]])


def test_none_and_empty_gradients_have_no_entries():
    np.testing.assert_array_equal(histograms_of([None, tf.zeros([0])], **SMALL), np.zeros((2, 3)))
    assert histograms_of([], **SMALL).shape == (0, 3)


def test_a_row_looked_up_twice_counts_once_and_rows_left_out_are_zeros(twice_looked_up):
    # The dense gradient: [6, 8] in one of five rows, eight zeros.
    np.testing.assert_array_equal(histograms_of([twice_looked_up], **SMALL), [[8, 0, 2]])


@pytest.mark.parametrize("dtype", [tf.float16, tf.bfloat16, tf.float64])
def test_any_float_dtype_is_counted(dtype):
    counts = histograms_of([tf.constant([0.5, -4.0], dtype)], **SMALL)
    assert counts.dtype == tf.float32
    np.testing.assert_array_equal(counts, [[0, 1, 1]])


@pytest.mark.parametrize("is_compiled", [False, True], ids=["graph", "XLA"])
def test_gives_the_same_in_a_graph_and_as_numpy(is_compiled):
    values = np.random.default_rng(0).lognormal(-4, 3, 5000).astype(np.float32)
    # Away from the edges, where float32 logarithms may round either way.
    position = np.log10(values.astype(np.float64)) * 2
    values = values[np.abs(position - position.round()) > 1e-4]
    edges = 10.0 ** (-12 + np.arange(33) / 2)
    expected = np.histogram(values, edges)[0]
    expected[0] += (values < edges[0]).sum()

    def count(gradient):
        return histograms_of([gradient], lowest=-12, per_decade=2, bins=32)

    found = tf.function(count, jit_compile=is_compiled)(tf.constant(values))
    np.testing.assert_array_equal(found[0], expected)


def test_a_large_gradient_is_counted_by_a_sample_that_stands_for_all():
    # Twice 2^18 entries and 2 more: every third is looked at. Half are small, half are large.
    size = 2 * histogram._MOST_ENTRIES + 2
    gradient = tf.where(tf.range(size) < size // 2, 0.05, 5.0)
    counts = histograms_of([gradient], **SMALL)
    np.testing.assert_allclose(counts, [[size / 2, 0, size / 2]], atol=3)
