"""Lets the steps of an optimizer pass by an observer, and stops doing so."""

from collections.abc import Callable, Sequence
from typing import Any

import keras

from gradgate.training.hooks import names
from gradgate.training.hooks.observer import Observer
from gradgate.training.hooks.scaled_step import ObservedScaledStep
from gradgate.training.hooks.shadow import shadow, unshadow
from gradgate.training.hooks.step import ObservedStep


def attach(optimizer: keras.optimizers.Optimizer, observer: Observer, *, conditional: bool) -> None:
    """Lets the loss, the gradients and the updates of every step pass through an observer.

    Args:
        optimizer: Any; of a LossScaleOptimizer, the inner one's steps.
        observer: Sees them.
        conditional: Whether `see_gradients` may say no. Then weight decay, moving average,
            constraints and the iteration count of such a step are left out too, which only
            `apply` encloses.
    """
    inner = names.inner_optimizer(optimizer)
    step = ObservedStep(inner, observer, conditional=conditional)
    scale_loss = optimizer.scale_loss

    def observed_scale_loss(loss: Any) -> Any:
        observer.note_loss(loss)
        return scale_loss(loss)

    shadow(optimizer, names.LOSS, observed_scale_loss)
    shadow(inner, names.GRADIENTS, step.aggregate)
    shadow(inner, names.UPDATE, step.update)
    if inner.gradient_accumulation_steps:
        shadow(inner, names.APPLY, step.accumulate_if if conditional else step.accumulate)
    else:
        shadow(inner, names.APPLY, step.apply)
    for name in names.ASSIGNS:
        noted = _noted(getattr(inner, name), observer, replaces=name == "assign")
        shadow(inner, name, noted)
    if inner is not optimizer:
        scaled = ObservedScaledStep(optimizer, observer)
        shadow(optimizer, names.APPLY, scaled.apply)
        shadow(optimizer, names.FINITE, scaled.check_finite)


def detach(optimizer: keras.optimizers.Optimizer) -> None:
    """Restores the optimizer."""
    for each in (optimizer, names.inner_optimizer(optimizer)):
        shadowed = (names.LOSS, names.APPLY, names.GRADIENTS, names.UPDATE, names.FINITE)
        unshadow(each, *shadowed, *names.ASSIGNS)


def is_attached(optimizer: keras.optimizers.Optimizer) -> bool:
    """Says whether the optimizer is observed by a guard."""
    return names.LOSS in vars(optimizer)


def attach_loss(optimizer: keras.optimizers.Optimizer, observers: Sequence[Observer]) -> None:
    """Lets the loss of every step pass by the observers of those that take an optimizer's steps."""
    scale_loss = optimizer.scale_loss

    def observed_scale_loss(loss: Any) -> Any:
        for observer in observers:
            observer.note_loss(loss)
        return scale_loss(loss)

    shadow(optimizer, names.LOSS, observed_scale_loss)


def _noted(
    assign: Callable[[Any, Any], Any], observer: Observer, *, replaces: bool
) -> Callable[[Any, Any], Any]:
    """Returns an `assign` that shows what it does to the observer."""

    def observed_assign(variable: Any, value: Any) -> Any:
        observer.note_update(variable, value, replaces=replaces)
        return assign(variable, value)

    return observed_assign
