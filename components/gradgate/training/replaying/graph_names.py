"""From the name of a node in TensorFlow's graph to the layer and the line that made it."""

import dataclasses
import re
import sysconfig
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras

from gradgate.training.hooks import names

_GRADIENT = "gradient_tape/"
_LOSS = "compile_loss"
_LIBRARIES = ("tensorflow", "keras")
_OURS = str(Path(__file__).resolve().parent)
_PATHS = sysconfig.get_paths()


@dataclasses.dataclass(frozen=True)
class Place:
    """Which part of a step a node belongs to.

    Attributes:
        layer: Name of the innermost layer; None outside of all layers.
        part: `layer`, `loss`, `optimizer` or `step`.
        is_gradient: Whether it is in the backward pass.
    """

    layer: str | None
    part: str
    is_gradient: bool


def place_of(node: str, model: keras.Model) -> Place:
    """Returns where a node stands.

    Keras names the nodes of a layer `model/layer/...`, and adds a number where a name was used
    before; the gradient of a node is named as it is, below `gradient_tape/`.
    """
    is_gradient = node.startswith(_GRADIENT)
    parts = node.removeprefix(_GRADIENT).split("/")
    if parts[0] == _LOSS:
        return Place(None, "loss", is_gradient)
    layer = None
    known = _layer_names(model)
    for part in parts[:-1]:
        layer = _named(part, known) or layer
    if layer is not None:
        return Place(layer, "layer", is_gradient)
    optimizer = names.compiled_optimizer(model)
    inner = None if optimizer is None else names.inner_optimizer(optimizer).name
    is_update = inner is not None and _named(parts[0], {inner}) is not None
    return Place(None, "optimizer" if is_update else "step", is_gradient)


def user_line(operation: Any, frames: Sequence[tuple[str, int, str]]) -> str | None:
    """Returns `file:line in function` of the last line that is no library's.

    Args:
        operation: The graph's; None where only the frames of the message are known. For a
            gradient, the operation that it is the gradient of is asked: Keras's own code made the
            gradient.
        frames: Files, lines and functions, the outermost first.
    """
    if operation is not None:
        frames = _trace(_forward(operation))
    # What called the step is no part of it.
    ours = [place for place, (file, _, _) in enumerate(frames) if file.startswith(_OURS)]
    outside = max(ours, default=-1)
    inside = [frame for frame in frames[outside + 1 :] if not _is_library(frame[0])]
    if not inside:
        return None
    file, line, function = inside[-1]
    return f"{_shown(file)}:{line} in {function}"


def _forward(operation: Any) -> Any:
    """For an operation of the backward pass, the one of its inputs that the forward pass made."""
    if not operation.name.startswith(_GRADIENT):
        return operation
    scope = operation.name.removeprefix(_GRADIENT).rpartition("/")[0]
    made = [each.op for each in operation.inputs if not each.op.name.startswith(_GRADIENT)]
    inside = [each for each in made if each.name.startswith(scope + "/")]
    return next(iter(inside or made), operation)


def _trace(operation: Any) -> list[tuple[str, int, str]]:
    return [(frame.filename, frame.lineno, frame.name) for frame in operation.traceback]


def _layer_names(model: keras.Model) -> set[str]:
    inside = {each.name for each in names.layers_of(model) if each is not model}
    cells = {
        cell.name
        for each in names.layers_of(model)
        if isinstance(each, keras.layers.RNN)
        for cell in (each.cell, *getattr(each.cell, "cells", ()))
    }
    return inside - cells


def _named(part: str, known: set[str]) -> str | None:
    if part in known:
        return part
    without = re.sub(r"_\d+$", "", part)
    return without if without in known else None


def _is_library(file: str) -> bool:
    if file.startswith((_PATHS["purelib"], _PATHS["platlib"])):
        return any(name in Path(file).parts for name in _LIBRARIES)
    return file.startswith(_PATHS["stdlib"])


def _shown(file: str) -> str:
    try:
        return str(Path(file).relative_to(Path.cwd()))
    except ValueError:
        return file
