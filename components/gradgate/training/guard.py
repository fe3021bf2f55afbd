"""The guard of one training: what `instrument` gives back. The host side; see `probe.py`."""

import os
import time
from types import TracebackType
from typing import Any

import keras

from gradgate.contracts import BoundModel, Manifest, ModelCard, mark_and_bind
from gradgate.training import keras_hooks
from gradgate.training.batches import to_batch, why_not_applied
from gradgate.training.callback import DrainCallback, fit_with
from gradgate.training.card import describe, nonfinite_weights, weight_digests
from gradgate.training.context import Status, TrainingContext
from gradgate.training.labels import LabelStatistics
from gradgate.training.plan import Plan
from gradgate.training.probe import Probe, observe_labels
from gradgate.training.settings import GuardSettings


class Guard:
    """Observes every step of a model, clips, and writes the health record.

    Made by `instrument`. Use it as a context manager, or call `close`: without that the record
    is not finished, and a gate does not accept it.

    Under `model.fit` nothing else is needed. A hand-written loop calls `observe_loss(loss)` before
    `optimizer.apply` unless it calls `optimizer.scale_loss`, and, when its step is a
    `tf.function`, `flush()` at least every `settings.ring_steps` steps: steps beyond are counted
    as lost. A step that was traced before `instrument` is not seen.

    Attributes:
        settings: How the training is guarded.
        steps: Optimizer steps seen so far, lost ones included, as of the last read.
        lost_steps: Of those, steps whose row was overwritten before it was read.
        stopped: Whether a non-finite step ended the training (`on_nonfinite="stop"`).
        plan: Of the steps that were asked for.
        status, status_message: "completed", unless the guard knows better, and why.
        bound: The exported model, after `bind`.
        constant_loss, final_weight_nonfinite, final_weight_sha256: Known after `release`.
    """

    def __init__(
        self,
        model: keras.Model,
        context: TrainingContext,
        settings: GuardSettings,
        *,
        owns_context: bool,
        planned_steps: int | None = None,
        constant_loss: float | None = None,
    ) -> None:
        self.settings = settings
        self.steps = self.lost_steps = 0
        self.stopped = self._fit_failed = False
        self.status: Status = "completed"
        self.status_message = ""
        self.bound: BoundModel | None = None
        self.constant_loss = constant_loss
        self.final_weight_nonfinite: dict[str, int] | None = None
        self.final_weight_sha256: dict[str, str] | None = None
        self.plan = Plan(context.planned_steps if planned_steps is None else planned_steps)
        self._model, self._optimizer = model, model.optimizer
        self._context, self._owns_context = context, owns_context
        self._started, self._eager_steps, self._is_released = time.monotonic(), 0, False
        self._card: tuple[Any, ModelCard] | None = None
        self._probe = Probe(
            model,
            settings=settings,
            labels=LabelStatistics.of(model) if constant_loss is None else None,
            on_eager_step=self._count_eager_step,
        )
        context.attach(self)
        self._attach()

    def observe_loss(self, loss: Any) -> None:
        """Tells the loss of the step whose gradients are applied next: one number."""
        self._probe.note_loss(loss)

    def flush(self) -> int:
        """Reads what the device holds, hands it on, and returns the steps seen so far."""
        meter = self._probe.meter
        if meter is None or self._is_released:
            return self.steps
        rows = meter.read()
        self.lost_steps += rows.lost
        if len(rows.values):
            self.steps = rows.first_step + len(rows.values)
            batch = to_batch(
                rows,
                variables=len(self._model.trainable_variables),
                statistics_every=self.settings.statistics_every,
                epoch=self.plan.epoch,
                seconds=time.monotonic() - self._started,
            )
            card = self.card()
            assert card is not None, "a model whose step ran is built"
            self._context.write(card, batch, planned_steps=self.plan.steps)
            if meter.is_stopped() and not self.stopped:
                self.stopped, self.status = True, "stopped"
                self.status_message = why_not_applied(batch, card)
        return self.steps

    def bind(self, model_dir: str | os.PathLike[str]) -> BoundModel:
        """Names the exported model in the record, by the digest of its files as they are now.

        And this training in the model: a small file in its `assets.extra`.

        Raises:
            ValueError: If the record is finished.
            gradgate.contracts.TreeError: If the directory holds no model.
        """
        if self._context.manifest is not None:
            raise ValueError(
                f"Guard.bind: the record is finished, so {os.fspath(model_dir)} cannot be named in"
                " it any more. Export and bind inside of the `with` block, or pass"
                " close(model_dir=...)."
            )
        self.bound = mark_and_bind(model_dir, self._context.training_uid)
        return self.bound

    def close(
        self,
        status: Status = "completed",
        model_dir: str | os.PathLike[str] | None = None,
        message: str = "",
    ) -> Manifest | None:
        """Reads the rest, restores the model, and finishes the record. Twice does no harm.

        Returns:
            The manifest; None when the record belongs to a Trainer, which finishes it itself.

        Raises:
            gradgate.contracts.TreeError: If `model_dir` holds no model.
        """
        if self._owns_context:
            return self._context.finish(status, message, model_dir)
        if model_dir is not None:
            self.bind(model_dir)
        self.release()
        if status == "failed":
            self.status, self.status_message = status, message
        return None

    def detach(self) -> None:
        """Restores model and optimizer; the record stays as it is, not finished."""
        keras_hooks.detach(self._optimizer)
        keras_hooks.unshadow(self._model, "fit", "compute_loss")
        self._model.train_function = None  # what was traced still holds our part of the step

    # What the rest of this room calls.

    @property
    def capacity(self) -> int:
        """Steps that the device holds."""
        meter = self._probe.meter
        return self.settings.ring_steps if meter is None else meter.capacity

    @property
    def traces(self) -> int:
        """How often a step was traced; eagerly, how often it ran."""
        return self._probe.traces

    def card(self) -> ModelCard | None:
        """Returns what is known of the model by now; None before it is built."""
        variables = self._model.trainable_variables
        if not (self._model.built and variables):
            return None
        has_gradient = self._probe.has_gradient
        known = (
            [True] * len(variables) if has_gradient is None else has_gradient.tolist(),
            self._probe.loss_measured,
        )
        if self._card is None or self._card[0] != known:
            card = describe(
                self._model, settings=self.settings, has_gradient=known[0], loss_measured=known[1]
            )
            self._card = (known, card)
        return self._card[1]

    def release(self) -> None:
        """Reads the rest, looks at the final weights, and restores the model. Once."""
        if self._is_released:
            return
        try:
            self.flush()
            if self._probe.labels is not None:
                self.constant_loss = self._probe.labels.constant_loss()
            self.final_weight_nonfinite = nonfinite_weights(self._model.trainable_variables)
            self.final_weight_sha256 = weight_digests(self._model.trainable_variables)
            if self._model.optimizer is not self._optimizer:
                self.status, self.status_message = "failed", self._compiled_again()
        finally:
            self._is_released = True
            self.detach()

    def _attach(self) -> None:
        model, probe = self._model, self._probe
        keras_hooks.attach(
            self._optimizer,
            on_loss=probe.note_loss,
            on_gradients=probe.see_gradients,
            conditional=self.settings.on_nonfinite != "record",
        )
        fit = fit_with(
            DrainCallback(self), model.fit, before=self._check_optimizer, after=self._end_fit
        )
        keras_hooks.shadow(model, "fit", fit)
        if probe.labels is not None:
            keras_hooks.shadow(model, "compute_loss", observe_labels(probe, model.compute_loss))
        model.train_function = None  # one that was traced before would go past the guard

    def _check_optimizer(self) -> None:
        if self._model.optimizer is not self._optimizer:
            raise ValueError(f"gradgate: {self._compiled_again()}")

    def _compiled_again(self) -> str:
        return (
            f"the model '{self._model.name}' was compiled again after it was instrumented, so its"
            f" new optimizer ({type(self._model.optimizer).__name__}) is not observed. Call"
            " instrument after the last compile()."
        )

    def _end_fit(self, error: BaseException | None) -> None:
        """Notes how a fit ended: one that raised is a failed training, even if somebody caught it.

        A later fit that completes makes good for it.
        """
        if error is not None:
            self._fit_failed = True
            self.status, self.status_message = (
                "failed",
                f"fit raised {type(error).__name__}: {error}",
            )
        elif self._fit_failed:
            self._fit_failed = False
            self.status, self.status_message = "completed", ""

    def _count_eager_step(self) -> None:
        self._eager_steps += 1
        if self._eager_steps % (self.capacity // 2) == 0:
            self.flush()

    def __enter__(self) -> "Guard":  # noqa: PYI034 - Python 3.10 has no typing.Self
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None:
            self.close()
        else:
            self.close("failed", message=f"{type(error).__name__}: {error}")
