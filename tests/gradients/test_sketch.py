import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from gradgate.gradients import sketches_of


def cosine(a, b):
    a, b = np.ravel(np.float64(a)), np.ravel(np.float64(b))
    return np.dot(a, b) / (np.linalg.norm(a) * np.linalg.norm(b))


def pair(shape, true_cosine, seed):
    """Returns two gradients at about this cosine."""
    first, second = np.random.default_rng(seed).normal(size=(2, *shape)).astype(np.float32)
    return first, true_cosine * first + np.sqrt(1 - true_cosine**2) * second


@given(st.sampled_from([(40,), (64, 64), (300, 100)]), st.floats(-1, 1), st.integers(0, 2**32 - 1))
def test_the_cosine_of_two_sketches_is_near_the_true_one(shape, true_cosine, seed):
    first, second = pair(shape, true_cosine, seed)
    sketches = sketches_of([tf.constant(first), tf.constant(second)])
    # The standard error is at most 1 / sqrt(32) = 0.18, and 0 at 1 and -1.
    assert abs(cosine(*sketches) - cosine(first, second)) < 0.9


@pytest.mark.parametrize("true_cosine", [-0.9, -0.5, 0.0, 0.5, 0.9])
@pytest.mark.parametrize("layout", ["full", "one column", "one row", "steps of 32"])
def test_over_many_gradients_it_is_right_on_average_however_they_are_laid_out(true_cosine, layout):
    errors = []
    for seed in range(60):
        first, second = pair((64, 64), true_cosine, seed)
        mask = np.zeros((64, 64), np.float32)
        if layout == "steps of 32":
            mask.reshape(-1)[::32] = 1
        else:
            mask[{"full": ..., "one column": np.s_[:, 3], "one row": 3}[layout]] = 1
        sketches = sketches_of([tf.constant(first * mask), tf.constant(second * mask)])
        errors.append(cosine(*sketches) - cosine(first * mask, second * mask))
    assert abs(np.mean(errors)) < 0.08  # three standard errors of the mean
    assert np.std(errors) < 0.25


def test_equal_gradients_have_cosine_1_and_opposite_ones_minus_1():
    gradient = tf.random.stateless_normal([500], [1, 2])
    one, two, other = sketches_of([gradient, 3.0 * gradient, -gradient])
    np.testing.assert_allclose(cosine(one, two), 1.0, rtol=1e-6)
    np.testing.assert_allclose(cosine(one, other), -1.0, rtol=1e-6)


def test_signs_are_the_same_at_every_call_and_in_a_graph():
    gradient = tf.random.stateless_normal([33, 7], [1, 2])
    first = sketches_of([gradient])
    np.testing.assert_array_equal(first, sketches_of([gradient]))
    for is_compiled in (False, True):
        again = tf.function(lambda g: sketches_of([g]), jit_compile=is_compiled)(gradient)
        np.testing.assert_allclose(first, again, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("shape", [(1 << 17,), (1024, 768), (50, 40, 30)])
def test_a_sample_of_a_large_gradient_stands_for_all_of_it(shape):
    # So that small and large variables count alike in the cosine over all of them.
    gradient = tf.random.stateless_normal(shape, [1, 2])
    (sketch,) = sketches_of([gradient], size=512)
    np.testing.assert_allclose(np.linalg.norm(sketch), tf.norm(gradient), rtol=0.15)


def test_every_column_of_a_large_kernel_is_looked_at():
    # 1024 * 1024 / 4096 = 256 shares factors with 1024: the same four columns for ever.
    sketches = sketches_of([tf.one_hot([column] * 1024, 1024) for column in range(0, 1024, 100)])
    assert (np.linalg.norm(sketches, axis=1) > 0).all()


def test_none_sparse_and_empty_gradients_have_none(twice_looked_up):
    sketches = sketches_of([None, twice_looked_up, tf.zeros([0, 3]), tf.zeros([4])])
    np.testing.assert_array_equal(sketches, np.zeros([4, 32]))
    assert sketches_of([]).shape == (0, 32)


def test_one_that_is_not_finite_spoils_no_other(bad):
    sketches = sketches_of([tf.constant([bad, 1.0]), tf.constant(-2.0)])
    assert not np.isfinite(sketches[0]).all()
    assert np.linalg.norm(sketches[1]) == 2.0


@pytest.mark.parametrize("dtype", [tf.float16, tf.bfloat16, tf.float64])
def test_any_float_dtype_gives_float32(dtype):
    sketches = sketches_of([tf.constant([3.0, 4.0], dtype)])
    assert sketches.dtype == tf.float32
    np.testing.assert_allclose(np.linalg.norm(sketches), 5.0, rtol=1e-6)
