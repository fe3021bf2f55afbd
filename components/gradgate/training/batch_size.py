"""How many examples a batch has, as the arguments of a `fit` say it."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

_KERAS = 32  # what `fit` takes of arrays when nobody says


def batch_size_of(given: Mapping[str, Any]) -> int | None:
    """Returns the number of examples in a batch, of all replicas; None where it is not said.

    Args:
        given: Arguments of `fit`, by name.
    """
    x, said = given.get("x"), given.get("batch_size")
    if isinstance(x, tf.data.Dataset):
        first = next(iter(tf.nest.flatten(x.element_spec)), None)
        shape = getattr(first, "shape", None)
        return None if shape is None or not shape.rank else shape[0]
    if said:
        return int(said)
    leaves = tf.nest.flatten(x) if isinstance(x, (list, tuple, dict)) else [x]
    if leaves and all(isinstance(leaf, (np.ndarray, tf.Tensor)) for leaf in leaves):
        return max(1, min(_KERAS, len(leaves[0])))
    return None
