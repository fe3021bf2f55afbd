"""How the magnitudes of each gradient are spread: counts in logarithmic bins.

Bins are the same for every gradient and every step, so counts add up over steps and replicas.

Counting costs some 50 norms (measured: 71 ms against 1.3 ms for 4 million entries on one core), so
it is for a sample of the steps, and of a large gradient for a sample of its entries: what is rare
in it is told exactly by the greatest entry and by the number of those that are not finite.
"""

from collections.abc import Sequence

import tensorflow as tf

from gradgate.gradients.sparse import Gradient, sum_duplicate_rows, values_of

_LOG_OF_10 = 2.302585092994046
_MOST_ENTRIES = 1 << 18  # of one dense gradient


def histograms_of(
    gradients: Sequence[Gradient], *, lowest: int, per_decade: int, bins: int
) -> tf.Tensor:
    """Returns the entries of each gradient by magnitude, float32 [v, bins].

    Bin i counts entries from 10^(lowest + i / per_decade) up to the lower edge of bin i + 1. The
    first bin counts all smaller ones too, zeros among them, the last all larger ones; NaN and
    infinite entries are in none. Whole numbers, exact below 2^24.

    Of a dense gradient with more than 2^18 entries every k-th is looked at, at equal distances,
    and counts for k.

    Args:
        gradients: One a variable, any float dtype. Duplicate sparse rows are summed first, and
            the rows that a sparse gradient leaves out count as zeros. None is all 0.
        lowest: Log10 of the lower edge of bin 0.
        per_decade: Bins for each power of 10.
        bins: Number of bins.
    """
    if not gradients:
        return tf.zeros([0, bins])
    rows = [_of_one(gradient, lowest, per_decade, bins) for gradient in gradients]
    return tf.stack(rows)


def _of_one(gradient: Gradient, lowest: int, per_decade: int, bins: int) -> tf.Tensor:
    gradient = sum_duplicate_rows(gradient)
    if gradient is None:
        return tf.zeros([bins])
    values = tf.reshape(values_of(gradient), [-1])
    stride = max(1, -(-(values.shape[0] or 0) // _MOST_ENTRIES))
    if stride > 1:
        values = values[::stride]
    values = tf.cast(values, tf.float32)
    magnitude = tf.abs(values)
    is_finite = magnitude <= tf.float32.max  # false for NaN too
    floored = tf.maximum(tf.where(is_finite, magnitude, 1.0), 10.0**lowest)
    exponent = tf.math.log(floored) / _LOG_OF_10
    position = tf.cast(tf.floor((exponent - lowest) * per_decade), tf.int32)
    position = tf.where(is_finite, tf.clip_by_value(position, 0, bins - 1), bins)
    each = tf.fill(tf.shape(magnitude), float(stride))
    counts = tf.math.unsorted_segment_sum(each, position, bins + 1)[:bins]
    if isinstance(gradient, tf.IndexedSlices):
        size = tf.reduce_prod(tf.cast(gradient.dense_shape, tf.float32))
        left_out = size - tf.cast(tf.size(values), tf.float32)
        counts += left_out * tf.one_hot(0, bins)
    return counts
