"""Every name of Keras that is relied upon and not public, and what it is needed for. Nowhere else.

`tests/training/test_keras_hooks.py` pins what is relied upon, and `check_keras` refuses a Keras
that differs, which would else measure nothing.
"""

import inspect
from typing import Any

import keras
import tensorflow as tf

LOSS = "scale_loss"  # public: gets the loss of every step, in `fit` and in careful loops
APPLY = "apply"  # public: all that one step changes happens inside of it
GRADIENTS = "_all_reduce_sum_gradients"  # private: sums over replicas, once per real update
UPDATE = "_backend_update_step"  # private: calls GRADIENTS, then changes the variables
ASSIGNS = ("assign", "assign_add", "assign_sub")  # public: how an optimizer changes a variable
CLEAR_LOSSES = "_clear_losses"  # private: a model's call drops the losses of the call before
FINITE = "check_finite"  # public, of a LossScaleOptimizer: whether the scaled gradients are

_LIKE_ADAM = (keras.optimizers.Adam, keras.optimizers.Nadam, keras.optimizers.Lamb)

_PARAMETERS = {
    LOSS: ["self", "loss"],
    APPLY: ["self", "grads", "trainable_variables"],
    GRADIENTS: ["self", "grads_and_vars"],
    UPDATE: ["self", "grads", "trainable_variables", "learning_rate"],
    **{name: ["self", "variable", "value"] for name in ASSIGNS},
}


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


def build_optimizer(model: keras.Model) -> None:
    """Makes the slots of a model's optimizer before the first step, as `fit` does under a strategy.

    Otherwise they are made while the step is traced, and TensorFlow traces all of it twice. Only
    where the step will train the very same variables: not before every layer has its own, nor for
    a `train_step` that is not Keras's.
    """
    optimizer = compiled_optimizer(model)
    if optimizer is None or optimizer.built:
        return
    if is_own_step(model) and all(layer.built for layer in layers_of(model)):
        scope = model.distribute_strategy.scope()
        with scope, keras.name_scope(optimizer.name, caller=optimizer):
            optimizer.build(model.trainable_variables)


def is_own_step(model: keras.Model) -> bool:
    """Says whether a model takes its steps as Keras does: of all its trainable variables."""
    return type(model).train_step is keras.Model.train_step


def compilation(model: keras.Model) -> Any:
    """Returns what is another object after every `compile`."""
    return getattr(model, "_compile_loss", None), getattr(model, "_compile_metrics", None)


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
            remedy = "Keras 3.12 to 3.15 are tested: install one of these."
            if method is not None and not method.__module__.startswith("keras."):
                remedy = f"It is not Keras's own: give it the arguments of that, {parameters}."
            raise ValueError(
                f"instrument: Keras {keras.__version__} {what} {type(each).__name__}.{name},"
                f" where the steps are observed, so nothing would be measured. {remedy}"
            )


def is_like_adam(optimizer: keras.optimizers.Optimizer) -> bool:
    """Says whether an optimizer keeps a running mean of squared gradients for each variable."""
    return isinstance(inner_optimizer(optimizer), _LIKE_ADAM)


def second_moments(optimizer: keras.optimizers.Optimizer) -> dict[int, tf.Variable]:
    """Returns what a built optimizer like Adam divides by, by id of its variable.

    Keras keeps none for a variable that is overwritten with its gradient.
    """
    inner = inner_optimizer(optimizer)
    kept = inner._velocity_hats if getattr(inner, "amsgrad", False) else inner._velocities
    return {
        id(tf_variable(variable)): tf_variable(moment)
        for variable, moment in zip(inner._trainable_variables, kept, strict=True)
        if moment is not None
    }


def no_merge_call() -> bool:
    """Says whether replicas run apart to the end, as on GPUs under XLA."""
    return bool(tf.__internal__.distribute.strategy_supports_no_merge_call())


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


def graph_of(layer: Any) -> Any:
    """Returns the graph of a model that is one; None of a layer, or where `call` is one's own."""
    graph = getattr(layer, "_functional", None) or layer
    if not isinstance(graph, keras.Function):
        return None
    calls = {type(each).call.__module__ for each in (graph, layer)}
    return graph if all(module.startswith("keras.") for module in calls) else None


def calls_of(graph: Any) -> list[Any]:
    """Returns the calls of a graph, each after those whose outputs it takes.

    Each has `operation`, `is_input`, `input_tensors` and `outputs`, the same objects in both.
    """
    return [
        call for _, calls in sorted(graph._nodes_by_depth.items(), reverse=True) for call in calls
    ]


def parts_of(layer: Any) -> list[keras.Layer]:
    """Returns the layers that a layer holds itself, in the order in which it was given them."""
    return list(layer._flatten_layers(include_self=False, recursive=False))
