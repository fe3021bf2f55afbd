"""One optimizer's trail: its probe in the step, its plan, and its way into a record."""

import dataclasses
import time
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from gradgate.contracts import ModelCard
from gradgate.telemetry.batch import StepBatch
from gradgate.telemetry.writer import RecordWriter
from gradgate.training import hooks
from gradgate.training.activations import Looks
from gradgate.training.batches import Decoder, why_not_applied
from gradgate.training.card import describe, nonfinite_weights, weight_digests, with_former
from gradgate.training.design_check import checked
from gradgate.training.hooks import names
from gradgate.training.labels import LabelStatistics
from gradgate.training.meter import Meter
from gradgate.training.plan import Plan
from gradgate.training.probe import Probe
from gradgate.training.settings import GuardSettings

Write = Callable[[ModelCard, StepBatch], None]


class Trail:
    """What is known of one optimizer's steps, on the host.

    Args:
        name: Of the optimizer; empty when the training has one.
        model: Whose variables it trains.
        optimizer: Observed from now on.
        variables: Gives the variables that it trains, from its first step on.
        settings: Of the guard.
        strategy: That the training runs under.
        labels: Counts the training labels, or None.
        looks: At the activations of the model, or None.
        writer: Of its record; None where another process writes it.
        planned_steps: Steps that somebody named.
        on_eager_step: Called after each step that ran eagerly.

    Attributes:
        steps: Steps seen so far, lost ones included, as of the last read.
        lost_steps: Of those, steps whose row was overwritten before it was read.
        loss_scale_skips: Steps that a loss-scale optimizer left out, as of the last read.
        stopped_because: Why the guard ended the training; empty while it did not.
        constant_loss, final_weight_nonfinite, final_weight_sha256: Known after `release`.
        batches_a_step: Batches whose gradients are averaged for one step.
    """

    def __init__(
        self,
        name: str,
        model: keras.Model,
        optimizer: keras.optimizers.Optimizer,
        *,
        variables: Callable[[], list[keras.Variable]],
        settings: GuardSettings,
        strategy: tf.distribute.Strategy,
        labels: LabelStatistics | None,
        looks: Looks | None,
        writer: RecordWriter | None,
        planned_steps: int | None,
        on_eager_step: Callable[[], None],
        nondeterminism: tuple[str, ...],
    ) -> None:
        self.name, self.optimizer, self.looks, self.writer = name, optimizer, looks, writer
        self.steps = self.lost_steps = self.loss_scale_skips = 0
        self.stopped_because = ""
        self.constant_loss: float | None = None
        self.final_weight_nonfinite: dict[str, int] | None = None
        self.final_weight_sha256: dict[str, str] | None = None
        inner = names.inner_optimizer(optimizer)
        self.batches_a_step = inner.gradient_accumulation_steps or 1
        self.plan = Plan(planned_steps, batches_a_step=self.batches_a_step)
        self._model, self._settings, self._strategy = model, settings, strategy
        self._variables, self._nondeterminism = variables, nondeterminism
        self._started = time.monotonic()
        self._iterations = names.steps_taken(optimizer)
        self._decoder: Decoder | None = None
        self.batch_size: int | None = None
        self._card: tuple[Any, ModelCard] | None = None
        self._former_card = None if writer is None else writer.card  # of a killed training
        self.probe = Probe(
            model,
            optimizer,
            variables=variables,
            settings=settings,
            strategy=strategy,
            labels=labels,
            on_meter=self._begin,
            on_eager_step=on_eager_step,
        )
        hooks.attach(optimizer, self.probe, conditional=settings.on_nonfinite != "record")

    @property
    def taken(self) -> int:
        """Steps taken, or left out for their loss scale, as of the last read."""
        return self.steps + self.loss_scale_skips

    def variables(self) -> list[keras.Variable]:
        """Returns the variables that the optimizer trains, as far as they are known."""
        return self._variables()

    def read(self, write: Write, *, is_epoch_end: bool = False) -> None:
        """Reads what the device holds, looks at the activations if it is time, and writes it.

        Args:
            write: Takes the card and the steps.
            is_epoch_end: It is time, whenever that was last.
        """
        meter = self.probe.meter
        if meter is None:
            return
        rows, samples = meter.read()
        self.lost_steps += rows.lost
        self.loss_scale_skips = meter.loss_scale_skips()
        if not len(rows.values):
            return
        self.steps = rows.first_step + len(rows.values)
        assert self._decoder is not None, "made together with the meter"
        batch = self._decoder.batch(
            rows, samples, epoch=self.plan.epoch, seconds=time.monotonic() - self._started
        )
        if self.looks is not None:
            activations = self.looks.look(self.steps, is_epoch_end=is_epoch_end)
            batch = dataclasses.replace(batch, activations=activations)
        card = self.card()
        assert card is not None, "a model whose step ran is built"
        write(card, batch)
        if meter.is_stopped() and not self.stopped_because:
            self.stopped_because = why_not_applied(batch, card)

    def save_checkpoint(self) -> None:
        """Notes where the record stands, since a backup of the model is about to be taken."""
        meter, writer = self.probe.meter, self.writer
        if meter is None or writer is None:
            return
        labels = self.probe.labels
        assert self._decoder is not None, "made together with the meter"
        state = {
            **meter.state(),
            **self._decoder.state(),
            **({} if labels is None else labels.state()),
            **({} if self.looks is None else self.looks.state()),
        }
        writer.save_checkpoint(names.steps_taken(self.optimizer), self.steps, state)

    def card(self) -> ModelCard | None:
        """Returns what is known of the training by now; None before its variables are known."""
        if self.probe.meter is None and self._former_card is not None:
            return self._former_card
        if self.probe.meter is None and not self._model.built:
            return None
        variables = self._variables()
        if not variables:
            return None
        has_gradient = self.probe.has_gradient
        known = {
            "has_gradient": [True] * len(variables)
            if has_gradient is None
            else has_gradient.tolist(),
            "loss_measured": self.probe.loss_measured,
            "data_loss_gradient": self.probe.takes_penalty_out,
            "device_bytes": 0 if self.probe.meter is None else self.probe.meter.device_bytes,
            **({} if self.looks is None else self.looks.for_card()),
            **({} if self.batch_size is None else {"batch_size": self.batch_size}),
        }
        if self._card is None or self._card[0] != known:
            card = describe(
                self._model,
                self.optimizer,
                variables,
                settings=self._settings,
                strategy=self._strategy,
                nondeterminism=self._nondeterminism,
                like=None if self._card is None else self._card[1],
                **known,
            )
            card = with_former(card, self._former_card)
            self._card = (known, checked(card, self._settings.lint_ignore))
        return self._card[1]

    def release(self) -> None:
        """Looks at the final weights."""
        if self.probe.meter is None and self.writer is not None and self.writer.is_resumed:
            self._resume(None)  # restored, and no step was left to take
        if self.probe.labels is not None:
            self.constant_loss = self.probe.labels.constant_loss()
        variables = self._variables()
        self.final_weight_nonfinite = nonfinite_weights(variables)
        self.final_weight_sha256 = weight_digests(variables)

    def unseen_steps(self) -> str:
        """Says why no step was seen, when some were taken all the same; else empty."""
        taken = names.steps_taken(self.optimizer) - self._iterations
        if self.taken or self.probe.meter is not None or taken <= 0:
            return ""
        return (
            f"{type(self.optimizer).__name__} took {taken} steps, and none was seen: they were"
            " traced before instrument was called, or go past the optimizer that was given."
        )

    def detach(self) -> None:
        """Restores the optimizer."""
        hooks.detach(self.optimizer)

    def _begin(self, meter: Meter) -> None:
        self._decoder = Decoder(meter.layout)
        if self.writer is not None and self.writer.is_resumed:
            self._resume(meter)

    def _resume(self, meter: Meter | None) -> None:
        """Goes on where the backup was taken that brought the optimizer's iterations back."""
        assert self.writer is not None, "a resumed training has a writer"
        iterations = names.steps_taken(self.optimizer)
        checkpoint = self.writer.find_checkpoint(iterations)
        if checkpoint is None and iterations:
            raise ValueError(
                f"gradgate: the optimizer was restored at iteration {iterations}, and the record in"
                f" {self.writer.directory} has no checkpoint there: the two do not belong together."
                " Give the record of the training that wrote this backup, or a new directory."
            )
        if checkpoint is None and self.plan.epoch:
            raise ValueError(
                f"gradgate: the training goes on at epoch {self.plan.epoch}, but its optimizer"
                f" {type(self.optimizer).__name__} was not restored (it is at iteration 0), so the"
                f" record in {self.writer.directory} cannot go on. Keras restores only an optimizer"
                " that is built: call optimizer.build(variables) before fit; or give a new"
                " directory."
            )
        steps = 0 if checkpoint is None else checkpoint.steps
        reason = "restored from a backup" if checkpoint else "begun again, without a backup"
        seconds = self.writer.rewind(steps, reason)
        self._started = time.monotonic() - seconds
        if checkpoint is None:
            return
        self.steps, self.lost_steps = steps, steps - checkpoint.rows
        self.loss_scale_skips = int(checkpoint.state.get("loss_scale_skips", 0))
        self.plan.resume_at(self.taken, iterations % self.batches_a_step)
        if self.probe.labels is not None:
            self.probe.labels.restore(checkpoint.state)
        if self.looks is not None:
            self.looks.restore(checkpoint.state)
        if meter is not None and self._decoder is not None:
            meter.restore(steps, checkpoint.state)
            self._decoder.restore(checkpoint.state)
