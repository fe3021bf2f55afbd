"""What this version measures rightly; everything else is refused before the training starts."""

import keras
import tensorflow as tf

from gradgate.training import keras_hooks

_OWN_CLIPS = {
    "clipnorm": "ClipByNorm(max_norm={})",
    "global_clipnorm": "ClipByGlobalNorm(max_norm={})",
    "clipvalue": "ClipByValue(max_abs={})",
}


def check_model(model: keras.Model) -> None:
    """Refuses a model that cannot be instrumented.

    Raises:
        TypeError: If it is no Keras model.
        ValueError: If it is not compiled, or trains in a way that this version would measure
            wrongly; the message says what to change.
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
    if not model.compiled or model.optimizer is None:
        raise ValueError(
            f"instrument: the model '{model.name}' is not compiled, so it has no optimizer to"
            " observe. Call model.compile(optimizer=..., loss=...) first."
        )
    _check_strategy(model)
    _check_optimizer(model.optimizer)


def _check_strategy(model: keras.Model) -> None:
    strategy = model.distribute_strategy
    if tf.distribute.has_strategy() or strategy is not tf.distribute.get_strategy():
        name = type(strategy).__name__
        raise ValueError(
            f"instrument: the model trains under {name}. This version measures the default"
            " strategy only: build and compile the model outside of any strategy's scope."
        )


def _check_optimizer(optimizer: keras.optimizers.Optimizer) -> None:
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer) or optimizer.loss_scale_factor:
        raise ValueError(
            "instrument: the loss is scaled (a LossScaleOptimizer, which compile() makes for"
            " mixed_float16, or loss_scale_factor). This version measures unscaled training only:"
            " use float32 or mixed_bfloat16, without loss_scale_factor."
        )
    if optimizer.gradient_accumulation_steps:
        raise ValueError(
            "instrument: the optimizer accumulates gradients (gradient_accumulation_steps="
            f"{optimizer.gradient_accumulation_steps}). This version measures one update a batch"
            " only: remove it, and use a larger batch."
        )
    for name, ours in _OWN_CLIPS.items():
        limit = getattr(optimizer, name)
        if limit:
            raise ValueError(
                f"instrument: the optimizer clips too ({name}={limit}), so the health record would"
                f" not see it. Remove it and pass clip={ours.format(limit)}."
            )
    if keras_hooks.is_attached(optimizer):
        raise ValueError(
            "instrument: this model's optimizer is instrumented already. Close that guard first"
            " (guard.close(), or leave its `with` block); one guard sees all of its steps."
        )
    if not hasattr(optimizer, keras_hooks.GRADIENTS):
        raise ValueError(
            f"instrument: Keras {keras.__version__} has no {keras_hooks.GRADIENTS}, where gradients"
            " are observed. Keras 3.8 to 3.15 are known to work."
        )
