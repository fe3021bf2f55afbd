"""One step in the graph: norms, clips, statistics, the decision to apply, and the row of it all.

Written so that the usual step stays cheap: a handful of scalar ops beside the clip. Norm and clip
share their pass, and the finite flag is free with it; everything rare (a scheduled sample, a norm
that overflows, a NaN) stands behind one condition.
"""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from gradgate.gradients import (
    Chain,
    Norms,
    Statistics,
    histograms_of,
    statistics_of,
    sum_duplicate_rows,
)
from gradgate.gradients.norms import (
    half_squares,
    norms_from_half_squares,
    norms_if_finite_else_scaled,
)
from gradgate.gradients.rarely import unless_rare
from gradgate.gradients.sparse import Gradient
from gradgate.telemetry.batch import HISTOGRAM_BINS, HISTOGRAM_LOWEST, HISTOGRAM_PER_DECADE
from gradgate.training.ring import Ring, Rows
from gradgate.training.settings import GuardSettings

SCALARS = ("loss", "global_norm", "clipped_norm", "clip_scale", "flags")
CLIPPED, APPLIED = 1, 2  # bits of `flags`
FIELDS = len(Statistics._fields) + HISTOGRAM_BINS  # of a sample, [v] each
NOT_SAMPLED = -1.0  # stands for every statistic of a step that was not sampled


class Meter:
    """The device-side state of a guard, and what it does with the gradients of one step.

    A row is v norms, the scalars, and unless statistics are never taken, the fields of a sample.

    Args:
        variables: Number of variables, v.
        settings: Of the guard.
        ring_steps: Steps that the device holds, at least `settings.ring_steps`.
    """

    def __init__(self, *, variables: int, settings: GuardSettings, ring_steps: int) -> None:
        self._policy, self._every = settings.on_nonfinite, settings.statistics_every
        self._clip = Chain(clips=settings.clip)
        self._statistics = variables * FIELDS if self._every else 0
        self._ring = Ring(width=variables + len(SCALARS) + self._statistics, capacity=ring_steps)
        self._stopped = tf.Variable(False, trainable=False)  # noqa: FBT003 - a tensor's value

    @property
    def capacity(self) -> int:
        """Steps that the device holds."""
        return self._ring.capacity

    def measure(
        self, gradients: Sequence[Gradient], loss: tf.Tensor | None
    ) -> tuple[list[Gradient], tf.Tensor]:
        """Measures, clips and writes down one step.

        Args:
            gradients: Aggregated, one for each of the v variables, None where there is none.
            loss: Float32 []; None when it is not known.

        Returns:
            The clipped gradients, and bool [], whether the step is to be applied.
        """
        step = self._ring.step()
        summed = [sum_duplicate_rows(gradient) for gradient in gradients]
        norms, statistics = self._look(summed, loss, step)
        clipped, report = self._clip(gradients, norms)
        is_applied, is_over = self._decide(norms.overall, loss)
        if self._policy == "record":
            flags = tf.where(report.is_clipped, float(APPLIED | CLIPPED), float(APPLIED))
        else:
            flags = tf.where(report.is_clipped, float(CLIPPED), 0.0)
            flags += tf.where(is_applied, float(APPLIED), 0.0)
        shown_loss = tf.constant(np.nan, tf.float32) if loss is None else loss
        scalars = [shown_loss, norms.overall, report.norm_after, report.scale, flags]
        row = tf.concat([norms.each, tf.stack(scalars), *statistics], axis=0)
        self._ring.put(row, step, unless=is_over)
        return clipped, is_applied

    def _look(
        self, gradients: Sequence[Gradient], loss: tf.Tensor | None, step: tf.Tensor
    ) -> tuple[Norms, list[tf.Tensor]]:
        """Returns the norms, and the statistics, float32 [FIELDS v], if they are ever taken."""
        halves = half_squares(gradients)
        total = tf.reduce_sum(halves)
        is_usual = tf.math.is_finite(total if loss is None else total + loss)
        if self._every:
            is_usual &= tf.not_equal(step % self._every, 0)

        def usual(halves: tf.Tensor, total: tf.Tensor, *_: Gradient) -> tuple[tf.Tensor, ...]:
            not_sampled = [tf.fill([self._statistics], NOT_SAMPLED)] if self._every else []
            return *norms_from_half_squares(halves, total), *not_sampled

        def rare(halves: tf.Tensor, total: tf.Tensor, *left: Gradient) -> tuple[tf.Tensor, ...]:
            # The same norms as on a usual step when they can be had: sampling changes no result.
            norms = norms_if_finite_else_scaled(halves, total, left)
            return *norms, *([_sample(left)] if self._every else [])

        each, overall, *statistics = unless_rare(is_usual, usual, rare, (halves, total, *gradients))
        return Norms(each, overall), statistics

    def _decide(
        self, global_norm: tf.Tensor, loss: tf.Tensor | None
    ) -> tuple[tf.Tensor, tf.Tensor | None]:
        """Returns whether to apply the step, and with `stop`, whether the training is over."""
        if self._policy == "record":
            return tf.constant(True), None  # noqa: FBT003 - a tensor's value
        is_finite = tf.math.is_finite(global_norm)
        if loss is not None:
            is_finite &= tf.math.is_finite(loss)
        if self._policy == "skip":
            return is_finite, None
        is_over = self._stopped.read_value()
        self._stopped.assign(is_over | ~is_finite, read_value=False)
        return is_finite & ~is_over, is_over

    def is_stopped(self) -> bool:
        """Says whether a step ended the training, on the host."""
        return self._policy == "stop" and bool(self._stopped.numpy())

    def read(self) -> Rows:
        """Returns the rows that were not returned before, on the host."""
        return self._ring.read()


def _sample(gradients: Sequence[Gradient]) -> tf.Tensor:
    """Returns the full statistics of one step, float32 [FIELDS v], field by field."""
    histograms = histograms_of(
        gradients,
        lowest=HISTOGRAM_LOWEST,
        per_decade=HISTOGRAM_PER_DECADE,
        bins=HISTOGRAM_BINS,
    )
    by_bin = tf.reshape(tf.transpose(histograms), [-1])
    return tf.concat([*statistics_of(gradients), by_bin], axis=0)
