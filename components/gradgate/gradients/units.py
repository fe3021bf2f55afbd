"""Which weights of a variable feed one output unit, and the norm of each unit.

By rank, as in the reference implementation of adaptive gradient clipping (Brock et al., 2021,
https://arxiv.org/abs/2102.06171): Keras lays kernels out as JAX does, with the output last.

A kernel of rank 3 is ambiguous: that of attention, [in, heads, size], has axis 0 for a unit; that
of a one-dimensional convolution, [width, in, out], has axes 0 and 1. Whoever knows the layer says
so with `Weight.unit_axes`.
"""

import tensorflow as tf

from gradgate.gradients.report import Weight
from gradgate.gradients.sparse import Gradient


def unit_axes(rank: int, *, is_embedding: bool = False) -> tuple[int, ...]:
    """Returns the axes that the weights of one output unit span.

    Args:
        rank: Of the variable. 0 and 1: the variable is one unit. 2 and 3: axis 0. From 4 on: all
            but the last.
        is_embedding: Whether each row, along axis 0, is a unit.
    """
    if is_embedding:
        return tuple(range(1, rank))
    if rank <= 1:
        return tuple(range(rank))
    return (0,) if rank <= 3 else tuple(range(rank - 1))


def axes_of(gradient: Gradient, weight: Weight) -> tuple[int, ...]:
    """Returns the axes of one unit in the stored numbers of a gradient that is not None.

    The units of a sparse gradient are its rows.
    """
    if isinstance(gradient, tf.IndexedSlices):
        return unit_axes(len(gradient.values.shape), is_embedding=True)
    if weight.unit_axes is not None:
        return weight.unit_axes
    return unit_axes(len(gradient.shape), is_embedding=weight.is_embedding)


def unit_norms(values: tf.Tensor, axes: tuple[int, ...]) -> tf.Tensor:
    """Returns the L2 norm of each unit, float32, with `axes` kept as 1; one read.

    Infinite or NaN when a square is beyond float32, as from about 1e19.
    """
    values = tf.cast(values, tf.float32)
    return tf.sqrt(tf.reduce_sum(tf.square(values), axes, keepdims=True))


def scaled_unit_norms(values: tf.Tensor, axes: tuple[int, ...]) -> tf.Tensor:
    """Returns what `unit_norms` does, without overflow; two reads more.

    NaN exactly where a unit is not finite; the greatest float32 where only its norm is beyond it.
    """
    values = tf.cast(values, tf.float32)
    # An empty maximum is -inf; the other 0 keeps it from being one.
    greatest = tf.maximum(tf.reduce_max(tf.abs(values), axes, keepdims=True), 0.0)
    divisor = tf.where(greatest > 0, greatest, 1.0)  # NaN > 0 is false: the NaN stays in values
    norms = greatest * unit_norms(values / divisor, axes)
    return tf.where(tf.math.is_inf(norms), tf.float32.max, norms)  # inf / inf is NaN
