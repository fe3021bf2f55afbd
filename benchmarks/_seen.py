"""What the rules of others look at: gradients, weights, outputs and accuracies of a training.

A plain Keras callback, beside the guard. All of it is of the first batch of the training data, with
the weights that the training has by then: AUTOTRAINER looks at that batch, and Debugger, which sees
the batch of each step, is given it too. Nothing of the training is changed.
"""

import contextlib
import dataclasses
import functools
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

Arrays = list[np.ndarray]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Snapshot:
    """The model at one step.

    Attributes:
        step, epoch: How many were complete.
        loss: Of the batch, with penalties.
        gradients: One a trainable variable; those without one are left out.
        weights: One a trainable variable.
        outputs: One a layer, in their order: [batch, ...].
        activations: Name, input and output of each activation that a layer applies: [batch, ...].
    """

    step: int
    epoch: int
    loss: float
    gradients: Arrays
    weights: Arrays
    outputs: Arrays
    activations: list[tuple[str, np.ndarray, np.ndarray]]


@dataclasses.dataclass(kw_only=True)
class Seen:
    """A whole training.

    Attributes:
        loss_name: As it was given to `compile`; None if it was no name.
        last_activation: Name of the output's.
        snapshots: Of the steps that were asked for.
        checks: Of the epochs' ends that were asked for.
        history: `loss` and `accuracy`, of the training data and `held_` of what was kept from it,
            one a complete epoch; accuracies of classifiers alone.
    """

    loss_name: str | None = None
    last_activation: str = "linear"
    snapshots: list[Snapshot] = dataclasses.field(default_factory=list)
    checks: list[Snapshot] = dataclasses.field(default_factory=list)
    history: dict[str, list[float]] = dataclasses.field(default_factory=dict)


class Watch(keras.callbacks.Callback):
    """Fills `seen` while a model trains.

    Args:
        data, held: Inputs and labels, of the training and kept from it.
        batch_size: Of the training.
        every: Steps between two snapshots.
        check_every: Epochs between two checks; there is one at the end besides.
    """

    def __init__(
        self, data: Any, held: Any, *, batch_size: int, every: int = 10, check_every: int = 3
    ) -> None:
        super().__init__()
        self.seen = Seen()
        self._data, self._held = data, held
        self._batch = tuple(tf.constant(part[:batch_size]) for part in data)
        self._every, self._check_every = every, check_every
        self._step = self._epoch = 0

    def on_train_begin(self, logs: Any = None) -> None:  # noqa: ARG002
        loss = self.model.loss
        self.seen.loss_name = loss if isinstance(loss, str) else None
        self.seen.last_activation = getattr(
            getattr(self.model.layers[-1], "activation", None), "__name__", "linear"
        )

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002
        if self._step % self._every == 0:
            self.seen.snapshots.append(self._snapshot())
        self._step += 1

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
        self._epoch = epoch + 1
        for prefix, (x, y) in {"": self._data, "held_": self._held}.items():
            for name, value in self._evaluate(x, y).items():
                self.seen.history.setdefault(prefix + name, []).append(value)
        if self._epoch % self._check_every == 0:
            self.seen.checks.append(self._snapshot())

    def on_train_end(self, logs: Any = None) -> None:  # noqa: ARG002
        if not self.seen.checks or self.seen.checks[-1].epoch != self._epoch:
            self.seen.checks.append(self._snapshot())

    def _evaluate(self, x: np.ndarray, y: np.ndarray) -> dict[str, float]:
        loss, answers = (part.numpy() for part in self._forward(tf.constant(x), tf.constant(y)))
        found = {"loss": float(loss)}
        accuracy = accuracy_of(answers, y, self.seen.loss_name or type(self.model.loss).__name__)
        return found if accuracy is None else {**found, "accuracy": accuracy}

    def _snapshot(self) -> Snapshot:
        loss, gradients, outputs, activations = tf.nest.map_structure(
            lambda tensor: tensor.numpy(), self._backward(*self._batch)
        )
        return Snapshot(
            step=self._step,
            epoch=self._epoch,
            loss=float(loss),
            gradients=list(gradients),
            weights=[variable.numpy() for variable in self.model.trainable_variables],
            outputs=list(outputs),
            activations=[(n, *io) for n, io in zip(self._named, activations, strict=True)],
        )

    @functools.cached_property
    def _forward(self) -> Any:
        def forward(x: Any, y: Any) -> Any:
            with keras.StatelessScope():
                answers = self.model(x, training=False)
            return self._loss(x, y, answers), answers

        return tf.function(forward)

    @functools.cached_property
    def _backward(self) -> Any:
        self._named: list[str] = []
        variables = [variable.value for variable in self.model.trainable_variables]

        def backward(x: Any, y: Any) -> Any:
            with tf.GradientTape() as tape:
                with keras.StatelessScope():
                    answers = self.model(x, training=True)
                loss = tf.cast(self._loss(x, y, answers), tf.float32)
            gradients = [
                tf.convert_to_tensor(gradient)
                for gradient in tape.gradient(loss, variables)
                if gradient is not None
            ]
            with _noted(self.model) as notes, keras.StatelessScope():
                self.model(x, training=False)
            self._named[:] = [name for name, _, _ in notes.activations]
            pairs = [pair for _, *pair in notes.activations]
            return loss, gradients, notes.outputs, pairs

        return tf.function(backward)

    def _loss(self, x: Any, y: Any, answers: Any) -> Any:
        # The class's own method: the guard notes what goes through the instance's.
        return type(self.model).compute_loss(self.model, x, y, answers)


def accuracy_of(answers: np.ndarray, y: np.ndarray, loss: str) -> float | None:
    """Returns the fraction of right answers of a classifier; None of anything else."""
    loss = loss.lower()
    if "categorical" in loss:
        truth = y.argmax(-1) if y.ndim == answers.ndim and "sparse" not in loss else y
        return float((answers.argmax(-1) == truth).mean())
    if "binary" in loss or "entropy" in loss:
        least = 0.0 if answers.min() < 0 or answers.max() > 1 else 0.5  # logits, or not
        return float(((answers.ravel() > least) == (y.ravel() > 0.5)).mean())
    return None


@dataclasses.dataclass
class _Notes:
    outputs: list[Any] = dataclasses.field(default_factory=list)
    activations: list[Any] = dataclasses.field(default_factory=list)


@contextlib.contextmanager
def _noted(model: keras.Model) -> Iterator[_Notes]:
    """Notes the output of every layer, and what every activation is given and gives, while open."""
    notes, undo = _Notes(), []
    for layer in model.layers:
        if isinstance(layer, keras.layers.InputLayer):
            continue
        undo.append((layer, "call", layer.__dict__.get("call")))
        layer.call = _noting_output(layer.call, notes)
        inner = getattr(layer, "activation", None)
        if callable(inner) and not isinstance(layer, keras.layers.RNN):
            undo.append((layer, "activation", inner))
            layer.activation = _noting_activation(inner, notes)
    try:
        yield notes
    finally:
        for layer, name, was in undo:
            if was is None:
                delattr(layer, name)
            else:
                setattr(layer, name, was)


def _noting_output(call: Any, notes: _Notes) -> Any:
    @functools.wraps(call)
    def noting(*args: Any, **options: Any) -> Any:
        output = call(*args, **options)
        notes.outputs.append(output)
        return output

    return noting


def _noting_activation(function: Any, notes: _Notes) -> Any:
    @functools.wraps(function)
    def noting(x: Any, *args: Any, **options: Any) -> Any:
        output = function(x, *args, **options)
        notes.activations.append((getattr(function, "__name__", ""), x, output))
        return output

    return noting
