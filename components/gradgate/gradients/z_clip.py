"""ZClip: a global norm that is an outlier among the last ones is brought back to them.

Source: Kumar, Owen, Chowdhury and Guera (2025), ZClip: Adaptive Spike Mitigation for LLM
Pre-Training, https://arxiv.org/abs/2504.02507, and its reference implementation,
https://github.com/bluorion-com/ZClip, whose defaults these are.

Formula, with the mean m and the standard deviation s of the norms: z = (G - m) / (s + 1e-6), and
where z is above the threshold t, the limit is m + t * s / (z / t): the further out, the tighter.
"""

import dataclasses
from typing import Any

import numpy as np
import tensorflow as tf

from gradgate.gradients.checks import check_between, check_limit, check_whole
from gradgate.gradients.norms import Norms, norms_of
from gradgate.gradients.report import NO_CONTEXT, Clip, ClipReport, Context, Gradients, state_of
from gradgate.gradients.scaling import limited_together
from gradgate.gradients.sparse import Gradient

_EPSILON = 1e-6  # of the reference implementation


@dataclasses.dataclass(frozen=True, kw_only=True)
class ZClip(Clip):
    """Scales all gradients down together when their global norm is an outlier, or above a limit.

    Mean and variance are those of the first `warmup` norms, then moving averages of the norms as
    the z-score leaves them (the absolute limit is not in them). During the warm-up only the
    absolute limit holds. A norm that is not finite never enters, and such a step is left as it
    came; in the reference implementation one NaN turns the clip off for good.

    When all norms of the warm-up are equal, the variance is 0 and stays so until a lower one
    comes: any greater one is brought down to the mean.

    Remembers: float64 [2], mean and variance (float32 would overflow at the square of 1e20);
    int64 [], finite norms seen.

    Cost: that of clipping by global norm, and some twenty operations on single numbers.

    Attributes:
        z_threshold: Standard deviations above the mean from which a norm is an outlier.
        decay: Of the moving averages, for each step; above 0 and below 1.
        warmup: Finite norms, at least 2, that the first mean and variance are taken from.
        max_norm: Largest global norm let through in any case; None for no such limit.
    """

    z_threshold: float = 2.5
    decay: float = 0.97
    warmup: int = 25
    max_norm: float | None = 1.0

    def __post_init__(self) -> None:
        check_limit("ZClip", "z_threshold", self.z_threshold)
        check_between("ZClip", "decay", self.decay, low=0, high=1)
        check_whole("ZClip", "warmup", self.warmup, least=2, most=1_000_000)
        if self.max_norm is not None:
            remedy = "For no absolute limit, give None."
            check_limit("ZClip", "max_norm", self.max_norm, remedy=remedy)

    def initial_state(self, variables: int) -> tuple[np.ndarray[Any, Any], ...]:
        """Returns mean and variance 0, float64 [2], and 0, int64 []."""
        return np.zeros([2], np.float64), np.zeros([], np.int64)

    def __call__(
        self, gradients: Gradients, norms: Norms | None = None, context: Context = NO_CONTEXT
    ) -> tuple[list[Gradient], ClipReport]:
        """Returns the clipped gradients and what was done to them, see `report.Clip`."""
        norms = norms_of(gradients) if norms is None else norms
        moments, count = state_of(self, gradients, context)
        mean, variance = tf.unstack(moments)
        norm = tf.cast(norms.overall, tf.float64)
        usual = tf.where(count < self.warmup, norm, self._usual(norm, mean, variance))
        limit = tf.where(usual < norm, usual, np.inf)
        if self.max_norm is not None:
            limit = tf.minimum(limit, self.max_norm)
        is_finite = tf.math.is_finite(norm)
        moments = tf.where(is_finite, self._updated(usual, mean, variance, count), moments)
        state = moments, count + tf.cast(is_finite, tf.int64)
        return limited_together(gradients, norms, tf.cast(limit, tf.float32), state)

    def _usual(self, norm: tf.Tensor, mean: tf.Tensor, variance: tf.Tensor) -> tf.Tensor:
        """Returns the norm as the z-score leaves it."""
        deviation = tf.sqrt(variance)
        z = (norm - mean) / (deviation + _EPSILON)
        return tf.where(z > self.z_threshold, mean + self.z_threshold**2 * deviation / z, norm)

    def _updated(
        self, norm: tf.Tensor, mean: tf.Tensor, variance: tf.Tensor, count: tf.Tensor
    ) -> tf.Tensor:
        """Returns mean and variance with one more norm."""
        # 1 / n gives the plain mean of n norms; then the step is that of a moving average.
        seen = tf.cast(count, tf.float64)
        is_warming = count < self.warmup
        step = tf.where(is_warming, 1.0 / (seen + 1.0), 1.0 - self.decay)
        new_mean = mean + step * (norm - mean)
        # Welford's for the plain variance; the moving one is about the new mean, as in the source.
        other = tf.where(is_warming, mean, new_mean)
        new_variance = variance + step * ((norm - other) * (norm - new_mean) - variance)
        return tf.stack([new_mean, new_variance])
