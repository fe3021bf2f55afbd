"""Which layers have an activation that can be looked at, and what can go wrong with it.

A dead unit gives 0 for every example, so its weights get no gradient: an activation has that danger
if it is 0 on all of one side. A saturated one is flat: |z| > 5 for a sigmoid, as in
DeepDiagnosis (ICSE 2022), and |z| > 3 for a tanh, whose slope is 0.01 there. Both rise strictly, so
the output tells the same.
"""

import math
from typing import Any, NamedTuple

import keras

from gradgate.training.hooks import names

_ZERO_SIDED = ("relu", "relu6", "hard_sigmoid", "hard_silu", "sparse_plus", "sparse_sigmoid")
_OTHERS = (
    *("leaky_relu", "prelu", "elu", "celu", "selu", "gelu", "silu", "mish", "softplus", "softsign"),
    *("squareplus", "log_sigmoid", "hard_tanh", "tanh_shrink", "soft_shrink", "hard_shrink"),
)


class Kind(NamedTuple):
    """An activation."""

    name: str  # Keras's
    has_zero_side: bool = False
    saturated_outside: tuple[float, float] | None = None  # outputs outside of it are saturated


KINDS = {
    **{name: Kind(name, has_zero_side=True) for name in _ZERO_SIDED},
    **{name: Kind(name) for name in _OTHERS},
    "sigmoid": Kind(
        "sigmoid", saturated_outside=(1 / (1 + math.exp(5.0)), 1 / (1 + math.exp(-5.0)))
    ),
    "tanh": Kind("tanh", saturated_outside=(-math.tanh(3.0), math.tanh(3.0))),
}


class Watched(NamedTuple):
    """A layer with an activation."""

    layer: keras.Layer
    kind: Kind
    method: str  # of the layer: what gives the activation's output


def watched_layers(model: keras.Model) -> list[Watched]:
    """Returns the layers of a model whose activation can be looked at, outer ones first.

    Not the inside of a recurrent layer, whose gates live in a loop; and not a softmax, nor a
    function that Keras has no name for.
    """
    layers = names.layers_of(model)
    recurrent = {
        id(inner)
        for layer in layers
        if isinstance(layer, keras.layers.RNN)
        for inner in names.layers_of(layer)
    }
    found = (_watched(layer) for layer in layers if id(layer) not in recurrent)
    return [each for each in found if each is not None]


def _watched(layer: keras.Layer) -> Watched | None:
    name = _name_of_activation_layer(layer)
    if name is not None:
        return Watched(layer, KINDS[name], "call")
    # A layer may do more after its activation: looked at is what the activation itself gives.
    activation = vars(layer).get("activation")
    if not callable(activation) or isinstance(activation, keras.Layer):
        return None
    kind = KINDS.get(getattr(activation, "__name__", ""))
    return None if kind is None else Watched(layer, kind, "activation")


def _name_of_activation_layer(layer: Any) -> str | None:
    if isinstance(layer, keras.layers.ReLU):
        return "leaky_relu" if layer.negative_slope else "relu"
    if isinstance(layer, keras.layers.LeakyReLU):
        return "leaky_relu"
    if isinstance(layer, keras.layers.PReLU):
        return "prelu"
    return "elu" if isinstance(layer, keras.layers.ELU) else None
