"""AutoClip: the limit is a percentile of the global norms that this training has seen.

Source: Seetharaman, Wichern, Pardo and Le Roux (2020), AutoClip: Adaptive Gradient Clipping for
Source Separation Networks, https://arxiv.org/abs/2007.14469, algorithm 1.
"""

import dataclasses
from typing import Any

import numpy as np
import tensorflow as tf

from gradgate.gradients.checks import check_between, check_whole
from gradgate.gradients.norms import Norms, norms_of
from gradgate.gradients.report import NO_CONTEXT, Clip, ClipReport, Context, Gradients, state_of
from gradgate.gradients.scaling import limited_together
from gradgate.gradients.sparse import Gradient


@dataclasses.dataclass(frozen=True, kw_only=True)
class AutoClip(Clip):
    """Scales all gradients down together to a percentile of the last global norms.

    The norms are those before this clip, of the last `history` steps up to and including this
    one, interpolated between two as NumPy does. A norm that is not finite never enters, and such
    a step is left as it came.

    At the start there is little history: the first step is never clipped, the second is clipped
    to near the smaller of two norms, and so on, as in the paper. By design about
    100 - `percentile` of 100 steps are clipped, so with the paper's 10 a rule on the share of
    clipped steps must allow 0.9; from 90 on it is a guard against the rare large step.

    Remembers: float32 [history], norms in a ring; int64 [], finite norms seen.

    Cost: one read for the norms, one read and write for the scale, and a sort of `history` numbers.

    Attributes:
        percentile: Above 0 and below 100. 10 is the paper's best.
        history: Steps that are remembered. The paper remembers all; 1000 is that of the `autoclip`
            package.
    """

    percentile: float = 10.0
    history: int = 1000

    def __post_init__(self) -> None:
        check_between("AutoClip", "percentile", self.percentile, low=0, high=100)
        check_whole("AutoClip", "history", self.history, least=2, most=1_000_000)

    def initial_state(self, variables: int) -> tuple[np.ndarray[Any, Any], ...]:
        """Returns an empty ring, float32 [history], and 0, int64 []."""
        return np.zeros([self.history], np.float32), np.zeros([], np.int64)

    def __call__(
        self, gradients: Gradients, norms: Norms | None = None, context: Context = NO_CONTEXT
    ) -> tuple[list[Gradient], ClipReport]:
        """Returns the clipped gradients and what was done to them, see `report.Clip`."""
        norms = norms_of(gradients) if norms is None else norms
        ring, count = state_of(self, gradients, context)
        place = tf.range(self.history, dtype=tf.int64)
        is_finite = tf.math.is_finite(norms.overall)
        ring = tf.where(is_finite & (place == count % self.history), norms.overall, ring)
        count += tf.cast(is_finite, tf.int64)
        limit = self._percentile(tf.where(place < count, ring, np.inf), count)
        return limited_together(gradients, norms, limit, (ring, count))

    def _percentile(self, norms: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
        """Returns the percentile of the `count` least, float32 []; infinity of none."""
        last = tf.cast(tf.clip_by_value(count, 1, self.history) - 1, tf.float32)
        rank = self.percentile / 100 * last
        below = tf.floor(rank)
        two = tf.gather(tf.sort(norms), tf.cast([below, tf.minimum(below + 1, last)], tf.int32))
        between = two[0] + (two[1] - two[0]) * (rank - below)
        return tf.where(count > 0, between, np.inf)
