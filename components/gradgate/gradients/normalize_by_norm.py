"""Normalising each variable by its own norm: all move alike far, however deep they lie.

Formula: g_v <- g_v / ||g_v|| for each variable v. Source: Yu et al. (2017), Block-Normalized
Gradient Method, https://arxiv.org/abs/1707.04822, with a variable for a block.
"""

import dataclasses
from typing import ClassVar

import tensorflow as tf

from gradgate.gradients.norms import Norms, norms_of
from gradgate.gradients.report import NO_CONTEXT, Clip, ClipReport, Context, Gradients
from gradgate.gradients.scaling import scaled_each
from gradgate.gradients.sparse import Gradient


@dataclasses.dataclass(frozen=True, kw_only=True)
class NormalizeByNorm(Clip):
    """Scales each gradient, up or down, to a norm of 1.

    One that is all zeros stays so; one whose norm is not finite stays as it came. The global norm
    becomes the square root of the number of the others, so follow it with no smaller a clip.

    Cost: one read for the norms, one read and write for the scales.
    """

    is_normaliser: ClassVar[bool] = True

    def __call__(
        self, gradients: Gradients, norms: Norms | None = None, context: Context = NO_CONTEXT
    ) -> tuple[list[Gradient], ClipReport]:
        """Returns the normalised gradients and what was done to them, see `report.Clip`."""
        norms = norms_of(gradients) if norms is None else norms
        each = norms.each
        scales = tf.where(tf.math.is_finite(each) & (each > 0), 1.0 / each, 1.0)
        return scaled_each(gradients, norms, scales, tf.reduce_any(tf.not_equal(scales, 1.0)))
