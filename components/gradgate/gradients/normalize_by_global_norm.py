"""Normalising by the global norm: every step has length 1, and only its direction counts.

Formula: g <- g / G. Source: Hazan, Levy and Shalev-Shwartz (2015), Beyond Convexity: Stochastic
Quasi-Convex Optimization, https://arxiv.org/abs/1507.02030, algorithm 1.
"""

import dataclasses
from typing import ClassVar

import tensorflow as tf

from gradgate.gradients.norms import Norms, norms_of
from gradgate.gradients.report import NO_CONTEXT, Clip, ClipReport, Context, Gradients
from gradgate.gradients.scaling import scaled_together
from gradgate.gradients.sparse import Gradient


@dataclasses.dataclass(frozen=True, kw_only=True)
class NormalizeByGlobalNorm(Clip):
    """Scales all gradients alike, up or down, to a global norm of 1.

    All zeros stay zeros; a norm that is not finite leaves the gradients as they came. How large a
    gradient was is lost to the optimizer, and kept in the norm before.

    Cost: one read for the norms, one read and write for the scale.
    """

    is_normaliser: ClassVar[bool] = True

    def __call__(
        self, gradients: Gradients, norms: Norms | None = None, context: Context = NO_CONTEXT
    ) -> tuple[list[Gradient], ClipReport]:
        """Returns the normalised gradients and what was done to them, see `report.Clip`."""
        norms = norms_of(gradients) if norms is None else norms
        norm = norms.overall
        scale = tf.where(tf.math.is_finite(norm) & (norm > 0), 1.0 / norm, 1.0)
        return scaled_together(gradients, norms, scale, tf.not_equal(scale, 1.0))
