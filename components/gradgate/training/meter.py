"""One step in the graph: norms, clips, statistics, the decision to apply, and the row of it all.

Written so that the usual step stays cheap: a handful of scalar ops beside the clip. Norm and clip
share their pass, and the finite flag is free with it; everything rare (a scheduled sample, a norm
that overflows, a NaN, a norm far above the usual) stands behind one condition.

Under a strategy every replica gets the same sums and comes to the same clip and decision, each with
a state of its own; only the first one of this process looks closer and writes.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from gradgate.gradients import Chain, ClipReport, Norms, norms_of, sum_duplicate_rows
from gradgate.gradients.norms import (
    half_squares,
    norms_from_half_squares,
    norms_if_finite_else_scaled,
)
from gradgate.gradients.rarely import unless_rare
from gradgate.gradients.report import Context, Stage, Weight
from gradgate.gradients.sparse import Gradient
from gradgate.training.layout import APPLIED, CLIPPED, ODD, SAMPLED, SKETCH, SKETCHED, Layout
from gradgate.training.ring import Ring, Rows, SampleRing
from gradgate.training.sample import Regularizer, sample_of, sketch_of
from gradgate.training.settings import GuardSettings

MOST_ANOMALIES = 32  # samples besides the scheduled ones, between two reads
_SPIKE = 100.0  # of half squares: a norm 10 times its running median
_MEDIAN_STEP = 1.1  # of half squares: 5 % of a norm a step
_WARMUP = 16  # steps before a median means something


class Seen(NamedTuple):
    """What is known of a step before its update; the row is written after it."""

    step: tf.Tensor  # int64 []
    row: tuple[tf.Tensor, ...]  # its parts up to the flags
    flags: tf.Tensor  # float32 []
    more: tuple[tf.Tensor, ...]  # its parts after them
    sample: tf.Tensor | None  # float32 [looked_width]
    samples_held: tf.Tensor | None  # int32 []
    is_over: tf.Tensor | None  # bool []


class Meter:
    """The device-side state of one optimizer's guard, and what it does with the gradients.

    Args:
        layout: Of what is written.
        settings: Of the guard.
        ring_steps: Steps that the device holds, at least `settings.ring_steps`.
        replicas_here: Replicas that this process runs.
        regularizers: One for each variable whose gradient is to be taken out; None for others.
    """

    def __init__(
        self,
        *,
        layout: Layout,
        settings: GuardSettings,
        ring_steps: int,
        replicas_here: int = 1,
        regularizers: Sequence[Regularizer | None] = (),
    ) -> None:
        self.layout, self._policy, self._every = layout, settings.on_nonfinite, 0
        self.clip = Chain(clips=settings.clip)
        self._regularizers = tuple(regularizers) if layout.has_data else ()
        self._ring = Ring(width=layout.row_width, capacity=ring_steps)
        self._samples: SampleRing | None = None
        if layout.is_sampled:
            self._every = settings.statistics_every
            scheduled = 2 * -(-ring_steps // self._every)  # with the step after, for the cosine
            capacity = min(scheduled, ring_steps) + MOST_ANOMALIES
            self._samples = SampleRing(width=layout.sample_width, capacity=capacity)
            self._median = tf.Variable(tf.zeros([layout.variables]), trainable=False)
        self._state = [_variables(self.clip.initial_state(layout.variables))
                       for _ in range(replicas_here)]  # fmt: skip
        self._stopped = _variables([np.bool_(False)] * replicas_here)
        self._loss_sum = tf.Variable(tf.zeros([layout.replicas]), trainable=False)
        self._skips = tf.Variable(0, dtype=tf.int32, trainable=False)

    @property
    def capacity(self) -> int:
        """Steps that the device holds."""
        return self._ring.capacity

    @property
    def device_bytes(self) -> int:
        """What the rings hold on the device."""
        samples = 0 if self._samples is None else self._samples.device_bytes
        return self._ring.device_bytes + samples

    def look(
        self,
        gradients: Sequence[Gradient],
        *,
        weights: Sequence[Weight],
        loss: tf.Tensor | None,
        losses: tf.Tensor | None = None,
        loss_scale: tf.Tensor | None = None,
        replica_here: int = 0,
    ) -> tuple[list[Gradient], tf.Tensor, Seen | None]:
        """Measures and clips the gradients of one step.

        Args:
            gradients: Aggregated, one for each of the v variables, None where there is none.
            weights: Of each variable.
            loss: Float32 []; None when it is not known.
            losses: Float32 [r], of each replica; None with one replica.
            loss_scale: Float32 []; None when the loss is not scaled.
            replica_here: Number of the replica among those of this process.

        Returns:
            The clipped gradients; bool [], whether the step is to be applied; and what `write`
            needs, for the first replica of this process.
        """
        if replica_here > 0:
            clipped, report = self._clip(gradients, None, weights, replica_here)
            is_applied, _ = self._decide(report.norm_before, loss, replica_here)
            return clipped, is_applied, None
        step = self._ring.step()
        summed = [sum_duplicate_rows(gradient) for gradient in gradients]
        norms, kind, sample = self._look(summed, weights, loss, step)
        clipped, report = self._clip(gradients, norms, weights, replica_here)
        is_applied, is_over = self._decide(norms.overall, loss, replica_here)
        flags = tf.where(report.is_clipped, float(CLIPPED), 0.0)
        if self._policy == "record":
            flags = tf.where(report.is_clipped, float(CLIPPED | APPLIED), float(APPLIED))
        else:
            flags += tf.where(is_applied, float(APPLIED), 0.0)
        held = None
        if self._samples is not None and kind is not None:
            held = self._samples.room()
            # What is odd leaves room for what is scheduled.
            limit = tf.where(kind >= float(ODD), MOST_ANOMALIES, self._samples.capacity)
            flags += tf.where(held < limit, kind, 0.0)
        row, more = self._row(norms, report, loss), self._more(report, losses, loss_scale)
        return clipped, is_applied, Seen(step, row, flags, more, sample, held, is_over)

    def write(self, seen: Seen, update_norms: tf.Tensor) -> None:
        """Writes the row of a step, and its sample if there is one.

        Args:
            update_norms: Float32 [v], of what was added to each variable.
        """
        row = tf.concat([*seen.row, seen.flags[None], *seen.more], axis=0)
        self._ring.put(row, seen.step, unless=seen.is_over)
        if self._samples is not None and seen.sample is not None:
            is_kept = seen.flags >= float(SKETCHED)
            if seen.is_over is not None:
                is_kept &= ~seen.is_over
            sample = tf.concat([seen.sample, update_norms], axis=0)
            self._samples.put(sample, seen.samples_held, is_kept=is_kept)

    def write_left_out(
        self,
        gradients: Sequence[Gradient],
        *,
        weights: Sequence[Weight],
        loss: tf.Tensor | None,
        losses: tf.Tensor | None = None,
        loss_scale: tf.Tensor | None = None,
        unless: tf.Tensor | None = None,
    ) -> None:
        """Writes the row of gradients that somebody else keeps from being applied.

        Args:
            gradients: One for each variable.
            weights: Of each variable.
            loss: See `look`, as for the next two.
            losses: Float32 [r].
            loss_scale: Float32 [].
            unless: Bool []; where it is true nothing is written.
        """
        gradients = [sum_duplicate_rows(gradient) for gradient in gradients]
        norms, is_clipped = norms_of(gradients), tf.constant(value=False)
        untouched = ClipReport(
            norm_before=norms.overall,
            norm_after=norms.overall,
            scale=tf.constant(1.0),
            is_clipped=is_clipped,
            each_after=norms.each,
            stages=(Stage(norms.overall, is_clipped),) * self.layout.stages,
        )
        is_over = tf.constant(value=False) if unless is None else unless
        if self._policy == "stop":
            was_over = self._stopped[0].read_value()
            for stopped in self._stopped:
                stopped.assign(was_over | ~is_over, read_value=False)
            is_over |= was_over
        seen = Seen(
            step=self._ring.step(),
            row=self._row(norms, untouched, loss),
            flags=tf.constant(0.0),
            more=self._more(untouched, losses, loss_scale),
            sample=None,
            samples_held=None,
            is_over=is_over,
        )
        if self._samples is not None:
            held = self._samples.room()
            values = [tf.convert_to_tensor(weight.value) for weight in weights]
            sample = [sample_of(gradients, values, self._regularizers), sketch_of(gradients)]
            seen = seen._replace(
                flags=tf.where(held < MOST_ANOMALIES, float(SAMPLED | SKETCHED | ODD), 0.0),
                sample=tf.concat(sample, axis=0),
                samples_held=held,
            )
        self.write(seen, tf.zeros([self.layout.variables]))

    def is_over(self) -> tf.Tensor:
        """Returns bool [], whether an earlier step ended the training."""
        return self._stopped[0].read_value()

    def is_sampled(self, seen: Seen | None) -> tf.Tensor | None:
        """Returns bool [], whether the step gets a full sample; None when none ever does."""
        if seen is None or self._samples is None:
            return None
        return seen.flags >= float(SAMPLED)

    def add_loss(self, losses: tf.Tensor) -> None:
        """Adds the losses of one of several batches that make a step, float32 [r]."""
        self._loss_sum.assign_add(losses, read_value=False)

    def take_losses(self) -> tf.Tensor:
        """Returns the sum of the losses of this step's batches, float32 [r]."""
        total = self._loss_sum.read_value()
        self._loss_sum.assign(tf.zeros_like(total), read_value=False)
        return total

    def skips(self, is_skipped: tf.Tensor) -> None:
        """Counts a step that a loss-scale optimizer left out where `is_skipped`, bool []."""
        self._skips.assign_add(tf.cast(is_skipped, tf.int32), read_value=False)

    def _clip(
        self,
        gradients: Sequence[Gradient],
        norms: Norms | None,
        weights: Sequence[Weight],
        replica_here: int,
    ) -> tuple[list[Gradient], ClipReport]:
        kept = self._state[replica_here]
        norms = norms_of(gradients) if norms is None else norms
        context = Context(
            weights=weights if self.clip.needs_weights else None,
            state=tuple(variable.read_value() for variable in kept),
        )
        clipped, report = self.clip(gradients, norms, context)
        for variable, value in zip(kept, report.state, strict=True):
            variable.assign(value, read_value=False)
        return clipped, report

    def _look(
        self,
        gradients: Sequence[Gradient],
        weights: Sequence[Weight],
        loss: tf.Tensor | None,
        step: tf.Tensor,
    ) -> tuple[Norms, tf.Tensor | None, tf.Tensor | None]:
        """Returns norms; and if samples are ever taken, the kind as flags, and a sample."""
        halves = half_squares(gradients)
        total = tf.reduce_sum(halves)
        is_usual = tf.math.is_finite(total if loss is None else total + loss)
        if not self._every:
            each, overall = unless_rare(
                is_usual, _usual_norms, _rare_norms, (halves, total, *gradients)
            )
            return Norms(each, overall), None, None
        phase = (step + 1) % self._every  # 1: a sample; 0: the sketch of the step before one
        is_odd = ~is_usual | self._is_spike(halves, step)
        v, width = self.layout.variables, self.layout.looked_width

        def usual(halves: tf.Tensor, total: tf.Tensor, *_: Any) -> tuple[tf.Tensor, ...]:
            return *norms_from_half_squares(halves, total), tf.constant(0.0), tf.zeros([width])

        def rare(
            halves: tf.Tensor, total: tf.Tensor, phase: tf.Tensor, is_odd: tf.Tensor, *given: Any
        ) -> tuple[tf.Tensor, ...]:
            # The same norms as on a usual step when they can be had: sampling changes no result.
            norms = norms_if_finite_else_scaled(halves, total, given[:v])
            is_before = (
                tf.equal(phase, 0) & ~is_odd if self._every > 1 else tf.constant(value=False)
            )
            (looked,) = unless_rare(
                is_before,
                lambda *_: (tf.zeros([width - v * SKETCH]),),
                lambda *given: (sample_of(given[:v], given[v:], self._regularizers),),
                given,
            )
            sample = tf.concat([looked, sketch_of(given[:v])], axis=0)
            kind = tf.where(is_before, float(SKETCHED), float(SKETCHED | SAMPLED))
            is_scheduled = tf.constant(self._every == 1) | (phase <= 1)
            return *norms, tf.where(is_scheduled, kind, float(SKETCHED | SAMPLED | ODD)), sample

        values = [tf.convert_to_tensor(weight.value) for weight in weights]
        each, overall, kind, sample = unless_rare(
            (phase > 1) & ~is_odd, usual, rare, (halves, total, phase, is_odd, *gradients, *values)
        )
        return Norms(each, overall), kind, sample

    def _is_spike(self, halves: tf.Tensor, step: tf.Tensor) -> tf.Tensor:
        """Returns bool [], whether a norm is far above its running median, which moves on.

        Source: Ma, Muthukrishnan and Sandler (2013), Frugal streaming for estimating quantiles,
        https://arxiv.org/abs/1407.1121, with steps by a factor.
        """
        median = self._median.read_value()
        factor = tf.where(halves > median, _MEDIAN_STEP, 1 / _MEDIAN_STEP)
        # A median that is 0 yet, NaN or infinite starts anew; nothing is above NaN or infinity.
        is_known = tf.math.is_finite(tf.math.log(median))
        self._median.assign(tf.where(is_known, median * factor, halves), read_value=False)
        return tf.reduce_any(halves > _SPIKE * median) & (step >= _WARMUP)

    def _decide(
        self, global_norm: tf.Tensor, loss: tf.Tensor | None, replica_here: int
    ) -> tuple[tf.Tensor, tf.Tensor | None]:
        """Returns whether to apply the step, and with `stop`, whether the training is over."""
        if self._policy == "record":
            return tf.constant(True), None  # noqa: FBT003 - a tensor's value
        is_finite = tf.math.is_finite(global_norm)
        if loss is not None:
            is_finite &= tf.math.is_finite(loss)
        if self._policy == "skip":
            return is_finite, None
        stopped = self._stopped[replica_here]
        is_over = stopped.read_value()
        stopped.assign(is_over | ~is_finite, read_value=False)
        return is_finite & ~is_over, is_over

    def _row(
        self, norms: Norms, report: ClipReport, loss: tf.Tensor | None
    ) -> tuple[tf.Tensor, ...]:
        """Returns the parts of a row before the flags, see `layout.py`."""
        shown_loss = tf.constant(np.nan, tf.float32) if loss is None else loss
        scalars = tf.stack([shown_loss, norms.overall, report.norm_after, report.scale])
        return norms.each, scalars

    def _more(
        self, report: ClipReport, losses: tf.Tensor | None, loss_scale: tf.Tensor | None
    ) -> tuple[tf.Tensor, ...]:
        """Returns the parts of a row after the flags, see `layout.py`."""
        more: list[tf.Tensor] = []
        if self.layout.replicas > 1:
            unknown = tf.fill([self.layout.replicas], np.float32(np.nan))
            more.append(unknown if losses is None else losses * float(self.layout.replicas))
        if self.layout.loss_scaled:
            skips = tf.cast(self._skips.read_value(), tf.float32)
            more.append(tf.stack([tf.constant(1.0) if loss_scale is None else loss_scale, skips]))
        if self.layout.stages > 1:
            norms, fired = zip(*report.stages, strict=True)
            more += [tf.stack(norms), tf.cast(tf.stack(fired), tf.float32)]
        return tuple(more)

    # The host's side.

    def is_stopped(self) -> bool:
        """Says whether a step ended the training."""
        return self._policy == "stop" and bool(self._stopped[0].numpy())

    def loss_scale_skips(self) -> int:
        """Returns how many steps a loss-scale optimizer left out so far."""
        return int(self._skips.numpy())

    def read(self) -> tuple[Rows, NDArray[np.float32] | None]:
        """Returns rows and samples that were not returned before; samples None if never taken."""
        samples = None if self._samples is None else self._samples.read()
        return self._ring.read(), samples

    def state(self) -> dict[str, NDArray[Any]]:
        """Returns what a resumed training needs to go on in the same way."""
        return {name: variable.numpy() for name, variable in self._kept().items()}

    def restore(self, steps: int, state: Mapping[str, NDArray[Any]]) -> None:
        """Goes on after `steps` steps, from what `state` gave then."""
        self._ring.start_at(steps)
        for name, variable in self._kept().items():
            if name in state:
                variable.assign(state[name])
        for kept in self._state[1:]:
            for variable, first in zip(kept, self._state[0], strict=True):
                variable.assign(first)

    def _kept(self) -> dict[str, tf.Variable]:
        kept = {f"clip_{i}": variable for i, variable in enumerate(self._state[0])}
        kept |= {"loss_sum": self._loss_sum, "loss_scale_skips": self._skips}
        return kept if self._samples is None else {**kept, "median": self._median}


def _variables(values: Sequence[Any]) -> list[tf.Variable]:
    return [tf.Variable(value, trainable=False) for value in values]


def _rare_norms(halves: tf.Tensor, total: tf.Tensor, *gradients: Any) -> tuple[tf.Tensor, ...]:
    return tuple(norms_if_finite_else_scaled(halves, total, gradients))


def _usual_norms(halves: tf.Tensor, total: tf.Tensor, *_: Any) -> tuple[tf.Tensor, ...]:
    return tuple(norms_from_half_squares(halves, total))
