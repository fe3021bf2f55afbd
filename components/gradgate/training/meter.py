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
from gradgate.gradients.report import Context, Stage, Weight
from gradgate.gradients.sparse import Gradient
from gradgate.training.layout import APPLIED, CLIPPED, Layout
from gradgate.training.replicas import OfReplicas
from gradgate.training.ring import Ring, Rows
from gradgate.training.sample import Regularizer
from gradgate.training.sampler import Look, Sampler, norms_of_step
from gradgate.training.settings import GuardSettings


class Seen(NamedTuple):
    """What is known of a step before its update; the row is written after it."""

    step: tf.Tensor  # int64 []
    row: tf.Tensor  # float32 [row_width]
    look: Look | None
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
        self.layout, self._policy = layout, settings.on_nonfinite
        self.clip = Chain(clips=settings.clip)
        self._ring = Ring(width=layout.row_width, capacity=ring_steps)
        self._sampler: Sampler | None = None
        if layout.is_sampled:
            self._sampler = Sampler(
                layout,
                every=settings.statistics_every,
                ring_steps=ring_steps,
                regularizers=regularizers if layout.has_data else (),
            )
        self._state = [_variables(self.clip.initial_state(layout.variables))
                       for _ in range(replicas_here)]  # fmt: skip
        self._stopped = [
            tf.Variable(initial_value=False, trainable=False) for _ in range(replicas_here)
        ]
        self._loss_sum = tf.Variable(tf.zeros([layout.replicas]), trainable=False)
        self._skips = tf.Variable(0, dtype=tf.int32, trainable=False)

    @property
    def capacity(self) -> int:
        """Steps that the device holds."""
        return self._ring.capacity

    @property
    def device_bytes(self) -> int:
        """What the rings hold on the device."""
        samples = 0 if self._sampler is None else self._sampler.device_bytes
        return self._ring.device_bytes + samples

    def look(
        self,
        gradients: Sequence[Gradient],
        *,
        weights: Sequence[Weight],
        loss: tf.Tensor | None,
        of_replicas: OfReplicas | None = None,
        loss_scale: tf.Tensor | None = None,
        replica_here: int = 0,
    ) -> tuple[list[Gradient], tf.Tensor, Seen | None]:
        """Measures and clips the gradients of one step.

        Args:
            gradients: Aggregated, one for each of the v variables, None where there is none.
            weights: Of each variable.
            loss: Float32 []; None when it is not known.
            of_replicas: Of each replica; None with one.
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
        step, look = self._ring.step(), None
        summed = [sum_duplicate_rows(gradient) for gradient in gradients]
        if self._sampler is None:
            norms = norms_of_step(summed, loss)
        else:
            values = [tf.convert_to_tensor(weight.value) for weight in weights]
            look = self._sampler.look(summed, values, loss, step)
            norms = look.norms
        clipped, report = self._clip(gradients, norms, weights, replica_here)
        is_applied, is_over = self._decide(norms.overall, loss, replica_here)
        if self._policy == "record":
            flags = tf.where(report.is_clipped, float(CLIPPED | APPLIED), float(APPLIED))
        else:
            flags = tf.where(report.is_clipped, float(CLIPPED), 0.0)
            flags += tf.where(is_applied, float(APPLIED), 0.0)
        row = self._row(norms, report, flags, look, loss, of_replicas, loss_scale)
        return clipped, is_applied, Seen(step, row, look, is_over)

    def write(self, seen: Seen, of_update: tf.Tensor) -> None:
        """Writes the row of a step, and its sample if there is one.

        Args:
            seen: From before the update.
            of_update: Float32 [update_width], see `Layout`.
        """
        self._ring.put(seen.row, seen.step, unless=seen.is_over)
        if self._sampler is not None and seen.look is not None:
            self._sampler.write(seen.look, of_update, unless=seen.is_over)

    def write_left_out(
        self,
        gradients: Sequence[Gradient],
        *,
        weights: Sequence[Weight],
        loss: tf.Tensor | None,
        of_replicas: OfReplicas | None = None,
        loss_scale: tf.Tensor | None = None,
        unless: tf.Tensor | None = None,
    ) -> None:
        """Writes the row of gradients that somebody else keeps from being applied.

        Args:
            gradients: One for each variable.
            weights: Of each variable.
            loss: See `look`, as for the next two.
            of_replicas: Of each replica.
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
        look = None
        if self._sampler is not None:
            values = [tf.convert_to_tensor(weight.value) for weight in weights]
            look = self._sampler.look_closely(gradients, values, norms)
        flags = tf.constant(0.0)
        row = self._row(norms, untouched, flags, look, loss, of_replicas, loss_scale)
        self.write(
            Seen(self._ring.step(), row, look, is_over), tf.zeros([self.layout.update_width])
        )

    def is_over(self) -> tf.Tensor:
        """Returns bool [], whether an earlier step ended the training."""
        return self._stopped[0].read_value()

    def is_usual(self, seen: Seen | None) -> tf.Tensor | None:
        """Returns bool [], whether no update has to be measured; None when none ever has."""
        return None if seen is None or seen.look is None else seen.look.is_usual

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
        self,
        norms: Norms,
        report: ClipReport,
        flags: tf.Tensor,
        look: Look | None,
        loss: tf.Tensor | None,
        of_replicas: OfReplicas | None,
        loss_scale: tf.Tensor | None,
    ) -> tf.Tensor:
        """Returns the row of a step, float32 [row_width], see `layout.py`."""
        flags = flags if look is None else flags + look.kind
        shown_loss = tf.constant(np.nan, tf.float32) if loss is None else loss
        scalars = [shown_loss, norms.overall, report.norm_after, report.scale, flags]
        parts = [norms.each, tf.stack(scalars)]
        if self.layout.replicas > 1:
            r = self.layout.replicas
            unknown = tf.fill([r], np.float32(np.nan))
            known = OfReplicas(unknown, unknown) if of_replicas is None else of_replicas
            parts += [known.losses * float(r), known.norms * float(r)]
        if self.layout.loss_scaled:
            skips = tf.cast(self._skips.read_value(), tf.float32)
            parts.append(tf.stack([tf.constant(1.0) if loss_scale is None else loss_scale, skips]))
        if self.layout.stages > 1:
            norms_after, fired = zip(*report.stages, strict=True)
            parts += [tf.stack(norms_after), tf.cast(tf.stack(fired), tf.float32)]
        return tf.concat(parts, axis=0)

    # The host's side.

    def steps_taken(self) -> int:
        """Returns how many steps were taken; from any thread, and it waits for no step."""
        return self._ring.steps_taken()

    def is_stopped(self) -> bool:
        """Says whether a step ended the training."""
        return self._policy == "stop" and bool(self._stopped[0].numpy())

    def loss_scale_skips(self) -> int:
        """Returns how many steps a loss-scale optimizer left out so far."""
        return int(self._skips.numpy())

    def read(self) -> tuple[Rows, NDArray[np.float32] | None]:
        """Returns rows and samples that were not returned before; samples None if never taken."""
        samples = None if self._sampler is None else self._sampler.read()
        return self._ring.read(), samples

    def state(self) -> dict[str, NDArray[Any]]:
        """Returns what a resumed training needs to go on in the same way."""
        kept = {name: variable.numpy() for name, variable in self._kept().items()}
        return kept if self._sampler is None else {**kept, **self._sampler.state()}

    def restore(self, steps: int, state: Mapping[str, NDArray[Any]]) -> None:
        """Goes on after `steps` steps, from what `state` gave then."""
        self._ring.start_at(steps)
        for name, variable in self._kept().items():
            if name in state:
                variable.assign(state[name])
        if self._sampler is not None:
            self._sampler.restore(state)
        for kept in self._state[1:]:
            for variable, first in zip(kept, self._state[0], strict=True):
                variable.assign(first)

    def _kept(self) -> dict[str, tf.Variable]:
        kept = {f"clip_{i}": variable for i, variable in enumerate(self._state[0])}
        return {**kept, "loss_sum": self._loss_sum, "loss_scale_skips": self._skips}


def _variables(values: Sequence[Any]) -> list[tf.Variable]:
    return [tf.Variable(value, trainable=False) for value in values]
