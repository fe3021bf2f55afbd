"""Helpers that the tests of this room share."""

import numpy as np
import pytest
import tensorflow as tf


@pytest.fixture(scope="module", autouse=True)
def plain_graphs():
    """Hundreds of tiny graphs, each run once or twice, are not worth optimising first."""
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    yield
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": False})


@pytest.fixture(scope="session")
def dense():
    """Returns a gradient as a NumPy array, duplicate rows of a sparse one summed."""

    def to_array(gradient):
        return None if gradient is None else tf.convert_to_tensor(gradient).numpy()

    return to_array


@pytest.fixture(scope="session")
def values():
    """Gradients of a small model, one of them without any."""
    return [
        tf.constant([[3.0, 0.0], [0.0, -4.0]]),
        None,
        tf.constant([12.0, 0.0]),
        tf.constant(0.5),
        tf.zeros([0, 3]),
    ]


@pytest.fixture(scope="session")
def twice_looked_up():
    """Row 0 of an embedding [5, 2], looked up twice with gradient [3, 4]: the sum is [6, 8]."""
    return tf.IndexedSlices(
        tf.constant([[3.0, 4.0], [3.0, 4.0]]), tf.constant([0, 0]), tf.constant([5, 2])
    )


@pytest.fixture(params=[np.nan, np.inf, -np.inf], ids=["nan", "inf", "-inf"])
def bad(request):
    return request.param
