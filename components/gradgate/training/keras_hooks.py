"""Every name of Keras that is not public, and how ours are put in its place. Nowhere else.

A name is shadowed on an *instance*, in its `__dict__`, where neither Keras's nor TensorFlow's
attribute tracking sees it: the class stays as it is, the model saves, copies and loads as before,
and taking the entry out again restores everything.

`tests/training/test_keras_hooks.py` pins what is relied upon, and `check_keras` refuses a Keras
that differs, which would else measure nothing.
"""

import inspect
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import keras
import tensorflow as tf

from gradgate.training.scope import replica

Pairs = Sequence[tuple[Any, tf.Variable]]

LOSS = "scale_loss"  # public: gets the loss of every step, in `fit` and in careful loops
APPLY = "apply"  # public: all that one step changes happens inside of it
GRADIENTS = "_all_reduce_sum_gradients"  # private: sums over replicas, once per real update
UPDATE = "_backend_update_step"  # private: calls GRADIENTS, then changes the variables
ASSIGNS = ("assign", "assign_add", "assign_sub")  # public: how an optimizer changes a variable
CLEAR_LOSSES = "_clear_losses"  # private: a model's call drops the losses of the call before
FINITE = "check_finite"  # public, of a LossScaleOptimizer: whether the scaled gradients are

_PARAMETERS = {
    LOSS: ["self", "loss"],
    APPLY: ["self", "grads", "trainable_variables"],
    GRADIENTS: ["self", "grads_and_vars"],
    UPDATE: ["self", "grads", "trainable_variables", "learning_rate"],
    **{name: ["self", "variable", "value"] for name in ASSIGNS},
}


class Observer(Protocol):
    """What sees every step. All but `note_update` are called for each replica in its context.

    Attributes:
        variables: How many there are, v.
    """

    variables: int

    def note_loss(self, loss: Any) -> None:
        """Takes the loss of the batch whose gradients come next, before it is scaled."""

    def note_batch(self) -> None:
        """A batch is accumulated; the step comes later, or now."""

    def losses_to_sum(self) -> tf.Tensor | None:
        """Returns the loss of this replica at its place, float32 [r]; None with one replica."""

    def see_gradients(self, pairs: Pairs, losses: tf.Tensor | None) -> tuple[list[Any], tf.Tensor]:
        """Takes the aggregated gradients; returns those to use, and bool [], whether to."""

    def note_update(self, variable: Any, value: Any, *, replaces: bool) -> None:
        """Takes what is about to be added to any variable, or what is to replace it."""

    def update_norms(self) -> tf.Tensor:
        """Returns the norms of the updates noted in this graph, float32 [v]."""

    def write(self, update_norms: tf.Tensor) -> None:
        """Writes the row of the step whose gradients were seen."""

    def see_batch(self, pairs: Pairs) -> tf.Tensor:
        """Returns bool [], whether the gradients of one of several batches may be added up."""

    def write_batch(self, pairs: Pairs) -> None:
        """Writes the row of a batch that may not."""

    def see_scaled(self, pairs: Pairs, is_finite: tf.Tensor) -> tf.Tensor:
        """Takes scaled gradients, and if they are finite; returns if those of all replicas are."""


def attach(optimizer: keras.optimizers.Optimizer, observer: Observer, *, conditional: bool) -> None:
    """Lets the loss, the gradients and the updates of every step pass through an observer.

    Args:
        optimizer: Any; of a LossScaleOptimizer, the inner one's steps.
        observer: Sees them.
        conditional: Whether `see_gradients` may say no. Then weight decay, moving average,
            constraints and the iteration count of such a step are left out too, which only
            `apply` encloses.
    """
    inner = inner_optimizer(optimizer)
    step = _Step(inner, observer)
    scale_loss = optimizer.scale_loss

    def observed_scale_loss(loss: Any) -> Any:
        observer.note_loss(loss)
        return scale_loss(loss)

    shadow(optimizer, LOSS, observed_scale_loss)
    shadow(inner, GRADIENTS, step.aggregate)
    shadow(inner, UPDATE, step.update)
    if inner.gradient_accumulation_steps:
        shadow(inner, APPLY, step.accumulate_if if conditional else step.accumulate)
    elif conditional:
        shadow(inner, APPLY, step.apply_if)
    for name in ASSIGNS:
        noted = _noted(getattr(inner, name), observer, replaces=name == "assign")
        shadow(inner, name, noted)
    if inner is not optimizer:
        scaled = _ScaledStep(optimizer, observer)
        shadow(optimizer, APPLY, scaled.apply)
        shadow(optimizer, FINITE, scaled.check_finite)


