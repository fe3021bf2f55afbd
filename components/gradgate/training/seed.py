"""One seed for everything that draws a number, and kernels that add in a fixed order."""

import keras
import tensorflow as tf


def set_seed(seed: int) -> None:
    """Seeds Python, NumPy and TensorFlow, and makes TensorFlow's ops deterministic.

    Weights are drawn when a layer is built: call it before the model is built. It holds for the
    whole process; TensorFlow has no way back from deterministic ops.

    Args:
        seed: In [0, 2^32), NumPy's range.

    Raises:
        ValueError: If the seed is no such number.
    """
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**32:
        raise ValueError(f"seed must be a whole number from 0 to 2^32 - 1, got {seed!r}.")
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
