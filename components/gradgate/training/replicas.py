"""What each replica tells the others, in the collective that sums their gradients anyway.

Each writes its own numbers at its own place and 0 elsewhere, so the sum is a list of all: a NaN of
one replica stays at its place.
"""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from gradgate.training.scope import replica


class OfReplicas(NamedTuple):
    """Numbers of each of r replicas, of its own batch and before the sum over replicas."""

    losses: tf.Tensor  # float32 [r]: NaN where the loss is not known
    norms: tf.Tensor  # float32 [r]: L2 norm of all of its gradients; NaN where one is not finite


def at_its_place(loss: tf.Tensor | None, norm: tf.Tensor, replicas: int) -> tf.Tensor:
    """Returns the numbers of this replica as what is to be summed, float32 [2r].

    Args:
        loss: Float32 []; None when it is not known.
        norm: Float32 [].
        replicas: Of all processes, r.
    """
    is_own = tf.range(replicas) == replica()
    numbers = tf.stack([tf.constant(np.nan, tf.float32) if loss is None else loss, norm])
    return tf.reshape(tf.where(is_own, numbers[:, tf.newaxis], 0.0), [2 * replicas])


def split(summed: tf.Tensor) -> OfReplicas:
    """Returns the numbers of all replicas from their sum, float32 [2r]."""
    return OfReplicas(*tf.split(summed, 2))
