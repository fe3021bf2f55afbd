"""AdaGC: each gradient may be little larger than it was on average, whatever the others are.

Source: Wang et al. (2025), AdaGC: Improving Training Stability for Large Language Model
Pretraining, https://arxiv.org/abs/2502.11034, algorithm 1, whose defaults these are.

Formula, for each variable: g <- g * min(1, r * a / ||g||), then a <- d * a + (1 - d) * ||g||, with
the clipped g. During the warm-up all are clipped by global norm, and a is the least norm so far.
"""

import dataclasses
import math
from typing import Any

import numpy as np
import tensorflow as tf

from gradgate.gradients.checks import check_between, check_limit, check_whole
from gradgate.gradients.norms import Norms, norms_of
from gradgate.gradients.report import NO_CONTEXT, Clip, ClipReport, Context, Gradients, state_of
from gradgate.gradients.scaling import scaled_each
from gradgate.gradients.sparse import Gradient


@dataclasses.dataclass(frozen=True, kw_only=True)
class AdaGC(Clip):
    """Scales each gradient that is above `ratio` times its usual norm down to that.

    One variable that explodes is held back alone; a global clip would take the others along.

    A gradient that is zero or not finite leaves its average as it is. (In the paper a single zero
    during the warm-up makes the limit 0, and the variable never learns again.) Until a variable
    has had a gradient it has no limit. A step whose global norm is not finite is no part of the
    warm-up.

    Remembers: float32 [v], the usual norm of each variable, infinite while unknown; int64 [],
    steps seen.

    Cost: that of clipping by norm, and some ten operations on v numbers.

    Attributes:
        ratio: Largest norm let through, as a multiple of the usual one; at least 1.
        decay: Of the moving average, for each step; above 0 and below 1.
        warmup: Steps at the start that are clipped by global norm.
        max_norm: Largest global norm let through during the warm-up.
    """

    ratio: float = 1.05
    decay: float = 0.98
    warmup: int = 100
    max_norm: float = 1.0

    def __post_init__(self) -> None:
        remedy = "The paper's is 1.05."
        check_limit("AdaGC", "ratio", self.ratio, remedy=remedy)
        if self.ratio < 1:
            raise ValueError(
                f"AdaGC: ratio must be at least 1, got {self.ratio!r}: below, each step would lower"
                f" the limit of the next. {remedy}"
            )
        check_between("AdaGC", "decay", self.decay, low=0, high=1)
        check_whole("AdaGC", "warmup", self.warmup, least=1, most=1_000_000)
        check_limit("AdaGC", "max_norm", self.max_norm)

    def initial_state(self, variables: int) -> tuple[np.ndarray[Any, Any], ...]:
        """Returns infinities, float32 [v], and 0, int64 []."""
        return np.full([variables], math.inf, np.float32), np.zeros([], np.int64)

    def __call__(
        self, gradients: Gradients, norms: Norms | None = None, context: Context = NO_CONTEXT
    ) -> tuple[list[Gradient], ClipReport]:
        """Returns the clipped gradients and what was done to them, see `report.Clip`."""
        each, norm = norms = norms_of(gradients) if norms is None else norms
        usual, count = state_of(self, gradients, context)
        is_warming = count < self.warmup
        together = tf.where(norm > self.max_norm, self.max_norm / norm, 1.0)
        limits = self.ratio * usual
        alone = tf.where(each > limits, limits / each, 1.0)  # NaN is not above anything
        scales = tf.where(is_warming, together, alone)
        is_counted = tf.math.is_finite(norm) | ~is_warming
        state = (
            self._updated(usual, each * scales, is_warming, is_counted),
            count + tf.cast(is_counted, tf.int64),
        )
        return scaled_each(gradients, norms, scales, tf.reduce_any(scales < 1), state)

    def _updated(
        self, usual: tf.Tensor, norms: tf.Tensor, is_warming: tf.Tensor, is_counted: tf.Tensor
    ) -> tf.Tensor:
        """Returns the usual norm of each variable after one more step."""
        averaged = self.decay * usual + (1 - self.decay) * norms
        is_first = is_warming | tf.math.is_inf(usual)
        updated = tf.where(is_first, tf.minimum(usual, norms), averaged)
        is_known = is_counted & tf.math.is_finite(norms) & (norms > 0)
        return tf.where(is_known, updated, usual)
