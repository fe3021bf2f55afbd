"""Every name of Keras that is not public, and how ours are put in its place. Nowhere else.

A name is shadowed on an *instance*, in its `__dict__`, where neither Keras's nor TensorFlow's
attribute tracking sees it: the class stays as it is, the model saves, copies and loads as before,
and taking the entry out again restores everything.

`tests/training/test_keras_hooks.py` pins what is relied upon, and fails on a Keras that differs.
"""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

Pairs = Sequence[tuple[Any, tf.Variable]]
OnGradients = Callable[[Pairs], tuple[list[Any], tf.Tensor]]

LOSS = "scale_loss"  # public: gets the loss of every step, in `fit` and in careful loops
GRADIENTS = "_all_reduce_sum_gradients"  # private: gets aggregated gradients, once per update
APPLY = "apply"  # public: all that one step changes happens inside of it


def attach(
    optimizer: keras.optimizers.Optimizer,
    *,
    on_loss: Callable[[Any], None],
    on_gradients: OnGradients,
    conditional: bool,
) -> None:
    """Lets the loss and the gradients of every step of this optimizer pass through.

    Args:
        optimizer: A plain one: not a LossScaleOptimizer, not accumulating.
        on_loss: Called with the loss, before it is scaled.
        on_gradients: Called with the aggregated gradients and their variables; returns the
            gradients to use, and bool [], whether to use them.
        conditional: Whether `on_gradients` may say no. Then weight decay, moving average,
            constraints and the iteration count of such a step are left out too, which only
            `apply` encloses. That is before the aggregation: with one replica, the same.
    """
    scale_loss, aggregate = optimizer.scale_loss, getattr(optimizer, GRADIENTS)
    original_apply = optimizer.apply

    def observed_scale_loss(loss: Any) -> Any:
        on_loss(loss)
        return scale_loss(loss)

    def observed_aggregate(grads_and_vars: Pairs) -> Pairs:
        pairs = list(aggregate(grads_and_vars))
        gradients, _ = on_gradients(pairs)
        return [
            (gradient, variable) for gradient, (_, variable) in zip(gradients, pairs, strict=True)
        ]

    def conditional_apply(grads: Sequence[Any], trainable_variables: Any = None) -> None:
        grads = list(grads)
        if trainable_variables is None or not grads:
            trainable_variables = optimizer._trainable_variables  # what Keras itself assumes
        variables = list(trainable_variables)
        if not optimizer.built:  # no variable may be made inside of the condition
            with keras.name_scope(optimizer.name, caller=optimizer):
                optimizer.build(variables)
        pairs = [
            (grad, tf_variable(variable)) for grad, variable in zip(grads, variables, strict=True)
        ]
        used, is_used = on_gradients(pairs)

        def use() -> int:
            original_apply(used, variables)
            return 0

        tf.cond(is_used, use, lambda: 0)

    shadow(optimizer, LOSS, observed_scale_loss)
    if conditional:
        shadow(optimizer, APPLY, conditional_apply)
    else:
        shadow(optimizer, GRADIENTS, observed_aggregate)


def detach(optimizer: keras.optimizers.Optimizer) -> None:
    """Restores the optimizer."""
    unshadow(optimizer, LOSS, GRADIENTS, APPLY)


def is_attached(optimizer: keras.optimizers.Optimizer) -> bool:
    """Says whether the optimizer is observed by a guard."""
    return LOSS in vars(optimizer)


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


def layers_of(model: keras.Model) -> list[keras.Layer]:
    """Returns the model and all its layers, each before the layers inside of it."""
    return model._flatten_layers()
