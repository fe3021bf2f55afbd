"""What stands in the training step: notes loss, labels and updates, hands gradients to the meter.

Its methods run while TensorFlow traces the step (or, eagerly, in every step), so what they note is
Python state of one trace, and what they compute is part of the graph.
"""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from gradgate.gradients import norms_of
from gradgate.gradients.rarely import Traced, unless_rare
from gradgate.gradients.report import Weight
from gradgate.gradients.sparse import Gradient, values_of, with_values
from gradgate.training import keras_hooks
from gradgate.training.labels import LabelStatistics
from gradgate.training.layout import Layout
from gradgate.training.meter import Meter, Seen
from gradgate.training.sample import change_norm, that_can_be_taken_out
from gradgate.training.scope import is_reachable, outside_of_traces, replica, replicas_here
from gradgate.training.settings import GuardSettings
from gradgate.training.weights import layers_of, weights_of


class Probe:
    """Sees every step of one optimizer: a `keras_hooks.Observer`.

    Args:
        model: Whose layers hold the variables.
        optimizer: Of the steps.
        variables: Gives the variables that it trains, from its first step on.
        settings: Of the guard.
        strategy: That the training runs under.
        labels: Counts the training labels; None when the loss has no use for them.
        on_meter: Called with the meter before the first step is traced.
        on_eager_step: Called after each step that ran eagerly.

    Attributes:
        variables: How many there are; 0 before the first step was traced.
        meter: The device-side state; None before the first step was traced.
        has_gradient: For each variable, whether any trace had a gradient for it.
        loss_measured: Whether every trace knew its loss.
        penalty_is_in_loss: Whether the loss is known to hold the weight regularisers.
        takes_penalty_out: Whether the data-loss gradient is known: its regularisers taken out.
        traces: How often a step was traced; eagerly, how often it ran.
    """

    def __init__(
        self,
        model: keras.Model,
        optimizer: keras.optimizers.Optimizer,
        *,
        variables: Callable[[], list[keras.Variable]],
        settings: GuardSettings,
        strategy: tf.distribute.Strategy,
        labels: LabelStatistics | None,
        on_meter: Callable[[Meter], None],
        on_eager_step: Callable[[], None],
    ) -> None:
        self._model, self._optimizer, self._settings = model, optimizer, settings
        self._trained, self._strategy = variables, strategy
        self._on_meter, self._on_eager_step = on_meter, on_eager_step
        self._losses: dict[int, Any] = {}  # by replica: some optimizers change threads
        self._updates: dict[int, tuple[Any, Any]] = {}
        self._traced: Traced = {}
        self._seen: Seen | None = None
        self._weights: list[Weight] = []
        self._layers: list[int] = []  # each variable's
        self._positions: dict[int, int] = {}
        self._replicas = strategy.num_replicas_in_sync
        self._batches = keras_hooks.inner_optimizer(optimizer).gradient_accumulation_steps or 1
        self._is_scaled = keras_hooks.inner_optimizer(optimizer) is not optimizer
        self.labels = labels
        self.variables = 0
        self.meter: Meter | None = None
        self.has_gradient: np.ndarray | None = None
        self.loss_measured = True
        self.penalty_is_in_loss = self.takes_penalty_out = False
        self.traces = 0

    def note_loss(self, loss: Any) -> None:
        """Takes the loss of the batch whose gradients come next."""
        self._losses[replica()] = loss

    def losses_to_sum(self) -> tf.Tensor | None:
        """Returns the loss of this replica at its place, float32 [r]; None with one replica."""
        if self._replicas == 1:
            return None
        return self._at_its_place(self._take_loss())

    def note_batch(self) -> None:
        """Adds the loss of one of several batches that make a step."""
        meter = self._made_meter()
        loss = self._take_loss()
        self.loss_measured &= loss is not None
        meter.add_loss(tf.constant([np.nan], tf.float32) if loss is None else loss[None])
        self._count_labels()

    def see_gradients(
        self, pairs: keras_hooks.Pairs, losses: tf.Tensor | None
    ) -> tuple[list[Any], tf.Tensor]:
        """Measures and clips one step; see `keras_hooks.Observer`."""
        meter = self._made_meter()
        here = replica() % replicas_here(self._strategy)
        positions, gradients = self._in_order(pairs, note=True)
        if self._batches > 1:
            loss = meter.take_losses()[0] / float(self._batches)
        elif losses is None:
            loss = self._take_loss()
            self.loss_measured &= loss is not None
        else:
            loss = tf.reduce_sum(losses)
        if here == 0:
            self.traces += 1
            self._updates = {}
        if self._batches == 1:
            self._count_labels()
        clipped, is_applied, seen = meter.look(
            gradients,
            weights=self._weights,
            loss=loss if self.loss_measured else None,
            losses=losses,
            loss_scale=self._scale(),
            replica_here=here,
        )
        if here == 0:
            self._seen = seen
        return [clipped[position] for position in positions], is_applied

    def note_update(self, variable: Any, value: Any, *, replaces: bool) -> None:
        """Takes what is about to be added to a variable, or to replace it."""
        if self.meter is None or not self.meter.layout.is_sampled:
            return
        found = keras_hooks.tf_variable(variable)
        position = self._positions.get(id(keras_hooks.container_of(found)))
        if position is not None and position not in self._updates:  # else another replica's
            self._updates[position] = (value, found.read_value() if replaces else None)

    def update_norms(self) -> tf.Tensor:
        """Returns the norms of what was added to each variable, float32 [v]."""
        assert self.meter is not None, "a step was seen"
        is_sampled = self.meter.is_sampled(self._seen)
        if is_sampled is None or not self._is_first_here():
            return tf.zeros([self.variables])
        changes = [self._updates.get(position, (None, None)) for position in range(self.variables)]

        def norms(*given: Any) -> tuple[tf.Tensor]:
            pairs = zip(given[: self.variables], given[self.variables :], strict=True)
            return (tf.stack([change_norm(new, old) for new, old in pairs]),)

        arguments = [new for new, _ in changes] + [old for _, old in changes]
        (each,) = unless_rare(
            ~is_sampled, lambda *_: (tf.zeros([self.variables]),), norms, arguments, self._traced
        )
        return each

    def write(self, update_norms: tf.Tensor) -> None:
        """Writes the row of the step that was seen."""
        if not self._is_first_here():
            return
        assert self.meter is not None and self._seen is not None, "a step was seen"  # noqa: PT018
        self.meter.write(self._seen, update_norms)
        self._seen = None
        if tf.executing_eagerly():
            self._on_eager_step()

    def see_batch(self, pairs: keras_hooks.Pairs) -> tf.Tensor:
        """Returns bool [], whether the gradients of one of several batches are finite."""
        meter = self._made_meter()
        _, gradients = self._in_order(pairs, note=False)
        loss = self._peek_loss()
        is_finite = tf.math.is_finite(norms_of(gradients).overall)
        if loss is not None:
            is_finite &= tf.math.is_finite(loss)
        return is_finite & ~meter.is_over() if self._settings.on_nonfinite == "stop" else is_finite

    def write_batch(self, pairs: keras_hooks.Pairs) -> None:
        """Writes the row of one of several batches that was left out."""
        assert self.meter is not None, "made by see_batch"
        _, gradients = self._in_order(pairs, note=False)
        self.meter.write_left_out(
            gradients, weights=self._weights, loss=self._peek_loss(), loss_scale=self._scale()
        )

    def see_scaled(self, pairs: keras_hooks.Pairs, is_finite: tf.Tensor) -> tf.Tensor:
        """Tells a scale that was too great, which is no fault, from a step that has one.

        The loss is not scaled yet when it is noted, so one that is not finite is a fault. So is a
        gradient that is not finite under a scale of 1 or less, which makes nothing greater.

        So is a NaN, without an infinity anywhere, beside a finite gradient of the same layer. What
        overflows is the gradient of a layer's output, and that spoils all of its variables; but a
        NaN in its input, which a fused ReLU may hide from the loss, leaves its bias alone. A NaN
        says nothing by itself: in float16, an LSTM that overflows has no infinity left.
        """
        meter = self._made_meter()
        _, gradients = self._in_order(pairs, note=True)
        loss, losses = self._peek_loss(), None
        scale = self._scale()
        if self._replicas > 1:
            is_infinite = tf.cast(_any_infinite(gradients), tf.float32)
            bad = tf.cast(_are_bad(gradients), tf.float32)
            context = tf.distribute.get_replica_context()
            packed = context.all_reduce(
                tf.distribute.ReduceOp.SUM,
                tf.concat([bad, is_infinite[None], self._at_its_place(loss)], axis=0),
            )
            bad, is_infinite, losses = tf.split(packed, [self.variables, 1, self._replicas])
            is_finite = tf.reduce_all(tf.equal(bad, 0.0))
            loss = None if loss is None else tf.reduce_sum(losses)
        if not self._is_first_here():
            return is_finite

        def handle() -> int:
            if self._replicas == 1:
                is_bad, has_infinity = _are_bad(gradients), _any_infinite(gradients)
            else:
                is_bad, has_infinity = bad > 0, is_infinite[0] > 0
            is_fault = (scale <= 1.0) | ~has_infinity & self._is_layer_divided(is_bad, gradients)
            if loss is not None:
                is_fault |= ~tf.math.is_finite(loss)
            meter.skips(~is_fault)
            marked = gradients
            if self._replicas > 1:  # a variable is to blame when any replica's gradient is bad
                marked = [
                    None if g is None else _with_nan(g, is_bad[i]) for i, g in enumerate(gradients)
                ]
            meter.write_left_out(
                [None if g is None else _divided(g, scale) for g in marked],
                weights=self._weights,
                loss=loss,
                losses=losses,
                loss_scale=scale,
                unless=~is_fault,
            )
            return 0

        tf.cond(is_finite, lambda: 0, handle)
        return is_finite

    def _is_layer_divided(self, is_bad: tf.Tensor, gradients: Sequence[Gradient]) -> tf.Tensor:
        """Returns bool [], whether some layer has finite gradients and others."""
        known = [i for i, gradient in enumerate(gradients) if gradient is not None]
        layers, count = [self._layers[i] for i in known], max(self._layers) + 1
        bad = tf.cast(tf.gather(is_bad, known), tf.int32)
        wrong = tf.math.unsorted_segment_sum(bad, layers, count)
        right = tf.math.unsorted_segment_sum(1 - bad, layers, count)
        return tf.reduce_any((wrong > 0) & (right > 0))

    def _made_meter(self) -> Meter:
        if self.meter is None:
            self.meter = outside_of_traces(self._make_meter)
        return self.meter

    def _make_meter(self) -> Meter:
        settings, variables = self._settings, self._trained()
        self.variables = len(variables)
        self._weights = weights_of(self._model, variables)
        self._layers = layers_of(self._model, variables)
        self._positions = {
            id(keras_hooks.tf_variable(variable)): position
            for position, variable in enumerate(variables)
        }
        self.has_gradient = np.zeros(len(variables), bool)
        given = [getattr(variable, "regularizer", None) for variable in variables]
        regularizers = [
            None if regularizer is None else that_can_be_taken_out(regularizer, variable)
            for regularizer, variable in zip(given, variables, strict=True)
        ]
        are_known = [each is None for each in given] == [each is None for each in regularizers]
        self.takes_penalty_out = self.penalty_is_in_loss and are_known
        # One call of a train function must never overwrite what it wrote itself.
        steps = max(settings.ring_steps, 2 * getattr(self._model, "steps_per_execution", 1))
        meter = Meter(
            layout=Layout(
                variables=len(variables),
                replicas=self._replicas,
                stages=len(settings.clip),
                loss_scaled=self._is_scaled,
                has_data=self.takes_penalty_out and any(r is not None for r in regularizers),
                is_sampled=settings.statistics_every > 0,
            ),
            settings=settings,
            ring_steps=steps,
            replicas_here=replicas_here(self._strategy),
            regularizers=regularizers,
        )
        self._on_meter(meter)
        return meter

    def _in_order(
        self, pairs: keras_hooks.Pairs, *, note: bool
    ) -> tuple[list[int], list[Gradient]]:
        """Returns the position of each pair, and the gradients of all variables."""
        assert self.has_gradient is not None, "made together with the meter"
        positions = [self._position(variable) for _, variable in pairs]
        gradients: list[Gradient] = [None] * self.variables
        for position, (gradient, _) in zip(positions, pairs, strict=True):
            gradients[position] = gradient
            if note:
                self.has_gradient[position] |= gradient is not None
        return positions, gradients

    def _position(self, variable: tf.Variable) -> int:
        position = self._positions.get(id(keras_hooks.container_of(variable)))
        if position is None:
            raise ValueError(
                f"gradgate: the optimizer was given a gradient for '{variable.name}', which was no"
                f" trainable variable of the model '{self._model.name}' at its first step. Guard"
                " a model that holds all variables that its optimizer trains, and compile and"
                " instrument it again after changing `trainable`."
            )
        return position

    def _count_labels(self) -> None:
        if self.labels is not None:
            self.labels.count()

    def _is_first_here(self) -> bool:
        return replica() % replicas_here(self._strategy) == 0

    def _scale(self) -> tf.Tensor | None:
        if not self._is_scaled:
            return None
        return tf.convert_to_tensor(self._optimizer.dynamic_scale.value)

    def _at_its_place(self, loss: tf.Tensor | None) -> tf.Tensor:
        self.loss_measured &= loss is not None
        is_own = tf.range(self._replicas) == replica()
        return tf.where(is_own, np.float32(np.nan) if loss is None else loss, 0.0)

    def _peek_loss(self) -> tf.Tensor | None:
        loss = self._losses.get(replica())
        if loss is None or not is_reachable(loss):
            return None
        loss = tf.convert_to_tensor(loss)
        if loss.shape.rank != 0:
            raise ValueError(
                f"gradgate: the loss of a step must be one number, got shape {loss.shape}."
                " Reduce it first, for example with keras.ops.mean."
            )
        return tf.cast(loss, tf.float32)

    def _take_loss(self) -> tf.Tensor | None:
        loss = self._peek_loss()
        self._losses.pop(replica(), None)
        return loss


