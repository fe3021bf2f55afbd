"""Ways to train the same model: with the stock clip alone, with ours, and with what others offer.

What others offer, as their guides say: the recipe of tf.summary (a `train_step` that writes the
norm and a histogram of every gradient), the TensorBoard callback with `histogram_freq=1` (the
weights' histograms once an epoch), `enable_check_numerics`, and Debugger V2 with `FULL_HEALTH`. All
of them clip.
"""

import contextlib
import dataclasses
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from gradgate.gradients import ClipByGlobalNorm
from gradgate.training import instrument
from gradgate.training.hooks import names

_MAX_NORM = 1.0


@dataclasses.dataclass(frozen=True)
class Variant:
    """How a model is trained; without anything else, it is the baseline.

    Attributes:
        statistics_every: With gradgate, see `GuardSettings`.
        adam_rms: With gradgate, whether samples hold a gradient against Adam's second moment. There
            is no such setting: it is here to tell what that statistic costs.
        summary_every: With the recipe of tf.summary, written every so many steps.
        tensorboard: With the TensorBoard callback.
        switch: With something that is switched on for the whole process.
    """

    statistics_every: int | None = None
    adam_rms: bool = True
    summary_every: int | None = None
    tensorboard: bool = False
    switch: str | None = None

    @property
    def is_peer(self) -> bool:
        """Whether somebody else made it."""
        return bool(self.summary_every or self.tensorboard or self.switch)


BASELINE = Variant()
VARIANTS = {
    "same thing twice": Variant(),
    "gradgate, always-on": Variant(statistics_every=0),
    "gradgate, full statistics every 50": Variant(statistics_every=50),
    "gradgate, full statistics every 10": Variant(statistics_every=10),
    "gradgate, full statistics every step": Variant(statistics_every=1),
    "every 50, without Adam's moment": Variant(statistics_every=50, adam_rms=False),
    "every 10, without Adam's moment": Variant(statistics_every=10, adam_rms=False),
    "every step, without Adam's moment": Variant(statistics_every=1, adam_rms=False),
    "tf.summary recipe, every 50": Variant(summary_every=50),
    "tf.summary recipe, every step": Variant(summary_every=1),
    "TensorBoard callback, every epoch": Variant(tensorboard=True),
    "enable_check_numerics": Variant(switch="check_numerics"),
    "Debugger V2, FULL_HEALTH": Variant(switch="debugger_v2"),
}


_is_like_adam = names.is_like_adam


def _has_moments(optimizer: Any) -> bool:
    return _is_like_adam(optimizer) and not getattr(optimizer, "has_no_moments", False)


names.is_like_adam = _has_moments


class SummaryModel(keras.Model):
    """The recipe: a `train_step` that writes what it sees of the gradients."""

    writer: Any = None
    every = 1

    def train_step(self, data: Any) -> Any:
        """Trains one step, and writes the loss, and of every gradient its norm and a histogram."""
        x, y = data
        with tf.GradientTape() as tape:
            loss = self.compute_loss(x, y, self(x, training=True))
        variables = self.trainable_variables
        gradients = tape.gradient(loss, variables)
        step = tf.cast(self.optimizer.iterations.value, tf.int64)
        with (
            self.writer.as_default(step=step),
            tf.summary.record_if(tf.equal(step % self.every, 0)),
        ):
            tf.summary.scalar("loss", loss)
            for variable, gradient in zip(variables, gradients, strict=True):
                tf.summary.scalar(f"norm/{variable.path}", tf.linalg.global_norm([gradient]))
                tf.summary.histogram(f"gradient/{variable.path}", gradient)
        self.optimizer.apply(gradients, variables)
        self._loss_tracker.update_state(loss)
        return {"loss": self._loss_tracker.result()}


def model_class(variant: Variant) -> type[keras.Model]:
    """Returns the class that a variant's model must have."""
    return SummaryModel if variant.summary_every else keras.Model


def prepare(
    variant: Variant, model: keras.Model, folder: Path, stack: contextlib.ExitStack
) -> list[keras.callbacks.Callback]:
    """Compiles a model and gets it ready for the variant; returns callbacks for `fit`."""
    is_ours = variant.statistics_every is not None
    optimizer = keras.optimizers.Adam(global_clipnorm=None if is_ours else _MAX_NORM)
    model.compile(optimizer, "sparse_categorical_crossentropy", jit_compile=False)
    if is_ours:
        optimizer.has_no_moments = not variant.adam_rms
        clip = ClipByGlobalNorm(max_norm=_MAX_NORM)
        stack.enter_context(
            instrument(model, folder, clip=clip, statistics_every=variant.statistics_every)
        )
    if isinstance(model, SummaryModel):
        model.writer, model.every = (
            tf.summary.create_file_writer(str(folder)),
            variant.summary_every,
        )
    if variant.tensorboard:
        return [keras.callbacks.TensorBoard(folder, histogram_freq=1, write_graph=False)]
    return []


def switch_on(variant: Variant, folder: Path) -> None:
    """Switches on what a variant has on for the whole process."""
    if variant.switch == "check_numerics":
        tf.debugging.enable_check_numerics()
    elif variant.switch == "debugger_v2":
        tf.debugging.experimental.enable_dump_debug_info(
            str(folder), tensor_debug_mode="FULL_HEALTH", circular_buffer_size=1000
        )
