"""What this version measures rightly; everything else is refused before the training starts."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from gradgate.telemetry.writer import OPTIMIZER_NAME
from gradgate.training import hooks
from gradgate.training.hooks import names
from gradgate.training.hooks.shadow import is_shadowed
from gradgate.training.scope import replicas_here, strategy_name

_OWN_CLIPS = {
    "clipnorm": "ClipByNorm(max_norm={})",
    "global_clipnorm": "ClipByGlobalNorm(max_norm={})",
    "clipvalue": "ClipByValue(max_abs={})",
}


_MERGING = ("MirroredStrategy", "MultiWorkerMirroredStrategy")
_KNOWN_STRATEGIES = (*_MERGING, "OneDeviceStrategy")
_TWICE = (
    "instrument: this {} is instrumented already. Close that guard first (guard.close(), or leave"
    " its `with` block); one guard sees all of its steps."
)
_CONDITIONAL = {
    "gradient_accumulation_steps": "Remove it, and use a larger batch or more replicas.",
    "ema_overwrite_frequency": "Remove it: the average then replaces the weights once, at the end.",
}


def check_model(
    model: keras.Model,
    optimizers: Mapping[str, keras.optimizers.Optimizer],
    strategy: tf.distribute.Strategy,
) -> None:
    """Refuses a training that cannot be measured, or that Keras itself cannot run.

    Args:
        model: What is trained.
        optimizers: That train it, by name.
        strategy: That the training runs under.

    Raises:
        TypeError: If something is no Keras model or optimizer.
        ValueError: If the training would be measured wrongly; the message says what to change.
    """
    if not optimizers:
        raise ValueError(
            f"instrument: the model '{model.name}' is not compiled, so it has no optimizer to"
            " observe. Call model.compile(optimizer=..., loss=...) first; for a hand-written loop,"
            " pass optimizers=..."
        )
    _check_strategy(model, strategy)
    if is_shadowed(model, "fit"):
        raise ValueError(_TWICE.format("model"))
    for optimizer in optimizers.values():
        if not isinstance(optimizer, keras.optimizers.Optimizer):
            raise TypeError(
                "instrument: expected an optimizer of Keras 3, got"
                f" {type(optimizer).__module__}.{type(optimizer).__name__}."
            )
        inner = names.inner_optimizer(optimizer)
        _check_optimizer(inner, strategy, is_eager=model.run_eagerly)
        if names.takes_no_steps(optimizer):
            raise ValueError(
                f"instrument: {type(optimizer).__name__} takes no steps of its own: it hands each"
                " variable to one of several optimizers, and each one's steps are a series of their"
                " own. Name these: instrument(..., optimizers={'adam': adam, 'sgd': sgd})."
            )
        if hooks.is_attached(optimizer):
            raise ValueError(_TWICE.format("model's optimizer"))
        names.check_keras(optimizer)
    for name in optimizers if len(optimizers) > 1 else ():
        if not (isinstance(name, str) and OPTIMIZER_NAME.fullmatch(name)):
            raise ValueError(
                f"instrument: the name {name!r} of an optimizer cannot name a folder of the record."
                " Use at most 100 letters, digits, '_', '-' and '.', and do not begin with one of"
                " the last two."
            )
    if len({id(optimizer) for optimizer in optimizers.values()}) < len(optimizers):
        raise ValueError(
            "instrument: the same optimizer has two names in optimizers; name each one once."
        )


def check_fit(strategy: tf.distribute.Strategy) -> None:
    """Refuses a `fit` that Keras itself cannot run.

    Raises:
        ValueError: If there are other workers; the message says what to do instead.
    """
    if replicas_here(strategy) < strategy.num_replicas_in_sync:
        raise ValueError(
            f"gradgate: model.fit with several workers under {strategy_name(strategy)}: Keras"
            " itself fails there, with or without gradgate. Write the loop by hand:"
            " strategy.run(step), with optimizer.apply_gradients in the step."
        )


def check_before_fit(
    model: keras.Model,
    optimizers: Sequence[keras.optimizers.Optimizer],
    strategy: tf.distribute.Strategy,
) -> None:
    """Refuses what was changed since `instrument` and cannot be measured.

    Raises:
        ValueError: If an optimizer clips by itself now, or was made for other variables.
    """
    for optimizer in optimizers:
        inner = names.inner_optimizer(optimizer)
        _check_optimizer(inner, strategy, is_eager=model.run_eagerly)
        is_models = optimizer is names.compiled_optimizer(model)
        if not (is_models and optimizer.built and names.is_own_step(model)):
            continue
        known = {variable.path for variable in names.trained_variables(optimizer)}
        new = [each.path for each in model.trainable_variables if each.path not in known]
        if new:
            raise ValueError(
                f"gradgate: {new[0]}{f' and {len(new) - 1} more' if new[1:] else ''} became"
                " trainable after the optimizer was made, which has no slots for it. Compile the"
                " model again, then call instrument."
            )


def check_is_model(model: Any) -> None:
    """Refuses what is no Keras 3 model on TensorFlow.

    Raises:
        TypeError: If it is no Keras model.
        ValueError: If Keras runs on another backend.
    """
    if keras.backend.backend() != "tensorflow":
        raise ValueError(
            f"instrument: Keras runs on {keras.backend.backend()}; only its TensorFlow backend can"
            " be instrumented. Set KERAS_BACKEND=tensorflow before Keras is imported."
        )
    if not isinstance(model, keras.Model):
        raise TypeError(
            f"instrument: expected a keras.Model of Keras 3, got {type(model).__module__}."
            f"{type(model).__name__}. Under TFX, `tf.keras` is Keras 2: import keras."
        )


def _check_strategy(model: keras.Model, strategy: tf.distribute.Strategy) -> None:
    name = strategy_name(strategy)
    if name not in ("default", *_KNOWN_STRATEGIES):
        raise ValueError(
            f"instrument: the model trains under {name}, which is not measured. Known are"
            f" {', '.join(_KNOWN_STRATEGIES)}, and none."
        )
    several = getattr(model, "steps_per_execution", 1)
    if strategy.num_replicas_in_sync > 1 and several > 1 and not model.run_eagerly:
        raise ValueError(
            f"instrument: steps_per_execution={several} under {name}: Keras itself fails there,"
            " with or without gradgate. Compile with steps_per_execution=1."
        )


def _check_optimizer(
    optimizer: keras.optimizers.Optimizer, strategy: tf.distribute.Strategy, *, is_eager: bool
) -> None:
    name = strategy_name(strategy)
    for setting, remedy in _CONDITIONAL.items():
        value = getattr(optimizer, setting)
        if not value or name not in _MERGING:
            continue
        if not is_eager:  # Keras would merge the replicas inside of a condition
            raise ValueError(
                f"instrument: {setting}={value} under {name}: Keras itself fails there, with or"
                f" without gradgate. {remedy}"
            )
        if strategy.num_replicas_in_sync > 1 and setting == "gradient_accumulation_steps":
            raise ValueError(
                f"instrument: {setting}={value} under {name}: Keras runs that eagerly only, and"
                f" there it is not measured. {remedy}"
            )
    for name, ours in _OWN_CLIPS.items():
        limit = getattr(optimizer, name)
        if limit:
            raise ValueError(
                f"instrument: the optimizer clips too ({name}={limit}), so the health record would"
                f" not see it. Remove it and pass clip={ours.format(limit)}."
            )
