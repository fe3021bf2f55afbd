"""Multiplies gradients, all alike or each by its own number, and says what that left.

What most clips have in common; each of them is left with its limit.
"""

import math

import tensorflow as tf

from gradgate.gradients.norms import Norms, global_norm
from gradgate.gradients.report import ClipReport, Gradients
from gradgate.gradients.sparse import Gradient, values_of, with_values

State = tuple[tf.Tensor, ...]


def limited_together(
    gradients: Gradients, norms: Norms, limit: float | tf.Tensor, state: State = ()
) -> tuple[list[Gradient], ClipReport]:
    """Scales all gradients alike when their global norm is finite and above a limit.

    Args:
        gradients: One a variable.
        norms: Of these gradients.
        limit: Above 0; infinite or NaN limits nothing.
        state: For the report.
    """
    is_above = norms.overall > limit  # NaN is not above anything
    scale = tf.where(is_above, limit / norms.overall, 1.0)
    return scaled_together(gradients, norms, scale, is_above, state)


def scaled_together(
    gradients: Gradients,
    norms: Norms,
    scale: tf.Tensor,
    is_changed: tf.Tensor,
    state: State = (),
) -> tuple[list[Gradient], ClipReport]:
    """Returns all gradients times a float32 scalar, and the report."""
    return [scaled(gradient, scale) for gradient in gradients], ClipReport(
        norm_before=norms.overall,
        norm_after=norms.overall * scale,
        scale=scale,
        is_clipped=is_changed,
        each_after=norms.each * scale,
        state=state,
    )


def scaled_each(
    gradients: Gradients,
    norms: Norms,
    scales: tf.Tensor,
    is_changed: tf.Tensor,
    state: State = (),
) -> tuple[list[Gradient], ClipReport]:
    """Returns each gradient times its own of the float32 [v] scales, and the report."""
    result = [
        scaled(gradient, scale)
        for gradient, scale in zip(gradients, tf.unstack(scales, len(gradients)), strict=True)
    ]
    each_after = norms.each * scales
    norm_after = global_norm(each_after)
    return result, ClipReport(
        norm_before=norms.overall,
        norm_after=norm_after,
        scale=ratio(norm_after, norms.overall, is_changed),
        is_clipped=is_changed,
        each_after=each_after,
        state=state,
    )


def untouched(norms: Norms) -> ClipReport:
    """Returns the report of a transform that had nothing to do with any of the gradients."""
    return ClipReport(
        norm_before=norms.overall,
        norm_after=norms.overall,
        scale=tf.constant(1.0),
        is_clipped=tf.constant(False),  # noqa: FBT003 - a tensor, not a flag
        each_after=norms.each,
    )


def scaled(gradient: Gradient, scale: tf.Tensor) -> Gradient:
    """Returns the gradient times a float32 scalar, or what broadcasts to its stored values.

    Halves are multiplied in float32: bfloat16 keeps 3 digits of a scale, float16 4.
    """
    if gradient is None:
        return None
    values = values_of(gradient)
    if values.dtype.size < tf.float32.size:
        product = tf.cast(tf.cast(values, tf.float32) * scale, values.dtype)
    else:
        product = values * tf.cast(scale, values.dtype)
    return with_values(gradient, product)


def ratio(norm_after: tf.Tensor, norm_before: tf.Tensor, is_changed: tf.Tensor) -> tf.Tensor:
    """Returns `ClipReport.scale` of a transform that treats gradients differently."""
    measured = tf.where(tf.math.is_finite(norm_before), norm_after / norm_before, math.nan)
    return tf.where(is_changed, measured, 1.0)
