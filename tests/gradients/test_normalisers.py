import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from gradgate.gradients import Centralize, Context, NormalizeByGlobalNorm, NormalizeByNorm, Weight

NUMBERS = st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=8)


def centralized(gradient, **facts):
    context = Context(weights=[Weight(tf.zeros([1]), **facts)])
    (g,), report = Centralize()([gradient], context=context)
    return g, report


def test_the_global_norm_becomes_1_and_the_direction_is_kept():
    # 13 over both, as 5 and 12.
    (a, b), report = NormalizeByGlobalNorm()([tf.constant([3.0, 4.0]), tf.constant([12.0])])
    np.testing.assert_allclose(a, [3 / 13, 4 / 13], rtol=1e-6)
    np.testing.assert_allclose(b, [12 / 13], rtol=1e-6)
    assert report.norm_before == 13.0
    np.testing.assert_allclose(report.norm_after, 1.0, rtol=1e-6)


def test_the_norm_of_each_variable_becomes_1():
    gradients = [tf.constant([3.0, 4.0]), tf.constant([0.01]), None, tf.zeros([2])]
    (a, b, c, d), report = NormalizeByNorm()(gradients)
    np.testing.assert_allclose(a, [0.6, 0.8], rtol=1e-6)
    np.testing.assert_allclose(b, [1.0], rtol=1e-6)
    assert c is None
    np.testing.assert_array_equal(d, [0.0, 0.0])
    np.testing.assert_allclose(report.norm_after, np.sqrt(2), rtol=1e-6)


def test_by_norm_one_that_is_not_finite_leaves_the_others_to_be_normalised(bad):
    (a, b), _ = NormalizeByNorm()([tf.constant([bad, 1.0]), tf.constant([3.0, 4.0])])
    np.testing.assert_array_equal(a, np.float32([bad, 1.0]))
    np.testing.assert_allclose(b, [0.6, 0.8], rtol=1e-6)


def test_by_global_norm_one_that_is_not_finite_leaves_all_as_they_came(bad):
    (_, b), report = NormalizeByGlobalNorm()([tf.constant([bad]), tf.constant([3.0, 4.0])])
    np.testing.assert_array_equal(b, [3.0, 4.0])
    assert not report.is_clipped


def test_each_column_of_a_kernel_loses_its_mean():
    # Means 2 and 10. Left: [[-1, -10], [1, 10]], norm sqrt(2 + 200).
    g, report = centralized(tf.constant([[1.0, 0.0], [3.0, 20.0]]))
    np.testing.assert_array_equal(g, [[-1.0, -10.0], [1.0, 10.0]])
    np.testing.assert_allclose(report.norm_after, np.sqrt(202), rtol=1e-6)
    assert report.is_clipped


def test_the_mean_of_a_convolution_is_over_all_but_its_outputs():
    gradient = tf.reshape(tf.range(24.0), [3, 2, 2, 2])
    g, _ = centralized(gradient)
    np.testing.assert_allclose(g, gradient - np.mean(gradient, (0, 1, 2)), rtol=1e-6)


def test_a_unit_can_be_told_by_its_axes():
    gradient = tf.reshape(tf.range(24.0), [2, 3, 4])  # [in, heads, size] of an attention
    g, _ = centralized(gradient, unit_axes=(0,))
    np.testing.assert_allclose(g, gradient - np.mean(gradient, 0, keepdims=True), rtol=1e-6)


def test_vectors_and_embeddings_are_not_centralised(twice_looked_up):
    for gradient, facts in [
        (tf.constant([1.0, 3.0]), {}),
        (tf.constant(2.0), {}),
        (tf.constant([[1.0], [3.0]]), {"is_embedding": True}),
        (twice_looked_up, {}),
    ]:
        g, report = centralized(gradient, **facts)
        assert g is gradient
        assert not report.is_clipped
        assert report.norm_after == report.norm_before


def test_a_unit_of_one_weight_goes_on_learning():
    # A dense layer with one input: its mean is itself, and less that nothing would be left.
    gradient = tf.constant([[1.0, 3.0]])
    g, _ = centralized(gradient)
    assert g is gradient


def test_a_column_that_is_not_finite_is_left_and_the_others_are_centralised(bad):
    g, _ = centralized(tf.constant([[bad, 1.0], [1.0, 3.0]]))
    np.testing.assert_array_equal(g, np.float32([[bad, -1.0], [1.0, 1.0]]))


def test_without_weights_it_cannot_know_an_embedding():
    with pytest.raises(ValueError, match="Centralize needs one weight for each of the 1 gradients"):
        Centralize()([tf.constant([[1.0]])])


def test_a_half_is_centralised_in_float32():
    # The sum of 3000 times 64 is beyond float16.
    g, _ = centralized(tf.fill([3000, 1], tf.constant(64.0, tf.float16)))
    np.testing.assert_array_equal(g, np.zeros([3000, 1]))


@given(st.lists(NUMBERS, min_size=1, max_size=4))
def test_norms_are_1_or_0_and_directions_are_kept(variables):
    gradients = [tf.constant(values) for values in variables]
    normalised, _ = NormalizeByNorm()(gradients)
    for before, after in zip(gradients, normalised, strict=True):
        norm = np.linalg.norm(np.float64(before))
        if norm > 1e-15:
            np.testing.assert_allclose(after, before / norm, rtol=1e-5, atol=1e-7)
            np.testing.assert_allclose(np.linalg.norm(after), 1.0, rtol=1e-5)