def detach(optimizer: keras.optimizers.Optimizer) -> None:
    """Restores the optimizer."""
    for each in (optimizer, inner_optimizer(optimizer)):
        unshadow(each, LOSS, APPLY, GRADIENTS, UPDATE, FINITE, *ASSIGNS)


def is_attached(optimizer: keras.optimizers.Optimizer) -> bool:
    """Says whether the optimizer is observed by a guard."""
    return LOSS in vars(optimizer)


def attach_loss(optimizer: keras.optimizers.Optimizer, observers: Sequence[Observer]) -> None:
    """Lets the loss of every step pass by the observers of those that take an optimizer's steps."""
    scale_loss = optimizer.scale_loss

    def observed_scale_loss(loss: Any) -> Any:
        for observer in observers:
            observer.note_loss(loss)
        return scale_loss(loss)

    shadow(optimizer, LOSS, observed_scale_loss)


class _Step:
    """The observed methods of one optimizer, and what they share."""

    def __init__(self, optimizer: Any, observer: Observer) -> None:
        self._optimizer, self._observer = optimizer, observer
        self._apply, self._update = optimizer.apply, getattr(optimizer, UPDATE)
        self._aggregate = getattr(optimizer, GRADIENTS)
        self._is_decided = False  # inside of an `apply` whose gradients were seen already

    def aggregate(self, grads_and_vars: Pairs) -> Pairs:
        """In the place of GRADIENTS."""
        pairs = list(grads_and_vars)
        if self._is_decided:
            return pairs
        reduced, losses = self._sum(pairs)
        gradients, _ = self._observer.see_gradients(reduced, losses)
        return [
            (gradient, variable) for gradient, (_, variable) in zip(gradients, reduced, strict=True)
        ]

    def update(self, grads: Any, trainable_variables: Any, learning_rate: Any) -> None:
        """In the place of UPDATE."""
        self._update(grads, trainable_variables, learning_rate)
        if not self._is_decided:
            self._observer.write(self._observer.update_norms())

    def apply_if(self, grads: Sequence[Any], trainable_variables: Any = None) -> None:
        """In the place of APPLY, when a step may be left out."""
        variables, gradients = _prepared(self._optimizer, grads, trainable_variables)
        pairs = list(zip(gradients, map(tf_variable, variables), strict=True))
        reduced, losses = self._sum(pairs)
        used, is_used = self._observer.see_gradients(reduced, losses)

        def use(used: Sequence[Any]) -> tf.Tensor:
            self._apply(used, variables)
            return self._observer.update_norms()

        norms = self._where(is_used, used, use)
        self._observer.write(norms)

    def accumulate(self, grads: Sequence[Any], trainable_variables: Any = None) -> None:
        """In the place of APPLY, when several batches make a step."""
        self._observer.note_batch()
        self._apply(grads, trainable_variables)

    def accumulate_if(self, grads: Sequence[Any], trainable_variables: Any = None) -> None:
        """In the place of APPLY, when a batch may be left out of those that make a step.

        Left out as if it had not been: the next one takes its place. A batch that got into the
        sum could not be taken out of it again.
        """
        variables, gradients = _prepared(self._optimizer, grads, trainable_variables)
        pairs = list(zip(gradients, map(tf_variable, variables), strict=True))

        def use() -> int:
            self._observer.note_batch()
            with self._unscaled():
                self._apply(gradients, variables)
            return 0

        def leave_out() -> int:
            self._observer.write_batch(pairs)
            return 0

        tf.cond(self._observer.see_batch(pairs), use, leave_out)

    def _sum(self, pairs: Pairs) -> tuple[list[Any], tf.Tensor | None]:
        """Sums gradients and losses over replicas, in one go."""
        losses = self._observer.losses_to_sum()
        if losses is None:
            return list(self._aggregate(pairs)), None
        *reduced, (losses, _) = self._aggregate([*pairs, (losses, pairs[0][1])])
        return reduced, losses

    def _where(
        self, is_used: tf.Tensor, used: list[Any], use: Callable[[list[Any]], tf.Tensor]
    ) -> tf.Tensor:
        """Returns `use(used)` where `is_used`; else does nothing, and returns NaN."""

        def chosen(is_used: tf.Tensor, use: Callable[[], tf.Tensor]) -> tf.Tensor:
            self._is_decided = True
            try:
                with self._unscaled():
                    return tf.cond(is_used, use, lambda: self._no_norms)
            finally:
                self._is_decided = False

        def across(strategy: Any, is_used: Any, used: Any) -> tf.Tensor:
            def use_all() -> tf.Tensor:
                norms = strategy.extended.call_for_each_replica(use, args=(used,))
                return strategy.experimental_local_results(norms)[0]

            return chosen(strategy.experimental_local_results(is_used)[0], use_all)

        if no_merge_call():
            return chosen(is_used, lambda: use(used))
        # A condition whose branch merges replicas, be it one, must stand outside of them.
        context = tf.distribute.get_replica_context()
        return context.merge_call(across, args=(is_used, used))

    @property
    def _no_norms(self) -> tf.Tensor:
        return tf.fill([self._observer.variables], float("nan"))

    def _unscaled(self) -> "_Without":
        """Gradients are unscaled already, so Keras must not do it again."""
        return _Without(self._optimizer, "loss_scale_factor")


