"""How the entries of each gradient are distributed: mean |g|, max |g|, zeros, non-finite entries.

Costs about two passes over all gradients, so it is for a sample of the steps. A large gradient is
read in blocks, so that |g| is still in the cache when it is read again: measured on one core for
76 MB of gradients, 8 to 10 ms against 15 ms without blocks.
"""

from collections.abc import Sequence
from typing import NamedTuple

import tensorflow as tf

from gradgate.gradients.sparse import Gradient, sum_duplicate_rows, values_of

_BLOCK = 1 << 18
_MOST_BLOCKS = 64  # of one variable: beyond, the graph would grow faster than the time falls


class Statistics(NamedTuple):
    """Over the entries of each gradient, float32 [v] each; all 0 where the gradient is None."""

    mean_abs: tf.Tensor  # NaN and inf pass through; inf too when the sum is beyond float32
    max_abs: tf.Tensor  # NaN and inf pass through
    zero_fraction: tf.Tensor  # in [0, 1], entries that are exactly 0
    nonfinite: tf.Tensor  # NaN and infinite entries, whole numbers; exact below 2^24


def statistics_of(gradients: Sequence[Gradient]) -> Statistics:
    """Returns the statistics of gradients.

    Args:
        gradients: One a variable, any float dtype. Duplicate sparse rows are summed first, and
            the rows that a sparse gradient leaves out count as zeros. An empty one is all 0.
    """
    if not gradients:
        return Statistics(*[tf.zeros([0])] * 4)
    columns = [_of_one(sum_duplicate_rows(gradient)) for gradient in gradients]
    return Statistics(*(tf.stack(column) for column in zip(*columns, strict=True)))


def _of_one(gradient: Gradient) -> tuple[tf.Tensor, ...]:
    zero = tf.constant(0.0)
    if gradient is None:
        return zero, zero, zero, zero
    values = tf.cast(tf.reshape(values_of(gradient), [-1]), tf.float32)
    stored = tf.cast(tf.size(values), tf.float32)
    size = stored
    if isinstance(gradient, tf.IndexedSlices):
        size = tf.reduce_prod(tf.cast(gradient.dense_shape, tf.float32))
    parts = [_of_block(block) for block in _blocks(values)]
    total, greatest, zeros, nonfinite = (tf.stack(part) for part in zip(*parts, strict=True))
    total, greatest = tf.reduce_sum(total), tf.reduce_max(greatest)
    return (
        tf.math.divide_no_nan(total, size),
        tf.where(tf.math.is_nan(total), total, greatest),  # a maximum may pass over a NaN
        tf.math.divide_no_nan(tf.reduce_sum(zeros) + (size - stored), size),
        tf.reduce_sum(nonfinite),
    )


def _blocks(values: tf.Tensor) -> list[tf.Tensor]:
    size = values.shape[0]
    if size is None or size <= 2 * _BLOCK:
        return [values]
    block = max(_BLOCK, -(-size // _MOST_BLOCKS))
    return [values[start : start + block] for start in range(0, size, block)]


def _of_block(block: tf.Tensor) -> tuple[tf.Tensor, ...]:
    magnitude = tf.abs(block)
    return (
        tf.reduce_sum(magnitude),
        tf.maximum(tf.reduce_max(magnitude), 0.0),  # the maximum of nothing is -inf
        _count(tf.equal(magnitude, 0.0)),
        # False for NaN and inf, so NaN > max being false does not hide it.
        _count(tf.logical_not(magnitude <= tf.float32.max)),
    )


def _count(condition: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(tf.cast(condition, tf.float32))
