"""Sums the duplicate rows of a sparse gradient, so that its norm is the norm it stands for.

A row that was looked up twice in a batch stands twice in an `IndexedSlices`. The gradient of that
row is the sum, so `[3, 4]` twice has norm 10, and not the 7.07 of `tf.linalg.global_norm`.
"""

import tensorflow as tf

Gradient = tf.Tensor | tf.IndexedSlices | None
"""What a tape gives for one variable; None when the loss does not depend on it."""


def sum_duplicate_rows(gradient: Gradient) -> Gradient:
    """Returns the gradient with every row at most once; dense and None come back as they are.

    Args:
        gradient: Any float dtype.

    Returns:
        For an `IndexedSlices`, one with unique indices and the same `dense_shape` and dtype.
    """
    if not isinstance(gradient, tf.IndexedSlices):
        return gradient
    rows, position = tf.unique(gradient.indices)
    values = tf.math.unsorted_segment_sum(gradient.values, position, tf.size(rows))
    return tf.IndexedSlices(values, rows, gradient.dense_shape)


def values_of(gradient: tf.Tensor | tf.IndexedSlices) -> tf.Tensor:
    """Returns the numbers that are stored: all of a dense gradient, the rows of a sparse one."""
    return gradient.values if isinstance(gradient, tf.IndexedSlices) else gradient


def with_values(
    gradient: tf.Tensor | tf.IndexedSlices, values: tf.Tensor
) -> tf.Tensor | tf.IndexedSlices:
    """Returns a gradient of the same kind, for the same rows, with other numbers."""
    if isinstance(gradient, tf.IndexedSlices):
        return tf.IndexedSlices(values, gradient.indices, gradient.dense_shape)
    return values
