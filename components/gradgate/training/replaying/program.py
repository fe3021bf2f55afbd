"""What a replay needs of a training's program: its model and its batches, epoch by epoch."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import keras
import tensorflow as tf

Data = tf.data.Dataset | Callable[[int], tf.data.Dataset]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Program:
    """A training as it was before its first step.

    Attributes:
        model: Compiled, with the weights that the training began with (drawn after
            `gradgate.reproducible(seed)`, which a replay calls first).
        data: The batches of one epoch, which is iterated anew for each; or what gives them for an
            epoch, from 0.
        step: What a loop by hand does with one batch; `model.train_on_batch` if it is left out.
        optimizers: As they were given to `instrument`, if they were.
        class_weight: As it was given to `fit`, if it was.
    """

    model: keras.Model
    data: Data
    step: Callable[[Any], Any] | None = None
    optimizers: keras.optimizers.Optimizer | Mapping[str, keras.optimizers.Optimizer] | None = None
    class_weight: Mapping[int, float] | None = None

    def take(self, batch: Any) -> None:
        """Trains on one batch, as the training did."""
        if self.step is not None:
            self.step(batch)
            return
        parts = dict(zip(("x", "y", "sample_weight"), parts_of(batch), strict=False))
        self.model.train_on_batch(**parts, class_weight=self.class_weight)

    def bare_step(self) -> Callable[[Any], Any]:
        """Returns what trains on one batch inside of a graph that is traced anew."""
        if self.step is None:
            return self.model.train_step
        # A function that was traced before is not traced again, and so not looked into.
        return getattr(self.step, "python_function", self.step)

    def build(self, batch: Any) -> None:
        """Makes all variables that a step changes, if it would make them by itself."""
        if not self.model.built:
            self.model(parts_of(batch)[0], training=False)
        for optimizer in self.all_optimizers():
            if not optimizer.built:
                optimizer.build(self.model.trainable_variables)

    def all_optimizers(self) -> tuple[keras.optimizers.Optimizer, ...]:
        """Returns the optimizers that take the steps."""
        if self.optimizers is None:
            return (self.model.optimizer,)
        if isinstance(self.optimizers, Mapping):
            return tuple(self.optimizers.values())
        return (self.optimizers,)

    def epoch(self, number: int) -> tf.data.Dataset:
        """Returns the batches of an epoch.

        Raises:
            TypeError: If the data are no `tf.data.Dataset`.
        """
        data = self.data if isinstance(self.data, tf.data.Dataset) else self.data(number)
        if not isinstance(data, tf.data.Dataset):
            raise TypeError(
                f"replay-step: the data of epoch {number} must be a tf.data.Dataset of batches, got"
                f" {type(data).__name__}. Make it the way the training did, batched: arrays given"
                " to fit are shuffled by Keras, in an order that nobody can take up again."
            )
        return data


def parts_of(batch: Any) -> tuple[Any, ...]:
    """Returns inputs, labels and weights of a batch, as far as it has them."""
    return tuple(batch) if isinstance(batch, (tuple, list)) else (batch,)


def program_of(answer: Any, *, name: str) -> Program:
    """Returns the program that a function gave: a `Program`, or a model and its batches.

    Args:
        answer: What the function returned.
        name: Of the function, for messages.

    Raises:
        TypeError: If it is neither, or its parts are something else.
    """
    if isinstance(answer, tuple) and len(answer) == 2:
        answer = Program(model=answer[0], data=answer[1])
    if not isinstance(answer, Program):
        raise TypeError(
            f"replay-step: {name} must return (model, dataset) or a gradgate.training.replaying"
            f".Program, got {type(answer).__name__}."
        )
    if not isinstance(answer.model, keras.Model):
        raise TypeError(
            f"replay-step: the model that {name} returns must be a Keras 3 model, got"
            f" {type(answer.model).__name__}."
        )
    if not (isinstance(answer.data, tf.data.Dataset) or callable(answer.data)):
        raise TypeError(
            f"replay-step: the data that {name} returns must be a tf.data.Dataset of batches, or a"
            f" function from an epoch to one, got {type(answer.data).__name__}. Arrays given to fit"
            " are shuffled by Keras, in an order that nobody can take up again."
        )
    return answer
