"""What stands in the training step: notes the loss and the labels, hands gradients to the meter.

Its methods run while TensorFlow traces the step (or, eagerly, in every step), so what they note is
Python state of one trace, and what they compute is part of the graph.
"""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from gradgate.gradients.sparse import Gradient
from gradgate.training import keras_hooks
from gradgate.training.labels import LabelStatistics
from gradgate.training.meter import Meter
from gradgate.training.scope import is_reachable, outside_of_traces
from gradgate.training.settings import GuardSettings


class Probe:
    """Sees every step of one model.

    Args:
        model: Compiled; built at the latest when the first step is traced.
        settings: Of the guard.
        labels: Counts the training labels; None when the loss has no use for them.
        on_eager_step: Called after each step that ran eagerly.

    Attributes:
        meter: The device-side state; None before the first step was traced.
        has_gradient: For each trainable variable, whether any trace had a gradient for it.
        loss_measured: Whether every trace knew its loss.
        traces: How often a step was traced; eagerly, how often it ran.
    """

    def __init__(
        self,
        model: keras.Model,
        *,
        settings: GuardSettings,
        labels: LabelStatistics | None,
        on_eager_step: Callable[[], None],
    ) -> None:
        self._model, self._settings = model, settings
        self._on_eager_step = on_eager_step
        self._loss: Any = None
        self._positions: dict[int, int] = {}
        self.labels = labels
        self.meter: Meter | None = None
        self.has_gradient: np.ndarray | None = None
        self.loss_measured = True
        self.traces = 0

    def note_loss(self, loss: Any) -> None:
        """Takes the loss of the step whose gradients come next."""
        self._loss = loss

    def see_gradients(self, pairs: keras_hooks.Pairs) -> tuple[list[Any], tf.Tensor]:
        """Measures and clips one step; see `keras_hooks.attach`."""
        self.traces += 1
        if self.meter is None:
            self.meter = outside_of_traces(self._make_meter)
        assert self.has_gradient is not None, "made together with the meter"
        positions = [self._position(variable) for _, variable in pairs]
        gradients: list[Gradient] = [None] * len(self.has_gradient)
        for position, (gradient, _) in zip(positions, pairs, strict=True):
            gradients[position] = gradient
            self.has_gradient[position] |= gradient is not None
        loss = self._take_loss()
        self.loss_measured &= loss is not None
        if self.labels is not None:
            self.labels.count()
        clipped, is_applied = self.meter.measure(gradients, loss)
        if tf.executing_eagerly():
            self._on_eager_step()
        return [clipped[position] for position in positions], is_applied

    def _make_meter(self) -> Meter:
        variables = self._model.trainable_variables
        self._positions = {
            id(keras_hooks.tf_variable(variable)): position
            for position, variable in enumerate(variables)
        }
        self.has_gradient = np.zeros(len(variables), bool)
        # One call of a train function must never overwrite what it wrote itself.
        steps = max(self._settings.ring_steps, 2 * self._model.steps_per_execution)
        return Meter(variables=len(variables), settings=self._settings, ring_steps=steps)

    def _position(self, variable: tf.Variable) -> int:
        position = self._positions.get(id(variable))
        if position is None:
            raise ValueError(
                f"gradgate: the optimizer was given a gradient for '{variable.name}', which was no"
                f" trainable variable of the model '{self._model.name}' at its first step. Guard"
                " a model that holds all variables that its optimizer trains, and compile and"
                " instrument it again after changing `trainable`."
            )
        return position

    def _take_loss(self) -> tf.Tensor | None:
        loss, self._loss = self._loss, None
        if loss is None or not is_reachable(loss):
            return None
        loss = tf.convert_to_tensor(loss)
        if loss.shape.rank != 0:
            raise ValueError(
                f"gradgate: the loss of a step must be one number, got shape {loss.shape}."
                " Reduce it first, for example with keras.ops.mean."
            )
        return tf.cast(loss, tf.float32)


def observe_labels(probe: Probe, compute_loss: Callable[..., Any]) -> Callable[..., Any]:
    """Returns a `compute_loss` that shows the labels of training batches to the probe."""

    def observed_compute_loss(
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,  # noqa: FBT001, FBT002 - the signature is Keras's
    ) -> Any:
        assert probe.labels is not None, "shadowed only when labels are counted"
        if training:
            probe.labels.notice(y, y_pred, sample_weight)
        else:
            probe.labels.forget()
        return compute_loss(x, y, y_pred, sample_weight, training=training)

    return observed_compute_loss
