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
from gradgate.gradients.sparse import Gradient
from gradgate.training.hooks import names
from gradgate.training.hooks.observer import Pairs
from gradgate.training.labels import LabelStatistics
from gradgate.training.layout import Layout
from gradgate.training.meter import Meter, Seen
from gradgate.training.noted_losses import NotedLosses
from gradgate.training.overflow import any_infinite, are_bad, is_fault, marked, unscaled
from gradgate.training.replicas import at_its_place, split
from gradgate.training.sample import adam_rms, change_norm, that_can_be_taken_out
from gradgate.training.scope import as_written, outside_of_traces, replica, replicas_here
from gradgate.training.settings import GuardSettings
from gradgate.training.weights import layers_of, weights_of


class Probe:
    """Sees every step of one optimizer: a `Observer`.

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
        self._updates: dict[int, tuple[Any, Any]] = {}
        self._traced: Traced = {}
        self._seen: Seen | None = None
        self._used: list[Gradient] = []  # as the optimizer gets them, in the order of variables
        self._steps_before: tf.Tensor | None = None  # of the optimizer
        self._weights: list[Weight] = []
        self._layers: list[int] = []  # each variable's
        self._positions: dict[int, int] = {}
        self._replicas = strategy.num_replicas_in_sync
        self._losses = NotedLosses()
        self._batches = names.inner_optimizer(optimizer).gradient_accumulation_steps or 1
        self._is_scaled = names.inner_optimizer(optimizer) is not optimizer
        self.labels = labels
        self.variables = 0
        self.meter: Meter | None = None
        self.has_gradient: np.ndarray | None = None
        self.penalty_is_in_loss = self.takes_penalty_out = False
        self.traces = 0

    @property
    def loss_measured(self) -> bool:
        """Whether every trace knew its loss."""
        return self._losses.are_measured

    @as_written
    def note_loss(self, loss: Any) -> None:
        """Takes the loss of the batch whose gradients come next."""
        self._losses.note(loss)

    @as_written
    def of_replica(self, pairs: Pairs) -> tf.Tensor | None:
        """Returns loss and gradient norm of this replica; see `Observer`."""
        if self._replicas == 1:
            return None
        norm = norms_of([gradient for gradient, _ in pairs]).overall
        return at_its_place(self._losses.take(), norm, self._replicas)

    @as_written
    def note_batch(self) -> None:
        """Adds the loss of one of several batches that make a step."""
        meter = self._made_meter()
        loss = self._losses.take()
        meter.add_loss(tf.constant([np.nan], tf.float32) if loss is None else loss[None])
        self._count_labels()

    @as_written
    def see_gradients(
        self, pairs: Pairs, of_replicas: tf.Tensor | None
    ) -> tuple[list[Any], tf.Tensor]:
        """Measures and clips one step; see `Observer`."""
        meter = self._made_meter()
        here = replica() % replicas_here(self._strategy)
        positions, gradients = self._in_order(pairs, note=True)
        known = None if of_replicas is None else split(of_replicas)
        if self._batches > 1:
            loss = meter.take_losses()[0] / float(self._batches)
        elif known is None:
            loss = self._losses.take()
        else:
            loss = tf.reduce_sum(known.losses)
        if here == 0:
            self.traces += 1
            self._updates = {}
        if self._batches == 1:
            self._count_labels()
        clipped, is_applied, seen = meter.look(
            gradients,
            weights=self._weights,
            loss=loss if self.loss_measured else None,
            of_replicas=known,
            loss_scale=self._scale(),
            replica_here=here,
        )
        if here == 0:
            self._seen, self._used = seen, clipped
            if meter.layout.has_moments:
                steps = names.inner_optimizer(self._optimizer).iterations
                self._steps_before = tf.cast(tf.convert_to_tensor(steps), tf.float32)
        return [clipped[position] for position in positions], is_applied

    @as_written
    def note_update(self, variable: Any, value: Any, *, replaces: bool) -> None:
        """Takes what is about to be added to a variable, or to replace it."""
        if self.meter is None or not self.meter.layout.is_sampled:
            return
        found = names.tf_variable(variable)
        position = self._positions.get(id(names.container_of(found)))
        if position is not None and position not in self._updates:  # else another replica's
            self._updates[position] = (value, found.read_value() if replaces else None)

    @property
    def update_width(self) -> int:
        """How many numbers `of_update` returns."""
        assert self.meter is not None, "a step was seen"
        return self.meter.layout.update_width

    @as_written
    def of_update(self) -> tf.Tensor:
        """Returns norms of what was added to each variable, and more, float32 [update_width]."""
        assert self.meter is not None, "a step was seen"
        is_usual = self.meter.is_usual(self._seen)
        if is_usual is None or not self._is_first_here():
            return tf.zeros([self.update_width])
        changes = [self._updates.get(position, (None, None)) for position in range(self.variables)]
        assert self.has_gradient is not None, "made together with the meter"
        # An optimizer may change variables past its own methods, where nobody sees by how much.
        unseen = [
            np.float32(np.nan if new is None and has_gradient else 0)
            for (new, _), has_gradient in zip(changes, self.has_gradient, strict=True)
        ]

        v = self.variables

        def numbers(*given: Any) -> tuple[tf.Tensor]:
            pairs = zip(given[:v], given[v : 2 * v], strict=True)
            norms = tf.stack([change_norm(new, old) for new, old in pairs]) + unseen
            return (tf.concat([norms, *self._of_moments(given[2 * v :])], axis=0),)

        arguments = [new for new, _ in changes] + [old for _, old in changes] + self._moments()
        (each,) = unless_rare(
            is_usual, lambda *_: (tf.zeros([self.update_width]),), numbers, arguments, self._traced
        )
        return each

    def _moments(self) -> list[Any]:
        """What `_of_moments` takes: gradients, their second moments, and steps before this one."""
        assert self.meter is not None, "a step was seen"
        if not self.meter.layout.has_moments:
            return []
        kept = {
            self._positions.get(variable): moment
            for variable, moment in names.second_moments(self._optimizer).items()
        }
        found = [kept.get(position) for position in range(self.variables)]
        read = [None if moment is None else moment.read_value() for moment in found]
        return [*self._used, *read, self._steps_before]

    def _of_moments(self, given: Sequence[Any]) -> list[tf.Tensor]:
        if not given:
            return []
        inner = names.inner_optimizer(self._optimizer)
        *rest, before = given
        bias = 1.0 - tf.pow(tf.constant(inner.beta_2, tf.float32), before + 1.0)
        pairs = zip(rest[: self.variables], rest[self.variables :], strict=True)
        each = [adam_rms(gradient, moment, bias, inner.epsilon) for gradient, moment in pairs]
        return [tf.stack(each)]

    @as_written
    def write(self, of_update: tf.Tensor) -> None:
        """Writes the row of the step that was seen."""
        if not self._is_first_here():
            return
        assert self.meter is not None and self._seen is not None, "a step was seen"  # noqa: PT018
        self.meter.write(self._seen, of_update)
        self._seen = None
        if tf.executing_eagerly():
            self._on_eager_step()

    @as_written
    def see_batch(self, pairs: Pairs) -> tf.Tensor:
        """Returns bool [], whether the gradients of one of several batches are finite."""
        meter = self._made_meter()
        _, gradients = self._in_order(pairs, note=False)
        loss = self._losses.peek()
        is_finite = tf.math.is_finite(norms_of(gradients).overall)
        if loss is not None:
            is_finite &= tf.math.is_finite(loss)
        return is_finite & ~meter.is_over() if self._settings.on_nonfinite == "stop" else is_finite

    @as_written
    def write_batch(self, pairs: Pairs) -> None:
        """Writes the row of one of several batches that was left out."""
        assert self.meter is not None, "made by see_batch"
        _, gradients = self._in_order(pairs, note=False)
        self.meter.write_left_out(
            gradients, weights=self._weights, loss=self._losses.peek(), loss_scale=self._scale()
        )

    @as_written
    def see_scaled(self, pairs: Pairs, is_finite: tf.Tensor) -> tf.Tensor:
        """Tells a scale that was too great from a step with a fault: see `overflow.py`."""
        meter = self._made_meter()
        _, gradients = self._in_order(pairs, note=True)
        scale, loss, known = self._scale(), self._losses.peek(), None
        is_bad = has_infinity = None
        if self._replicas > 1:
            norms = norms_of(gradients)
            packed = tf.distribute.get_replica_context().all_reduce(
                tf.distribute.ReduceOp.SUM,
                tf.concat(
                    [
                        tf.cast(~tf.math.is_finite(norms.each), tf.float32),
                        tf.cast(any_infinite(gradients), tf.float32)[None],
                        at_its_place(loss, norms.overall / scale, self._replicas),
                    ],
                    axis=0,
                ),
            )
            bad, infinite, summed = tf.split(packed, [self.variables, 1, 2 * self._replicas])
            is_bad, has_infinity, known = bad > 0, infinite[0] > 0, split(summed)
            is_finite = ~tf.reduce_any(is_bad)
            loss = None if loss is None else tf.reduce_sum(known.losses)
        if not self._is_first_here():
            return is_finite

        def handle() -> int:
            bad = are_bad(gradients) if is_bad is None else is_bad
            fault = is_fault(
                bad,
                has_infinity=any_infinite(gradients) if has_infinity is None else has_infinity,
                layers=[
                    None if gradient is None else layer
                    for gradient, layer in zip(gradients, self._layers, strict=True)
                ],
                scale=scale,
                loss=loss,
            )
            meter.skips(~fault)
            # A variable is to blame when the gradient of any replica is bad.
            named = [marked(each, bad[i]) for i, each in enumerate(gradients)]
            meter.write_left_out(
                [unscaled(each, scale) for each in (gradients if is_bad is None else named)],
                weights=self._weights,
                loss=loss,
                of_replicas=known,
                loss_scale=scale,
                unless=~fault,
            )
            return 0

        tf.cond(is_finite, lambda: 0, handle)
        return is_finite

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
            id(names.tf_variable(variable)): position for position, variable in enumerate(variables)
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
                has_moments=names.is_like_adam(self._optimizer),
            ),
            settings=settings,
            ring_steps=steps,
            replicas_here=replicas_here(self._strategy),
            regularizers=regularizers,
        )
        self._on_meter(meter)
        return meter

    def _in_order(self, pairs: Pairs, *, note: bool) -> tuple[list[int], list[Gradient]]:
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
        position = self._positions.get(id(names.container_of(variable)))
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