def _are_bad(gradients: Sequence[Gradient]) -> tf.Tensor:
    """Returns bool [v], which gradients are not finite."""
    return ~tf.math.is_finite(norms_of(gradients).each)


def _any_infinite(gradients: Sequence[Gradient]) -> tf.Tensor:
    """Returns bool [], whether any entry is infinite."""
    return tf.reduce_any(
        [tf.reduce_any(tf.math.is_inf(values_of(g))) for g in gradients if g is not None]
    )


def _with_nan(gradient: tf.Tensor | tf.IndexedSlices, is_bad: tf.Tensor) -> Gradient:
    values = values_of(gradient)
    nan = tf.cast(np.nan, values.dtype)
    return with_values(gradient, tf.where(is_bad, nan, values))


def _divided(gradient: tf.Tensor | tf.IndexedSlices, scale: tf.Tensor) -> Gradient:
    values = values_of(gradient)
    return with_values(gradient, values / tf.cast(scale, values.dtype))


def observe_loss(
    probe: Probe,
    model: keras.Model,
    compute_loss: Callable[..., Any],
    keep_inputs: Callable[[Any], None] | None,
) -> Callable[..., Any]:
    """Returns a `compute_loss` that shows inputs and labels of training batches to the probe.

    Args:
        probe: Of the model's optimizer.
        model: The model.
        compute_loss: Of the model.
        keep_inputs: Takes the inputs of a training batch.
    """
    # Keras's own adds `model.losses`, and with them the weight regularisers.
    adds_penalty = type(model).compute_loss is keras.Model.compute_loss

    def observed_compute_loss(
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,  # noqa: FBT001, FBT002 - the signature is Keras's
    ) -> Any:
        if training:
            probe.penalty_is_in_loss |= adds_penalty
            if keep_inputs is not None and x is not None and replica() == 0:
                keep_inputs(x)
        if probe.labels is not None:
            if training:
                probe.labels.notice(y, y_pred, sample_weight)
            else:
                probe.labels.forget()
        return compute_loss(x, y, y_pred, sample_weight, training=training)

    return observed_compute_loss
