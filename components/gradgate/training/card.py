"""`model.json` from a Keras model: what was trained, with what, and how it was guarded."""

import os
import platform
from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from gradgate.contracts import (
    ActivationCard,
    InputCard,
    LayerCard,
    ModelCard,
    VariableCard,
    sha256,
)
from gradgate.gradients import clip_to_config
from gradgate.training.architecture import layers_and_outputs, losses_of
from gradgate.training.hooks import names
from gradgate.training.scope import replica_names, strategy_name
from gradgate.training.seed import last_seed
from gradgate.training.settings import GuardSettings

_KERNELS = (
    "NVIDIA_TF32_OVERRIDE",
    "TF_DISABLE_MKL",
    "TF_ENABLE_ONEDNN_OPTS",
    "TF_XLA_FLAGS",
    "XLA_FLAGS",
)


def describe(
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    variables: Sequence[keras.Variable],
    *,
    settings: GuardSettings,
    strategy: tf.distribute.Strategy,
    has_gradient: Sequence[bool],
    loss_measured: bool,
    data_loss_gradient: bool = False,
    device_bytes: int = 0,
    nondeterminism: Sequence[str] = (),
    activations: Sequence[ActivationCard] = (),
    depths: Mapping[str, int] | None = None,
    batch_size: int | None = None,
    inputs: Sequence[InputCard] = (),
    like: ModelCard | None = None,
) -> ModelCard:
    """Returns the card of one optimizer's training.

    Args:
        model: Whose layers hold the variables; built.
        optimizer: That trains them.
        variables: In the order of the record.
        settings: Of the guard.
        strategy: That the training runs under.
        has_gradient: One for each variable.
        loss_measured: Whether the guard has seen the loss of every step.
        data_loss_gradient: Whether the gradients of weight regularisers were taken out.
        device_bytes: What the measurement holds on the device.
        nondeterminism: What stands against the same weights from another run of the program.
        activations: Layers whose activations are looked at.
        depths: Place of each layer in the forward pass, by its name; None when not seen.
        batch_size: Examples in a batch, of all replicas; None when not known.
        inputs: What the inputs looked like, in a few examples.
        like: An earlier card of the same training, whose layers are told already.
    """
    owners = _owners(model)
    inner = names.inner_optimizer(optimizer)
    cards = [
        _variable(variable, owners, has_gradient=bool(has))
        for variable, has in zip(variables, has_gradient, strict=True)
    ]
    if depths:
        cards = [card.model_copy(update={"depth": depths.get(card.layer)}) for card in cards]
    if like is not None and like.layers and all(layer.is_built for layer in like.layers):
        layers, outputs = like.layers, like.outputs
    else:
        layers, outputs = layers_and_outputs(model)
    return ModelCard(
        model_name=model.name,
        variables=tuple(cards),
        optimizer=type(inner).__name__,
        optimizer_config=_plain(inner.get_config()),
        loss=_loss_name(getattr(model, "loss", None)) if model.compiled else None,
        loss_measured=loss_measured,
        clips=tuple(clip_to_config(clip) for clip in settings.clip),
        on_nonfinite=settings.on_nonfinite,
        statistics_every=settings.statistics_every,
        precision=model.dtype_policy.name,
        strategy=strategy_name(strategy),
        replicas=strategy.num_replicas_in_sync,
        replica_names=replica_names(strategy),
        accumulation_steps=inner.gradient_accumulation_steps or 1,
        loss_scaled=inner is not optimizer,
        data_loss_gradient=data_loss_gradient,
        activations=tuple(activations),
        device_bytes=device_bytes,
        devices=tuple(device.name for device in tf.config.list_logical_devices()),
        versions=_versions(),
        seed=last_seed() if settings.seed is None else settings.seed,
        nondeterminism=tuple(nondeterminism),
        environment={name: os.environ[name] for name in _KERNELS if name in os.environ},
        layers=layers,
        outputs=outputs,
        losses=losses_of(model),
        batch_size=batch_size or _own_batch_size(layers),
        inputs=tuple(inputs),
    )


def describe_design(
    model: keras.Model, *, batch_size: int | None = None, inputs: Sequence[InputCard] = ()
) -> ModelCard:
    """Returns what is known of a model that does not train yet, compiled or not, built or not.

    Args:
        model: What is described; nothing of it is run.
        batch_size: Examples in a batch; None takes the model's own, if its inputs have one.
        inputs: What its inputs look like.
    """
    optimizer = names.compiled_optimizer(model) if model.compiled else None
    layers, outputs = layers_and_outputs(model)
    owners = _owners(model)
    inner = None if optimizer is None else names.inner_optimizer(optimizer)
    return ModelCard(
        model_name=model.name,
        variables=tuple(_variable(v, owners, has_gradient=True) for v in model.trainable_variables),
        optimizer="" if inner is None else type(inner).__name__,
        optimizer_config={} if inner is None else _plain(inner.get_config()),
        loss=_loss_name(getattr(model, "loss", None)) if model.compiled else None,
        loss_measured=False,
        precision=model.dtype_policy.name,
        versions=_versions(),
        layers=layers,
        outputs=outputs,
        losses=losses_of(model),
        batch_size=batch_size or _own_batch_size(layers),
        inputs=tuple(inputs),
    )


def _own_batch_size(layers: Sequence[LayerCard]) -> int | None:
    """The batch size that the inputs of a model were made with."""
    shapes = [layer.output_shape for layer in layers if layer.kind == "InputLayer"]
    return next((shape[0] for shape in shapes if shape and shape[0]), None)


def with_former(card: ModelCard, former: ModelCard | None) -> ModelCard:
    """Returns the card of a resumed training: what was found out before the kill stays known.

    Args:
        card: Of this process.
        former: Of the process that was killed; None when there was none.
    """
    if former is None:
        return card
    before = {variable.path: variable for variable in former.variables}
    variables = []
    for variable in card.variables:
        known = before.get(variable.path, variable)
        found = {
            "has_gradient": variable.has_gradient or known.has_gradient,
            "depth": known.depth if variable.depth is None else variable.depth,
        }
        variables.append(variable.model_copy(update=found))
    kept = {
        "variables": tuple(variables),
        "activations": card.activations or former.activations,
        "inputs": card.inputs or former.inputs,
        "batch_size": card.batch_size or former.batch_size,
        "loss_measured": card.loss_measured and former.loss_measured,
    }
    return card.model_copy(update=kept)


def nonfinite_weights(variables: Sequence[keras.Variable]) -> dict[str, int]:
    """Returns how many entries of each variable are NaN or infinite, by path."""
    return {
        variable.path: int(tf.math.count_nonzero(~tf.math.is_finite(variable.value)))
        for variable in variables
        if names.tf_variable(variable).dtype.is_floating
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
    regularizer = getattr(variable, "regularizer", None)
    return VariableCard(
        path=variable.path,
        layer=layer_name,
        shape=tuple(int(size) for size in variable.shape),
        dtype=variable.dtype,
        initializer=None if initializer is None else _name(initializer),
        activation=_activation(layer),
        has_gradient=has_gradient,
        regularizer=None if regularizer is None else _name(regularizer),
    )


def _owners(model: keras.Model) -> dict[int, tuple[str, Any]]:
    """Returns, by variable, its layer's name and the object that holds its initialiser.

    The innermost layer owns a variable; for a cell, the recurrent layer around it gives its name.
    """
    owners: dict[int, tuple[str, Any]] = {}
    cell_names: dict[int, str] = {}
    for layer in names.layers_of(model):
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
