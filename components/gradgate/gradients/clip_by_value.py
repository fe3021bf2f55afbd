"""Clipping each entry, as Keras's `clipvalue`: changes the direction, and bounds every entry.

Formula: g <- min(max(g, -c), c) elementwise.
"""

import dataclasses

import tensorflow as tf

from gradgate.gradients.checks import check_limit
from gradgate.gradients.norms import Norms, norms_of
from gradgate.gradients.report import NO_CONTEXT, Clip, ClipReport, Context, Gradients
from gradgate.gradients.scaling import ratio
from gradgate.gradients.sparse import Gradient, sum_duplicate_rows, values_of, with_values


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClipByValue(Clip):
    """Limits each entry of each gradient to [-max_abs, max_abs].

    A NaN stays NaN; an infinity becomes the limit, as in Keras, and is still seen in the norm
    before. Duplicate rows of a sparse gradient are summed first: the limit holds for the sum.

    Cost: one read and write, and one read for the norms after.

    Attributes:
        max_abs: Largest magnitude let through, per entry. Finite and above 0; rounded to the
            dtype of each gradient.

    Example:
        >>> clip = ClipByValue(max_abs=1.0)
        >>> (g,), report = clip([tf.constant([3.0, -0.5])])
        >>> print(g.numpy(), report.is_clipped.numpy())
        [ 1.  -0.5] True
    """

    max_abs: float

    def __post_init__(self) -> None:
        check_limit("ClipByValue", "max_abs", self.max_abs)

    def __call__(
        self, gradients: Gradients, norms: Norms | None = None, context: Context = NO_CONTEXT
    ) -> tuple[list[Gradient], ClipReport]:
        """Returns the clipped gradients and what was done to them, see `report.Clip`."""
        gradients = [sum_duplicate_rows(gradient) for gradient in gradients]
        norm = (norms_of(gradients) if norms is None else norms).overall
        clipped = [self._clip_one(gradient) for gradient in gradients]
        after = norms_of(clipped)
        is_clipped = tf.reduce_any(
            [self._exceeds(gradient) for gradient in gradients if gradient is not None] or [False]
        )
        return clipped, ClipReport(
            norm_before=norm,
            norm_after=after.overall,
            scale=ratio(after.overall, norm, is_clipped),
            is_clipped=is_clipped,
            each_after=after.each,
        )

    def _clip_one(self, gradient: Gradient) -> Gradient:
        if gradient is None:
            return None
        values = values_of(gradient)
        limit = tf.cast(self.max_abs, values.dtype)
        return with_values(gradient, tf.clip_by_value(values, -limit, limit))

    def _exceeds(self, gradient: tf.Tensor | tf.IndexedSlices) -> tf.Tensor:
        values = values_of(gradient)
        return tf.reduce_any(tf.abs(values) > tf.cast(self.max_abs, values.dtype))
