"""What a layer is, as the record tells it: class, activation, initialisers, sizes."""

import re
from collections.abc import Sequence
from typing import Any, Final

import keras
import numpy as np

from gradgate.contracts import InitializerCard, LayerCard

_SETTINGS: Final = (
    *("axis", "momentum", "epsilon", "center", "scale", "groups", "negative_slope", "alpha"),
    *("rate", "dropout", "recurrent_dropout", "return_sequences", "stateful", "unit_forget_bias"),
    *("kernel_size", "strides", "depth_multiplier", "input_dim", "mask_zero", "num_heads"),
)
_NUMBERS_OF_INITIALIZERS: Final = (
    *("scale", "mode", "distribution", "mean", "stddev", "minval", "maxval", "value", "gain"),
)
_WEIGHTS: Final = ("kernel", "recurrent", "depthwise", "pointwise", "embeddings", "bias")
_NAMED: Final = {  # scale, mode, distribution of a VarianceScaling that has a name of its own
    (1.0, "fan_avg", "uniform"): "GlorotUniform",
    (1.0, "fan_avg", "truncated_normal"): "GlorotNormal",
    (2.0, "fan_in", "uniform"): "HeUniform",
    (2.0, "fan_in", "truncated_normal"): "HeNormal",
    (1.0, "fan_in", "uniform"): "LecunUniform",
    (1.0, "fan_in", "truncated_normal"): "LecunNormal",
}


def card(
    layer: Any,
    *,
    path: str,
    inputs: Sequence[int] = (),
    shape: Sequence[int | None] | None = None,
    wrapper: str | None = None,
) -> LayerCard:
    """Returns the card of one call of a layer, or of an operation.

    Args:
        layer: With what is wrapped around it.
        path: With the names of the models and layers around it.
        inputs: Positions of the cards of what feeds it.
        shape: Of what it gives out.
        wrapper: Keras class name of what is around it and the models that it lies in.
    """
    whole, (layer, around) = layer, unwrapped(layer)
    cells = _cells(layer)
    told = cells[-1] if cells else layer  # a recurrent layer's cell is what has the numbers
    units = next((v for v in (getattr(told, n, None) for n in ("units", "filters")) if v), None)
    return LayerCard(
        name=whole.name,
        path=path,
        kind=_keras_class(layer).__name__,
        class_name=type(layer).__name__,
        wrapper=around or wrapper,
        cells=tuple(_keras_class(cell).__name__ for cell in cells),
        cell_classes=tuple(type(cell).__name__ for cell in cells),
        inputs=tuple(inputs),
        activation=_activation(told),
        recurrent_activation=_function_name(getattr(told, "recurrent_activation", None)),
        initializers=_initializers(told),
        units=int(units) if isinstance(units, (int, np.integer)) else None,
        use_bias=_flag(getattr(told, "use_bias", None)),
        output_shape=_shape(shape),
        dtype_policy=getattr(getattr(whole, "dtype_policy", None), "name", None),
        parameters=_parameters(whole),
        is_trainable=bool(getattr(whole, "trainable", True)),
        is_built=bool(getattr(whole, "built", True)),
        settings={key: value for key in _SETTINGS if (value := _setting(told, key)) is not None},
    )


def unwrapped(layer: Any) -> tuple[Any, str | None]:
    """Returns the layer inside of a wrapper, and the class name of the outermost wrapper."""
    outermost = None
    while isinstance(layer, (keras.layers.Wrapper, keras.layers.Bidirectional)):
        outermost = outermost or type(layer).__name__
        is_twice = isinstance(layer, keras.layers.Bidirectional)
        layer = layer.forward_layer if is_twice else layer.layer
    return layer, outermost


def is_own(layer: Any) -> bool:
    """Says whether a layer's `call` is not Keras's."""
    call = getattr(type(layer), "call", None)
    return not (getattr(call, "__module__", None) or "").startswith("keras.")


def _keras_class(layer: Any) -> type:
    return next(c for c in type(layer).__mro__ if c.__module__.startswith("keras.") or c is object)


def _cells(layer: Any) -> tuple[Any, ...]:
    """The cells that a bare `RNN` was given; the named recurrent layers tell theirs themselves."""
    if not isinstance(layer, keras.layers.RNN) or _keras_class(layer) is not keras.layers.RNN:
        return ()
    return tuple(getattr(layer.cell, "cells", (layer.cell,)))


def _activation(layer: Any) -> str | None:
    if isinstance(layer, keras.layers.ReLU):
        return "leaky_relu" if np.any(layer.negative_slope) else "relu"
    for kind in ("LeakyReLU", "PReLU", "ELU", "Softmax"):
        if isinstance(layer, getattr(keras.layers, kind)):
            return {"LeakyReLU": "leaky_relu"}.get(kind, kind.lower())
    if isinstance(layer, keras.Operation) and not isinstance(layer, keras.Layer):
        name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", type(layer).__name__).lower()
        return name if callable(getattr(keras.activations, name, None)) else None
    return _function_name(getattr(layer, "activation", None))


def _function_name(function: Any) -> str | None:
    return None if function is None else getattr(function, "__name__", type(function).__name__)


def _initializers(layer: Any) -> dict[str, InitializerCard]:
    found = {weight: getattr(layer, f"{weight}_initializer", None) for weight in _WEIGHTS}
    return {weight: _initializer(each) for weight, each in found.items() if each is not None}


def _initializer(initializer: Any) -> InitializerCard:
    config = {
        name: value
        for name in _NUMBERS_OF_INITIALIZERS
        if isinstance(value := getattr(initializer, name, None), (int, float, str))
    }
    name = _function_name(initializer) or ""
    if isinstance(initializer, keras.initializers.VarianceScaling):
        numbers = (config.get("scale"), config.get("mode"), config.get("distribution"))
        name = _NAMED.get(numbers, name)  # type: ignore[call-overload]
    return InitializerCard(name=name, config=config)


def _parameters(layer: Any) -> int:
    weights = getattr(layer, "weights", ()) if getattr(layer, "built", False) else ()
    return sum(int(np.prod(weight.shape)) for weight in weights)


def _shape(shape: Sequence[int | None] | None) -> tuple[int | None, ...] | None:
    if shape is None:
        return None
    return tuple(None if size is None else int(size) for size in shape)


def _flag(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _setting(layer: Any, name: str) -> Any:
    value = getattr(layer, name, None)
    if isinstance(value, (list, tuple)) and all(isinstance(each, int) for each in value):
        return list(value)
    return value if isinstance(value, (bool, int, float)) else None
