"""The guard of one training: what `instrument` gives back. The host side; see `probe.py`."""

import contextlib
import os
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Any

import keras
import tensorflow as tf

from gradgate.contracts import BoundModel, Manifest, ModelCard, mark_and_bind
from gradgate.training import hooks
from gradgate.training.activations import Looks
from gradgate.training.batch_size import batch_size_of
from gradgate.training.callback import DrainCallback, fit_with, train_on_batch_with
from gradgate.training.context import Status, TrainingContext
from gradgate.training.design_check import say
from gradgate.training.hooks import names
from gradgate.training.hooks.shadow import shadow, unshadow
from gradgate.training.labels import LabelStatistics
from gradgate.training.observed_loss import observe_loss
from gradgate.training.plan import Plan
from gradgate.training.preconditions import check_before_fit, check_fit
from gradgate.training.settings import GuardSettings
from gradgate.training.sigterm import Sigterm
from gradgate.training.trail import Trail
from gradgate.training.workers import Bye, WatchLimits, begin_watch


class Guard:
    """Observes every step of a model, clips, and writes the health record.

    Made by `instrument`. Use it as a context manager, or call `close`: without that the record
    is not finished, and a gate does not accept it.

    Under `model.fit` and `train_on_batch` nothing else is needed. A hand-written loop calls
    `observe_loss(loss)` before `optimizer.apply` unless it calls `optimizer.scale_loss`, and, when
    its step is a `tf.function`, `flush()` at least every `settings.ring_steps` steps: steps beyond
    are counted as lost. A step that was traced before `instrument` is not seen. Before it saves a
    checkpoint that a resumed training is to restore, it calls `save_checkpoint()`, unless it saves
    by `model.save_weights` or `model.save`.

    Attributes:
        settings: How the training is guarded.
        trails: What is known of each optimizer's steps, the first one's first.
        status, status_message: "completed", unless the guard knows better, and why.
        bound: The exported model, after `bind`.
    """

    def __init__(
        self,
        model: keras.Model,
        context: TrainingContext,
        settings: GuardSettings,
        *,
        optimizers: Mapping[str, keras.optimizers.Optimizer],
        strategy: tf.distribute.Strategy,
        owns_context: bool,
        planned_steps: int | None = None,
        constant_loss: float | None = None,
        nondeterminism: tuple[str, ...] = (),
        limits: WatchLimits | None = None,
    ) -> None:
        self.settings = settings
        self.status: Status = "completed"
        self.status_message = ""
        self.bound: BoundModel | None = None
        self.trails: list[Trail] = []
        self._model, self._given_constant_loss = model, constant_loss
        self._strategy, self._compilation = strategy, names.compilation(model)
        self._context, self._owns_context = context, owns_context
        self._eager_steps, self._fit_failed = 0, False
        self._is_released = False
        own = names.compiled_optimizer(model)
        self._watches_own = any(each is own for each in optimizers.values())
        context.attach(self)
        planned = context.planned_steps if planned_steps is None else planned_steps
        has_looks = settings.statistics_every and strategy.num_replicas_in_sync == 1
        for name, optimizer in optimizers.items():
            is_first = not self.trails
            labels = LabelStatistics.of(model) if is_first and constant_loss is None else None
            self.trails.append(
                Trail(
                    name,
                    model,
                    optimizer,
                    variables=self._variables_of(optimizer),
                    settings=settings,
                    strategy=strategy,
                    labels=labels if model.compiled else None,
                    looks=Looks(model, settings.statistics_every)
                    if is_first and has_looks
                    else None,
                    writer=context.writer_for(name),
                    planned_steps=planned if is_first else None,
                    on_eager_step=self._count_eager_step,
                    nondeterminism=nondeterminism,
                )
            )
        self._attach()
        writer = self.trails[0].writer
        card = None if writer is None or writer.is_resumed else self.card()
        if card is not None:
            say(card)
        self._flushing = threading.RLock()
        try:
            self._watch = begin_watch(
                strategy, limits or WatchLimits(), steps=self._pulse, give_up=context.abandon
            )
        except BaseException:
            self.detach()
            raise

    @property
    def steps(self) -> int:
        """Optimizer steps seen so far, lost ones included, as of the last read."""
        return self.trails[0].steps

    @property
    def lost_steps(self) -> int:
        """Of those, steps whose row was overwritten before it was read."""
        return self.trails[0].lost_steps

    @property
    def is_chief(self) -> bool:
        """Whether this process writes the record, and the model: false of the other workers."""
        return self._context.is_writer

    @property
    def stopped(self) -> bool:
        """Whether a non-finite step ended the training (`on_nonfinite="stop"`)."""
        return any(trail.stopped_because for trail in self.trails)

    @property
    def capacity(self) -> int:
        """Steps that the device holds."""
        meters = [trail.probe.meter for trail in self.trails if trail.probe.meter is not None]
        return min((meter.capacity for meter in meters), default=self.settings.ring_steps)

    @property
    def traces(self) -> int:
        """How often a step was traced; eagerly, how often it ran."""
        return self.trails[0].probe.traces

    def observe_loss(self, loss: Any, *, optimizer: str | None = None) -> None:
        """Tells the loss of the step whose gradients are applied next: one number.

        Args:
            loss: Float [].
            optimizer: Name of the optimizer that applies them; the first if it is left out.

        Raises:
            ValueError: If there is no such optimizer.
        """
        self._trail(optimizer).probe.note_loss(loss)

    def flush(self, *, is_epoch_end: bool = False) -> int:
        """Reads what the device holds, hands it on, and returns the steps seen so far.

        Args:
            is_epoch_end: Look at the activations too, whenever that was last.
        """
        if self._is_released:
            return self.steps
        with self._flushing, self.undisturbed():
            for trail in self.trails:
                trail.read(
                    lambda card, batch, t=trail: self._context.write(t, card, batch),
                    is_epoch_end=is_epoch_end,
                )
                if trail.stopped_because and self.status == "completed":
                    self.status, self.status_message = "stopped", trail.stopped_because
        return self.steps

    def note_epoch(self, epoch: int, logs: Mapping[str, float]) -> None:
        """Notes what the training loop says at the end of an epoch, numbers by name."""
        if not self._is_released:
            self._context.note_epoch(epoch, self.steps - 1, logs)

    def save_checkpoint(self) -> None:
        """Notes where the record stands; to be called before the model's backup is written."""
        with self.undisturbed():
            self.flush()
            for trail in self.trails:
                trail.save_checkpoint()

    def secure(self) -> None:
        """Reads what the device holds, and brings it to the disk at once."""
        with tf.init_scope():  # a signal may come while a function is being traced
            self.flush()
        self._context.secure()
        self.end_watch("terminated", "SIGTERM")

    def undisturbed(self) -> contextlib.AbstractContextManager[None]:
        """While it is open, SIGTERM waits: what it would save is in motion."""
        return self._sigterm.put_off()

    def bind(self, model_dir: str | os.PathLike[str]) -> BoundModel:
        """Names the exported model in the record, by the digest of its files as they are now.

        And this training in the model: a small file in its `assets.extra`.

        Raises:
            ValueError: If the record is finished, or is another process's.
            gradgate.contracts.TreeError: If the directory holds no model.
        """
        if not self.is_chief:
            raise ValueError(
                "Guard.bind: this process is not the chief, whose model it is that the record"
                " names. Let each worker export to a scratch folder of its own, and call bind where"
                " guard.is_chief is true."
            )
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
            The manifest; None when the record belongs to a Trainer, which finishes it itself, or
            to another worker.

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
        """Restores model and optimizers; the record stays as it is, not finished."""
        self._sigterm.release()
        for trail in self.trails:
            trail.detach()
        if self._made_of_others is not None:
            hooks.detach(self._made_of_others)
        unshadow(self._model, "fit", "train_on_batch", "compute_loss", "save", "save_weights")
        self._model.train_function = None  # what was traced still holds our part of the step

    # What the rest of this room calls.

    def flush_unless_held(self, seconds: float) -> None:
        """Does what `flush` does, but not for longer than this, on a thread of its own.

        For when the training's own thread is in a step that will not end: what the device says
        then comes at once, or never.
        """

        def flush() -> None:
            if self._flushing.acquire(timeout=seconds):
                try:
                    self.flush()
                finally:
                    self._flushing.release()

        thread = threading.Thread(target=flush, daemon=True)
        thread.start()
        thread.join(seconds)

    def cause_of_failure(self, message: str) -> str:
        """Returns why the training failed, led by the process that was lost, if one was."""
        error = message.partition(":")[0]
        cause = "" if self._watch is None else self._watch.cause(error)
        # What TensorFlow says of a broken collective is a page long, and names nobody.
        return f"{cause}; {message.partition(chr(10))[0].rstrip(': ')}" if cause else message

    def end_watch(self, status: Bye, message: str) -> None:
        """Tells the other processes how the training ended here."""
        if self._watch is not None:
            self._watch.end(status, message)

    def card(self) -> ModelCard | None:
        """Returns what is known of the first optimizer's training by now."""
        return self.trails[0].card()

    def begin_first_batch(self) -> None:
        """Before the first batch of a fit, when other callbacks have changed what they change."""
        if self._watches_own:
            names.build_optimizer(self._model)

    def plan_unless_known(self, steps: int) -> None:
        """Takes this as the number of planned steps of the first optimizer if nothing else says."""
        first = self.trails[0]
        if first.plan.steps is None:
            first.plan = Plan(steps)

    def check_that_it_measures(self) -> None:
        """After the first batch: our part must stand in the step, and of all variables.

        A step may come later than with the first batch: a train step may add up several by itself.

        Raises:
            RuntimeError: If it does not, so that nothing would be measured, or not everything.
        """
        trail = self.trails[0]
        layout = None if trail.probe.meter is None else trail.probe.meter.layout
        variables = len(trail.variables())
        found = 0 if layout is None else layout.variables
        if layout is None or found != variables:
            raise RuntimeError(
                f"gradgate: after the first batch, statistics were written for {found} of"
                f" {variables} trainable variables and {trail.taken} steps. With Keras"
                f" {keras.__version__} and {type(trail.optimizer).__name__}, the steps of"
                f" '{self._model.name}' go past the guard. Does train_step apply its gradients by"
                " self.optimizer? Pass optimizers=... if it has others."
            )

    def release(self) -> None:
        """Reads the rest, looks at the final weights, and restores the model. Once."""
        if self._is_released:
            return
        try:
            self.flush()
            for trail in self.trails:
                trail.release()
            if self._given_constant_loss is not None:
                self.trails[0].constant_loss = self._given_constant_loss
            if self._is_compiled_again():
                self.status, self.status_message = "failed", self._compiled_again()
            unseen = [trail.unseen_steps() for trail in self.trails]
            if any(unseen) and self.status == "completed":
                self.status, self.status_message = "failed", " ".join(filter(None, unseen))
        finally:
            self._is_released = True
            self.detach()

    def _attach(self) -> None:
        model, first = self._model, self.trails[0].probe
        fit = fit_with(DrainCallback(self), model.fit, before=self._begin_fit, after=self._end_fit)
        shadow(model, "fit", fit)
        shadow(model, "train_on_batch", train_on_batch_with(self, model.train_on_batch))
        looks = self.trails[0].looks
        keep = None if looks is None else looks.keep
        shadow(model, "compute_loss", observe_loss(first, model, model.compute_loss, keep))
        own = names.compiled_optimizer(model)
        self._made_of_others = own if own is not None and names.takes_no_steps(own) else None
        if self._made_of_others is not None:
            probes = [trail.probe for trail in self.trails]
            hooks.attach_loss(self._made_of_others, probes)
        for name in ("save", "save_weights"):
            shadow(model, name, self._before_saving(getattr(model, name)))
        model.train_function = None  # one that was traced before would go past the guard
        self._sigterm = Sigterm(self.secure)

    def _variables_of(self, optimizer: keras.optimizers.Optimizer) -> Any:
        if optimizer is names.compiled_optimizer(self._model):
            return lambda: self._model.trainable_variables
        return lambda: names.trained_variables(optimizer) if optimizer.built else []

    def _trail(self, name: str | None) -> Trail:
        for trail in self.trails:
            if name is None or trail.name == name:
                return trail
        names = ", ".join(trail.name for trail in self.trails)
        raise ValueError(f"Guard: there is no optimizer '{name}'; those that there are: {names}.")

    def _before_saving(self, save: Any) -> Any:
        def noted_save(*args: Any, **kwargs: Any) -> Any:
            self.save_checkpoint()
            return save(*args, **kwargs)

        return noted_save

    def _is_compiled_again(self) -> bool:
        if not self._watches_own:
            return False
        pairs = zip(names.compilation(self._model), self._compilation, strict=True)
        is_same = any(self._model.optimizer is trail.optimizer for trail in self.trails)
        return not is_same or any(now is not before for now, before in pairs)

    def _begin_fit(self, given: Mapping[str, Any]) -> None:
        check_fit(self._strategy)
        if self._watches_own:
            self.trails[0].batch_size = batch_size_of(given) or self.trails[0].batch_size
        if self._is_compiled_again():
            raise ValueError(f"gradgate: {self._compiled_again()}")
        check_before_fit(self._model, [trail.optimizer for trail in self.trails], self._strategy)

    def _compiled_again(self) -> str:
        if any(self._model.optimizer is trail.optimizer for trail in self.trails):
            return (
                f"the model '{self._model.name}' was compiled again after it was instrumented, with"
                " another loss or other metrics. Call instrument after the last compile()."
            )
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

    def _pulse(self) -> int:
        meters = [trail.probe.meter for trail in self.trails]
        return sum(meter.steps_taken() for meter in meters if meter is not None)

    def _count_eager_step(self) -> None:
        self._eager_steps += 1
        if self._eager_steps % (self.capacity // 2) == 0:
            self.flush()

    def __enter__(self) -> "Guard":  # noqa: PYI034 - Python 3.10 has no typing.Self
        if self._is_released:
            raise ValueError(
                "gradgate: this guard is closed, and its record is finished. Call instrument again,"
                " with a new directory."
            )
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
