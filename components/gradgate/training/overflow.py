"""Tells a loss scale that was too great, which is no fault, from a step that has one.

The loss is not scaled yet when it is noted, so one that is not finite is a fault. So is a gradient
that is not finite under a scale of 1 or less, which makes nothing greater.

So is a NaN, without an infinity anywhere, beside a finite gradient of the same layer. What
overflows is the gradient of a layer's output, and that spoils all of its variables; but a NaN in
its input, which a fused ReLU may hide from the loss, leaves its bias alone. A NaN says nothing by
itself: in float16, an LSTM that overflows has no infinity left.
"""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from gradgate.gradients import norms_of
from gradgate.gradients.sparse import Gradient, values_of, with_values


def is_fault(
    is_bad: tf.Tensor,
    *,
    has_infinity: tf.Tensor,
    layers: Sequence[int | None],
    scale: tf.Tensor,
    loss: tf.Tensor | None,
) -> tf.Tensor:
    """Returns bool [], whether gradients that are not finite are so without their scale.

    Args:
        is_bad: Bool [v], which gradients are not finite.
        has_infinity: Bool [], whether any entry is infinite.
        layers: The number of each variable's layer; None for one without a gradient.
        scale: Of the loss, float32 [].
        loss: Not scaled, float32 []; None when it is not known.
    """
    fault = (scale <= 1.0) | ~has_infinity & _is_layer_divided(is_bad, layers)
    return fault if loss is None else fault | ~tf.math.is_finite(loss)


def _is_layer_divided(is_bad: tf.Tensor, layers: Sequence[int | None]) -> tf.Tensor:
    """Returns bool [], whether some layer has finite gradients and others."""
    known = [i for i, layer in enumerate(layers) if layer is not None]
    segments = [layer for layer in layers if layer is not None]
    bad = tf.cast(tf.gather(is_bad, known), tf.int32)
    wrong = tf.math.unsorted_segment_sum(bad, segments, max(segments) + 1)
    right = tf.math.unsorted_segment_sum(1 - bad, segments, max(segments) + 1)
    return tf.reduce_any((wrong > 0) & (right > 0))


def are_bad(gradients: Sequence[Gradient]) -> tf.Tensor:
    """Returns bool [v], which gradients are not finite."""
    return ~tf.math.is_finite(norms_of(gradients).each)


def any_infinite(gradients: Sequence[Gradient]) -> tf.Tensor:
    """Returns bool [], whether any entry is infinite."""
    return tf.reduce_any(
        [tf.reduce_any(tf.math.is_inf(values_of(g))) for g in gradients if g is not None]
    )


def marked(gradient: Gradient, is_bad: tf.Tensor) -> Gradient:
    """Returns a gradient of NaN where `is_bad`, bool [], is true."""
    if gradient is None:
        return None
    values = values_of(gradient)
    nan = tf.cast(np.nan, values.dtype)
    return with_values(gradient, tf.where(is_bad, nan, values))


def unscaled(gradient: Gradient, scale: tf.Tensor) -> Gradient:
    """Returns a gradient of the scaled loss as one of the loss itself."""
    if gradient is None:
        return None
    values = values_of(gradient)
    return with_values(gradient, values / tf.cast(scale, values.dtype))
