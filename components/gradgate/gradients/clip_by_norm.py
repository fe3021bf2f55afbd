"""Clipping each variable by its own norm, as Keras's `clipnorm`: layers change relative to another.

Formula: g_v <- g_v * c / max(||g_v||, c) for each variable v.
"""

import dataclasses

import tensorflow as tf

from gradgate.gradients.checks import check_limit
from gradgate.gradients.norms import Norms, norms_of
from gradgate.gradients.report import NO_CONTEXT, Clip, ClipReport, Context, Gradients
from gradgate.gradients.scaling import scaled_each
from gradgate.gradients.sparse import Gradient


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClipByNorm(Clip):
    """Scales each gradient whose own norm is above `max_norm` down to it.

    A gradient whose norm is not finite stays as it came, and the others are clipped as usual.

    Cost: one read for the norms, one read and write for the scales.

    Attributes:
        max_norm: Largest L2 norm let through, per variable. Finite and above 0.

    Example:
        >>> clip = ClipByNorm(max_norm=1.0)
        >>> (a, b), report = clip([tf.constant([3.0, 4.0]), tf.constant([0.5])])
        >>> print(a.numpy(), b.numpy())
        [0.6 0.8] [0.5]
    """

    max_norm: float

    def __post_init__(self) -> None:
        check_limit("ClipByNorm", "max_norm", self.max_norm)

    def __call__(
        self, gradients: Gradients, norms: Norms | None = None, context: Context = NO_CONTEXT
    ) -> tuple[list[Gradient], ClipReport]:
        """Returns the clipped gradients and what was done to them, see `report.Clip`."""
        norms = norms_of(gradients) if norms is None else norms
        is_above = norms.each > self.max_norm  # NaN is not above anything
        scales = tf.where(is_above, self.max_norm / norms.each, 1.0)
        return scaled_each(gradients, norms, scales, tf.reduce_any(is_above))
