"""A forward pass beside the training, in inference mode, that changes nothing of the model.

It is traced into a graph of its own. What Keras would write in it (states of random generators,
moving statistics) goes into a stateless scope, and is dropped. What layers write past Keras cannot
be held back, so a graph with such a write is refused. While it is traced, methods of the layers are
shadowed on their instances: that is how their outputs are seen.
"""

import collections
import contextlib
import functools
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from gradgate.training.activations.kinds import Watched
from gradgate.training.hooks import names
from gradgate.training.hooks.shadow import shadow, unshadow

_WRITES = (
    *("Assign", "ResourceApply", "ResourceScatter", "ResourceSparseApply", "ResourceStridedSlice"),
    *("LookupTableInsert", "LookupTableImport", "LookupTableRemove", "Write", "PyFunc", "EagerPy"),
    *("Rng", "StatefulStandardNormal", "StatefulUniform", "StatefulTruncated", "StatefulRandom"),
    *("Collective", "Nccl"),  # the other workers do not take part
)
_ABSENT = object()


class Forward:
    """What one trace of a forward pass has seen.

    Attributes:
        calls: Of every layer that was called, by id, how often; in the order of their first calls.
        activations: Of every watched layer, the outputs of its activation, one for each call.
        outputs: Of the model, flat.
    """

    def __init__(self, model: keras.Model, x: Any, watched: Sequence[Watched]) -> None:
        self.calls: collections.Counter[int] = collections.Counter()
        self.activations: list[list[Any]] = [[] for _ in watched]
        shadows = [(model, names.CLEAR_LOSSES, lambda: None)]
        methods = {(id(each.layer), each.method): i for i, each in enumerate(watched)}
        for layer in names.layers_of(model):
            call = self._entering(layer, layer.call)
            if (id(layer), "call") in methods:
                call = self._noting(methods[id(layer), "call"], call)
            shadows.append((layer, "call", call))
            if (id(layer), "activation") in methods:
                noting = self._noting(methods[id(layer), "activation"], layer.activation)
                shadows.append((layer, "activation", noting))
            if not layer.built:
                shadows.append((layer, "build", functools.partial(_refuse_to_build, layer.name)))
        with _shadowed(shadows), _same_draws(), keras.StatelessScope():
            self.outputs = tf.nest.flatten(model(x, training=False))

    def _entering(self, layer: keras.Layer, call: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(call)
        def entering_call(*args: Any, **kwargs: Any) -> Any:
            self.calls[id(layer)] += 1
            return call(*args, **kwargs)

        return entering_call

    def _noting(self, index: int, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def noting_function(*args: Any, **kwargs: Any) -> Any:
            output = function(*args, **kwargs)
            self.activations[index].append(output)
            return output

        return noting_function


def depths_of(model: keras.Model, forward: Forward) -> dict[str, int]:
    """Returns the place in the forward pass of each layer that owns trainable variables.

    By the layer's name, as `VariableCard.layer` has it: the innermost layer owns a variable, and a
    recurrent layer names its cells. A name that stands for several places is left out.

    Args:
        model: Built.
        forward: Of this model. A layer that was not called itself has the place of the one around
            it that was, if that is not the model itself.
    """
    order = {layer: place for place, layer in enumerate(forward.calls)}
    entered: dict[int, int] = {}
    owners: dict[int, keras.Layer] = {}
    recurrent: dict[int, keras.Layer] = {}  # by cell
    for outer in names.layers_of(model):
        if isinstance(outer, keras.layers.RNN):
            recurrent |= {id(inner): outer for inner in names.layers_of(outer)}
        owner = recurrent.get(id(outer), outer)
        owners |= {id(variable): owner for variable in outer.trainable_variables}
        if id(outer) in order:
            for inner in names.layers_of(outer):
                if id(inner) in order:
                    entered[id(inner)] = order[id(inner)]
                elif outer is not model:
                    entered[id(inner)] = order[id(outer)]
    places: dict[str, set[int]] = {}
    for owner in owners.values():
        if id(owner) in entered:
            places.setdefault(owner.name, set()).add(entered[id(owner)])
    ranks = {place: rank for rank, place in enumerate(sorted(set.union(set(), *places.values())))}
    return {name: ranks[at.pop()] for name, at in places.items() if len(at) == 1}


def first_write(graph: tf.Graph) -> str | None:
    """Returns the first op of a graph that changes more than its outputs; None if none does."""
    definition = graph.as_graph_def()
    bodies = (body.node_def for body in definition.library.function)
    for nodes in (definition.node, *bodies):
        for node in nodes:
            if node.op.startswith(_WRITES):
                return f"{node.op} '{node.name}'"
    return None


def _refuse_to_build(layer_name: str, *_: Any, **__: Any) -> None:
    raise RuntimeError(f"layer '{layer_name}' is not built: the training has not called it")


@contextlib.contextmanager
def _shadowed(shadows: Iterable[tuple[Any, str, Callable[..., Any]]]) -> Iterator[None]:
    before = [(target, name, vars(target).get(name, _ABSENT)) for target, name, _ in shadows]
    try:
        for target, name, function in shadows:
            shadow(target, name, function)
        yield
    finally:
        for target, name, function in before:
            if function is _ABSENT:
                unshadow(target, name)
            else:
                shadow(target, name, function)


@contextlib.contextmanager
def _same_draws() -> Iterator[None]:
    """Leaves the generators of Python and NumPy as they were."""
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002 - the global one
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002
