"""`model.json` from a Keras model: what was trained, with what, and how it was guarded."""

import platform
from collections.abc import Sequence
from importlib import metadata
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from gradgate.contracts import ModelCard, VariableCard, sha256
from gradgate.gradients import clip_to_config
from gradgate.training import keras_hooks
from gradgate.training.settings import GuardSettings


def describe(
    model: keras.Model,
    *,
    settings: GuardSettings,
    has_gradient: Sequence[bool],
    loss_measured: bool,
) -> ModelCard:
    """Returns the card of a built, compiled model.

    Args:
        model: Built.
        settings: Of the guard.
        has_gradient: One for each of `model.trainable_variables`.
        loss_measured: Whether the guard has seen the loss of every step.
    """
    owners = _owners(model)
    return ModelCard(
        model_name=model.name,
        variables=tuple(
            _variable(variable, owners, has_gradient=bool(has))
            for variable, has in zip(model.trainable_variables, has_gradient, strict=True)
        ),
        optimizer=type(model.optimizer).__name__,
        optimizer_config=_plain(model.optimizer.get_config()),
        loss=_loss_name(getattr(model, "loss", None)),
        loss_measured=loss_measured,
        clips=tuple(clip_to_config(clip) for clip in settings.clip),
        on_nonfinite=settings.on_nonfinite,
        statistics_every=settings.statistics_every,
        precision=model.dtype_policy.name,
        devices=tuple(device.name for device in tf.config.list_logical_devices()),
        versions=_versions(),
        seed=settings.seed,
    )


def nonfinite_weights(variables: Sequence[keras.Variable]) -> dict[str, int]:
    """Returns how many entries of each variable are NaN or infinite, by path."""
    return {
        variable.path: int(tf.math.count_nonzero(~tf.math.is_finite(variable.value)))
        for variable in variables
        if keras_hooks.tf_variable(variable).dtype.is_floating
    }


def weight_digests(variables: Sequence[keras.Variable]) -> dict[str, str]:
    """Returns the SHA-256 of each variable's bytes, little-endian and row by row, by path."""
    return {
        variable.path: sha256(np.ascontiguousarray(variable.value.numpy()).tobytes())
        for variable in variables
    }


def _variable(
    variable: keras.Variable, owners: dict[int, tuple[str, Any]], *, has_gradient: bool
) -> VariableCard:
    layer_name, layer = owners.get(id(variable), ("", None))
    # `recurrent_kernel` is drawn by `recurrent_initializer`, `kernel` by `kernel_initializer`.
    names = (variable.name, variable.name.removesuffix("_kernel"))
    initializers = (getattr(layer, f"{name}_initializer", None) for name in names)
    initializer = next((found for found in initializers if found is not None), None)
    return VariableCard(
        path=variable.path,
        layer=layer_name,
        shape=tuple(int(size) for size in variable.shape),
        dtype=variable.dtype,
        initializer=None if initializer is None else _name(initializer),
        activation=_activation(layer),
        has_gradient=has_gradient,
    )


def _owners(model: keras.Model) -> dict[int, tuple[str, Any]]:
    """Returns, by variable, its layer's name and the object that holds its initialiser.

    The innermost layer owns a variable; for a cell, the recurrent layer around it gives its name.
    """
    owners: dict[int, tuple[str, Any]] = {}
    cell_names: dict[int, str] = {}
    for layer in keras_hooks.layers_of(model):
        if isinstance(layer, keras.layers.RNN):
            for cell in (layer.cell, *getattr(layer.cell, "cells", ())):
                cell_names[id(cell)] = layer.name
        for variable in layer.trainable_variables:
            owners[id(variable)] = (cell_names.get(id(layer), layer.name), layer)
    return owners


def _activation(layer: Any) -> str | None:
    activation = getattr(layer, "activation", None)
    return None if activation is None else _name(activation)


def _loss_name(loss: Any) -> str | None:
    if loss is None:
        return None
    if isinstance(loss, str):
        return _name(keras.losses.get(loss))
    if isinstance(loss, dict):
        loss = list(loss.values())
    if isinstance(loss, (list, tuple)):
        return ", ".join(_loss_name(each) or "none" for each in loss)
    return loss.name if isinstance(loss, keras.losses.Loss) else _name(loss)


def _name(thing: Any) -> str:
    return getattr(thing, "__name__", type(thing).__name__)


def _versions() -> dict[str, str]:
    try:
        ours = metadata.version("gradgate")
    except metadata.PackageNotFoundError:  # run from a source tree that is not installed
        ours = "unknown"
    return {
        "gradgate": ours,
        "keras": keras.__version__,
        "python": platform.python_version(),
        "tensorflow": tf.__version__,
    }


def _plain(value: Any) -> Any:
    """Returns what JSON can hold: numbers of NumPy as numbers, what is not finite as text."""
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    if isinstance(value, (np.generic, np.ndarray)):
        return _plain(value.tolist())
    if isinstance(value, float):
        return value if np.isfinite(value) else str(value)
    if value is None or isinstance(value, (bool, int, str)):
        return value
    return _name(value)
