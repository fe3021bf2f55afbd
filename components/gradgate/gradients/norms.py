"""L2 norms of gradients, one a variable and one over all, that neither overflow nor hide a NaN.

`tf.nn.l2_loss` (half the sum of squares) is the fastest reduction that TensorFlow has, and a NaN
or an infinity makes it non-finite for free. But the square of 1e20 is infinite in float32 though
1e20 is not. So when a half square is not finite, and only then, the norm is taken again as
m * ||g / m|| with m = max|g|: it is non-finite exactly when the gradient is.

At the other end, entries below about 1e-19 have a square below the least float32 and count as 0.
"""

from collections.abc import Sequence
from typing import NamedTuple

import tensorflow as tf

from gradgate.gradients.rarely import unless_rare
from gradgate.gradients.sparse import Gradient, sum_duplicate_rows, values_of


class Norms(NamedTuple):
    """L2 norms of the gradients of one step, as tensors that can cross a `tf.function`.

    Finite, or NaN where a gradient is not finite; never infinite.
    """

    each: tf.Tensor  # float32 [v]: of each variable; 0 where the gradient is None
    overall: tf.Tensor  # float32 []: over all variables, the global norm


def norms_of(gradients: Sequence[Gradient]) -> Norms:
    """Returns the norms of gradients; NaN exactly where a gradient is non-finite.

    Args:
        gradients: One a variable, any float dtype. Numbers of a float64 gradient beyond the
            range of float32 count as infinite. Duplicate sparse rows are summed first.
    """
    summed = [sum_duplicate_rows(gradient) for gradient in gradients]
    halves = half_squares(summed)
    total = tf.reduce_sum(halves)
    return norms_if_finite_else_scaled(halves, total, summed)


def half_squares(gradients: Sequence[Gradient]) -> tf.Tensor:
    """Returns float32 [v], half the sum of squares of each gradient; 0 where it is None.

    Args:
        gradients: Without duplicate sparse rows, see `sum_duplicate_rows`.
    """
    zero = tf.constant(0.0)
    return _stacked([zero if g is None else tf.nn.l2_loss(_float32(g)) for g in gradients])


def norms_from_half_squares(halves: tf.Tensor, total: tf.Tensor) -> Norms:
    """Returns the norms when `total`, the sum of `halves`, is finite."""
    return Norms(tf.sqrt(2.0 * halves), tf.sqrt(2.0 * total))


def norms_if_finite_else_scaled(
    halves: tf.Tensor, total: tf.Tensor, gradients: Sequence[Gradient]
) -> Norms:
    """Returns the norms from `total`, the sum of `halves`, when it is finite; else by scaling."""
    return Norms(
        *unless_rare(
            tf.math.is_finite(total),
            lambda halves, total, *_: tuple(norms_from_half_squares(halves, total)),
            lambda _halves, _total, *gradients: tuple(scaled_norms(gradients)),
            (halves, total, *gradients),
        )
    )


def scaled_norms(gradients: Sequence[Gradient]) -> Norms:
    """Returns the norms by max-scaling: two more passes, no overflow.

    A norm beyond the range of float32, of finite numbers, is the greatest float32.
    """
    zero = tf.constant(0.0)
    each = _stacked([zero if g is None else _one_scaled_norm(_float32(g)) for g in gradients])
    return Norms(each, global_norm(each))


def global_norm(each: tf.Tensor) -> tf.Tensor:
    """Returns the norm over all variables, float32 [], from the norm of each, float32 [v]."""
    return _scaled_norm(each)


def _scaled_norm(numbers: tf.Tensor) -> tf.Tensor:
    if numbers.shape.num_elements() == 0:
        return tf.constant(0.0)
    # An empty maximum is -inf; the other 0 keeps it from being one.
    greatest = tf.maximum(tf.reduce_max(tf.abs(numbers)), 0.0)
    divisor = tf.where(greatest > 0, greatest, 1.0)  # NaN > 0 is false: the NaN stays in numbers
    norm = greatest * tf.sqrt(2.0 * tf.nn.l2_loss(numbers / divisor))
    # inf / inf is NaN, so an infinity here comes from finite numbers only.
    return tf.where(tf.math.is_inf(norm), tf.float32.max, norm)


@tf.function(autograph=False)
def _one_scaled_norm(numbers: tf.Tensor) -> tf.Tensor:
    """Traced once a shape: building the same ops for each of many variables takes long."""
    return _scaled_norm(numbers)


def _stacked(scalars: list[tf.Tensor]) -> tf.Tensor:
    return tf.stack(scalars) if scalars else tf.zeros([0])


def _float32(gradient: tf.Tensor | tf.IndexedSlices) -> tf.Tensor:
    values = values_of(gradient)
    return values if values.dtype == tf.float32 else tf.cast(values, tf.float32)