class _ScaledStep:
    """The observed methods of a LossScaleOptimizer.

    Keras looks at the gradients of one replica only, where the others may have overflowed.
    """

    def __init__(self, optimizer: Any, observer: Observer) -> None:
        self._optimizer, self._observer = optimizer, observer
        self._apply, self._check_finite = optimizer.apply, optimizer.check_finite
        self._is_finite: dict[int, tf.Tensor] = {}  # by replica

    def apply(self, grads: Sequence[Any], trainable_variables: Any = None) -> None:
        """In the place of APPLY."""
        variables, gradients = _prepared(self._optimizer, grads, trainable_variables)
        pairs = list(zip(gradients, map(tf_variable, variables), strict=True))
        is_finite = self._check_finite(gradients)
        self._is_finite[replica()] = self._observer.see_scaled(pairs, is_finite)
        self._apply(gradients, variables)

    def check_finite(self, grads: Any) -> Any:  # noqa: ARG002 - Keras's signature
        """In the place of FINITE."""
        return self._is_finite[replica()]


class _Without:
    """While it is open, an attribute of an object is None."""

    def __init__(self, target: Any, name: str) -> None:
        self._target, self._name = target, name

    def __enter__(self) -> None:
        self._value = getattr(self._target, self._name)
        if self._value is not None:
            setattr(self._target, self._name, None)

    def __exit__(self, *_: object) -> None:
        if self._value is not None:
            setattr(self._target, self._name, self._value)


def _prepared(optimizer: Any, grads: Sequence[Any], variables: Any) -> tuple[list[Any], list[Any]]:
    """Builds the optimizer, and returns its variables and the unscaled gradients."""
    grads = list(grads)
    if variables is None or not grads:
        variables = optimizer._trainable_variables  # what Keras itself assumes
    variables = list(variables)
    if not optimizer.built:  # no variable may be made inside of a condition
        with keras.name_scope(optimizer.name, caller=optimizer):
            optimizer.build(variables)
    scale = optimizer.loss_scale_factor
    if scale is not None:
        grads = [None if grad is None else grad / scale for grad in grads]
    return variables, grads


