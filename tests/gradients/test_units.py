import numpy as np
import pytest
import tensorflow as tf

from gradgate.gradients import unit_axes
from gradgate.gradients.units import scaled_unit_norms, unit_norms


@pytest.mark.parametrize(
    ("rank", "axes"),
    [(0, ()), (1, (0,)), (2, (0,)), (3, (0,)), (4, (0, 1, 2)), (5, (0, 1, 2, 3))],
)
def test_a_unit_is_what_feeds_one_output(rank, axes):
    assert unit_axes(rank) == axes


@pytest.mark.parametrize(("rank", "axes"), [(1, ()), (2, (1,)), (3, (1, 2))])
def test_a_unit_of_an_embedding_is_a_row(rank, axes):
    assert unit_axes(rank, is_embedding=True) == axes


@pytest.mark.parametrize("norms", [unit_norms, scaled_unit_norms])
def test_norms_of_units_by_hand(norms):
    np.testing.assert_array_equal(norms(tf.constant([[3.0, 0.0], [4.0, 2.0]]), (0,)), [[5.0, 2.0]])
    np.testing.assert_array_equal(norms(tf.constant(-2.0), ()), 2.0)
    assert norms(tf.zeros([0, 3]), (0,)).numpy().tolist() == [[0.0, 0.0, 0.0]]


def test_scaled_norms_overflow_only_at_the_end_of_float32():
    norms = scaled_unit_norms(tf.constant([[3e20, 3e38], [4e20, 3e38]]), (0,))
    np.testing.assert_allclose(norms, [[5e20, tf.float32.max]], rtol=1e-6)
