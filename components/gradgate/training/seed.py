"""One seed for everything that draws a number, and kernels that add in a fixed order."""

import keras
import tensorflow as tf
from tensorflow.python.framework.config import is_op_determinism_enabled

_last: list[int] = []  # seeds that were set in this process, for the whole of it


def reproducible(seed: int) -> None:
    """Seeds Python, NumPy and TensorFlow, and makes TensorFlow's ops deterministic.

    Weights are drawn when a layer is built: call it before the model is built. It holds for the
    whole process; TensorFlow has no way back from deterministic ops. `instrument` notes the seed in
    the record.

    Args:
        seed: In [0, 2^32), NumPy's range.

    Raises:
        ValueError: If the seed is no such number.
    """
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**32:
        raise ValueError(f"seed must be a whole number from 0 to 2^32 - 1, got {seed!r}.")
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
    _last[:] = [seed]


def last_seed() -> int | None:
    """Returns the seed that was set last, None if none was."""
    return _last[0] if _last else None


def nondeterminism(*, drawn_before: bool) -> tuple[str, ...]:
    """Returns what is known to stand against the same weights when the training is run again.

    Args:
        drawn_before: Whether weights were drawn before the seed was set.
    """
    reasons = []
    if not _last:
        reasons.append("no seed was set before the model was made: gradgate.reproducible(seed)")
    elif drawn_before:
        reasons.append(
            "the seed was set after the model's weights were drawn: call"
            " gradgate.reproducible(seed) before the model is made"
        )
    if not is_op_determinism_enabled():
        reasons.append("TensorFlow's operations may add in any order: gradgate.reproducible(seed)")
    return tuple(reasons)