def _noted(
    assign: Callable[[Any, Any], Any], observer: Observer, *, replaces: bool
) -> Callable[[Any, Any], Any]:
    """Returns an `assign` that shows what it does to the observer."""

    def observed_assign(variable: Any, value: Any) -> Any:
        observer.note_update(variable, value, replaces=replaces)
        return assign(variable, value)

    return observed_assign


def inner_optimizer(optimizer: keras.optimizers.Optimizer) -> keras.optimizers.Optimizer:
    """Returns the optimizer that takes the steps: that inside of a LossScaleOptimizer, or it."""
    is_scaling = isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
    return optimizer.inner_optimizer if is_scaling else optimizer


def takes_no_steps(optimizer: keras.optimizers.Optimizer) -> bool:
    """Says whether others take an optimizer's steps, as with the MultiOptimizer of newer Keras."""
    kind = getattr(keras.optimizers, "MultiOptimizer", None)
    return kind is not None and isinstance(inner_optimizer(optimizer), kind)


def compiled_optimizer(model: keras.Model) -> keras.optimizers.Optimizer | None:
    """Returns what a model was compiled with; one that never was has no such attribute."""
    return getattr(model, "optimizer", None)


def trained_variables(optimizer: keras.optimizers.Optimizer) -> list[keras.Variable]:
    """Returns the variables that a built optimizer trains, in its order."""
    return list(inner_optimizer(optimizer)._trainable_variables)


def steps_taken(optimizer: keras.optimizers.Optimizer) -> int:
    """Returns how many batches an optimizer has applied: what a checkpoint brings back."""
    return int(inner_optimizer(optimizer)._iterations.numpy())


def check_keras(optimizer: keras.optimizers.Optimizer) -> None:
    """Refuses a Keras whose optimizers are not built as this file relies upon.

    Raises:
        ValueError: The message names what is missing, and the versions that are known.
    """
    inner = inner_optimizer(optimizer)
    relied_upon = [(inner, name, parameters) for name, parameters in _PARAMETERS.items()]
    if inner is not optimizer:
        names = {LOSS: _PARAMETERS[LOSS], APPLY: _PARAMETERS[APPLY], FINITE: ["self", "grads"]}
        relied_upon += [(optimizer, name, parameters) for name, parameters in names.items()]
    for each, name, parameters in relied_upon:
        method = getattr(type(each), name, None)
        found = None if method is None else list(inspect.signature(method).parameters)
        if found != parameters:
            what = "has no" if found is None else f"takes other arguments ({found}) in"
            raise ValueError(
                f"instrument: Keras {keras.__version__} {what} {type(each).__name__}.{name},"
                " where the steps are observed, so nothing would be measured. Keras 3.8 to 3.15 are"
                " known to work."
            )


def no_merge_call() -> bool:
    """Says whether replicas run apart to the end, as on GPUs under XLA."""
    return bool(tf.__internal__.distribute.strategy_supports_no_merge_call())


def shadow(target: object, name: str, function: Callable[..., Any]) -> None:
    """Puts a function in the place of a method, on this instance alone."""
    vars(target)[name] = function


def unshadow(target: object, *names: str) -> None:
    """Puts the methods of the class back in place."""
    for name in names:
        vars(target).pop(name, None)


def tf_variable(variable: Any) -> tf.Variable:
    """Returns what TensorFlow knows a variable as; it is the same object every time."""
    return variable.value if isinstance(variable, keras.Variable) else variable


def container_of(variable: tf.Variable) -> tf.Variable:
    """Returns the variable of all replicas that this one, of a single replica, is part of."""
    for part in (variable, getattr(variable, "handle", None)):
        container = getattr(part, "_distributed_container", None)
        found = container() if callable(container) else None
        if found is not None:
            return found
    return variable


def has_mask(output: Any) -> bool:
    """Says whether Keras leaves some of the outputs of a model out of its loss."""
    return getattr(output, "_keras_mask", None) is not None


def layers_of(model: keras.Model) -> list[keras.Layer]:
    """Returns the model and all its layers, each before the layers inside of it."""
    return model._flatten_layers()
