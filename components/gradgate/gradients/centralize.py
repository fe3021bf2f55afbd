"""Gradient centralisation: the weights of one output unit move by amounts whose mean is 0.

Formula: g_i <- g_i - mean(g_i) for each unit i. Source: Yong, Huang, Hua and Zhang (2020), Gradient
Centralization: A New Optimization Technique for Deep Neural Networks,
https://arxiv.org/abs/2004.01461, equation 1.
"""

import dataclasses
from typing import ClassVar

import tensorflow as tf

from gradgate.gradients.norms import Norms, global_norm, norms_of
from gradgate.gradients.report import (
    NO_CONTEXT,
    Clip,
    ClipReport,
    Context,
    Gradients,
    Weight,
    weights_of,
)
from gradgate.gradients.scaling import ratio, untouched
from gradgate.gradients.sparse import Gradient


@dataclasses.dataclass(frozen=True, kw_only=True)
class Centralize(Clip):
    """Subtracts from each unit of a kernel the mean of its gradient.

    A unit is all that feeds one output: `Weight.unit_axes`, else all axes but the last. Biases and
    other vectors, embeddings and sparse gradients stay as they are; so does a unit of one weight,
    which would never learn again, and one whose mean is not finite.

    Cost: one read and write of the kernels, and one read for the norms after.
    """

    is_normaliser: ClassVar[bool] = True
    needs_weights: ClassVar[bool] = True  # to know embeddings and units by

    def __call__(
        self, gradients: Gradients, norms: Norms | None = None, context: Context = NO_CONTEXT
    ) -> tuple[list[Gradient], ClipReport]:
        """Returns the centralised gradients and what was done to them, see `report.Clip`.

        Raises:
            ValueError: If the context holds no weights.
        """
        weights = weights_of(self, gradients, context)
        norms = norms_of(gradients) if norms is None else norms
        result, changed = list(gradients), [False] * len(gradients)
        touched: list[Gradient] = [None] * len(gradients)
        for i, (gradient, weight) in enumerate(zip(gradients, weights, strict=True)):
            if axes := _axes(gradient, weight):
                touched[i], changed[i] = _centralized(gradient, axes)
                result[i] = touched[i]
        if all(gradient is None for gradient in touched):
            return result, untouched(norms)
        is_changed = tf.reduce_any(changed)
        # Only what may have changed is measured again.
        each_after = tf.where(changed, norms_of(touched).each, norms.each)
        norm_after = tf.where(is_changed, global_norm(each_after), norms.overall)
        return result, ClipReport(
            norm_before=norms.overall,
            norm_after=norm_after,
            scale=ratio(norm_after, norms.overall, is_changed),
            is_clipped=is_changed,
            each_after=each_after,
        )


def _axes(gradient: Gradient, weight: Weight) -> tuple[int, ...]:
    """Returns the axes to take the mean over; none where the gradient is to stay as it is."""
    if gradient is None or isinstance(gradient, tf.IndexedSlices) or weight.is_embedding:
        return ()
    shape = gradient.shape
    if len(shape) < 2 or shape.num_elements() == 0:
        return ()
    axes = tuple(range(len(shape) - 1)) if weight.unit_axes is None else weight.unit_axes
    return axes if any(shape[axis] != 1 for axis in axes) else ()


def _centralized(gradient: tf.Tensor, axes: tuple[int, ...]) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the gradient less its mean over some axes, and whether that changed anything."""
    is_half = gradient.dtype.size < tf.float32.size
    values = tf.cast(gradient, tf.float32) if is_half else gradient
    mean = tf.reduce_mean(values, axes, keepdims=True)
    mean = tf.where(tf.math.is_finite(mean), mean, tf.zeros([], mean.dtype))
    return tf.cast(values - mean, gradient.dtype), tf.reduce_any(tf.not_equal(mean, 0))
