"""What kind of weights each variable holds: which of its axes one output unit spans.

Adaptive clips compare a unit's gradient with the unit's own weights, so they must know where one
unit ends: for a `Dense` kernel that is a column, for an `Embedding` a row, for a depthwise kernel
one filter.
"""

from collections.abc import Sequence
from typing import Any

import keras

from gradgate.gradients.report import Weight
from gradgate.training.hooks import names

_TRANSPOSED = (
    keras.layers.Conv1DTranspose,
    keras.layers.Conv2DTranspose,
    keras.layers.Conv3DTranspose,
)
_DEPTHWISE = (keras.layers.DepthwiseConv1D, keras.layers.DepthwiseConv2D)


def weights_of(model: keras.Model, variables: Sequence[keras.Variable]) -> list[Weight]:
    """Returns what a transform may know of each variable.

    The last layer is the one that holds the last of the variables that is a matrix or more.
    """
    owners = _owners(model)
    kernels = [variable for variable in variables if len(variable.shape) > 1]
    last = owners.get(id(kernels[-1])) if kernels else None
    return [
        Weight(
            value=names.tf_variable(variable),
            unit_axes=_unit_axes(owners.get(id(variable)), variable),
            is_last_layer=last is not None and owners.get(id(variable)) is last,
            is_embedding=_is_embedding(owners.get(id(variable)), variable),
        )
        for variable in variables
    ]


def layers_of(model: keras.Model, variables: Sequence[keras.Variable]) -> list[int]:
    """Returns a number for each variable: the same for those of one layer, from 0."""
    owners, numbers = _owners(model), dict[int, int]()
    owned_by = [id(owners.get(id(variable), variable)) for variable in variables]
    return [numbers.setdefault(owner, len(numbers)) for owner in owned_by]


def _owners(model: keras.Model) -> dict[int, Any]:
    """Returns the layer of each trainable variable, by the variable's id."""
    owners: dict[int, Any] = {}
    for layer in names.layers_of(model):
        for variable in layer.trainable_variables:
            owners[id(variable)] = layer  # the innermost comes last
    return owners


def _is_embedding(layer: Any, variable: keras.Variable) -> bool:
    return isinstance(layer, keras.layers.Embedding) and variable.name == "embeddings"


def _unit_axes(layer: Any, variable: keras.Variable) -> tuple[int, ...] | None:
    """Returns the axes that one output unit spans; None where the rank says it."""
    rank = len(variable.shape)
    if rank < 2 or layer is None:
        return None
    if _is_embedding(layer, variable):
        return tuple(range(1, rank))
    is_depthwise = isinstance(layer, _DEPTHWISE) or variable.name == "depthwise_kernel"
    if is_depthwise:  # [..., channel, multiplier]: a filter each
        return tuple(range(rank - 2))
    if isinstance(layer, _TRANSPOSED):  # [..., output, input]
        return (*range(rank - 2), rank - 1)
    if hasattr(layer, "kernel_size"):  # any other convolution: [..., input, output]
        return tuple(range(rank - 1))
    if isinstance(layer, keras.layers.EinsumDense) and variable.name == "kernel":
        inputs, output = layer.equation.replace("...", "0").split("->")
        kernel = inputs.split(",")[1]
        contracted = tuple(i for i, letter in enumerate(kernel) if letter not in output)
        return contracted if len(kernel) == rank and contracted else None
    return None
