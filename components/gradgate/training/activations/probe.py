"""Looks at the activations of a model: which units are dead, how many outputs are saturated.

A look is a forward pass of its own, in inference mode, on a few examples, so the training step and
its results stay what they are. The numbers are made on the device; one bit for each unit and three
numbers for each layer come to the host.
"""

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from gradgate.contracts import ActivationCard
from gradgate.training.activations.forward import Forward, depths_of, first_write
from gradgate.training.activations.inputs import InputKeeper as InputKeeper
from gradgate.training.activations.kinds import Watched, watched_layers
from gradgate.training.activations.numbers import Numbers, measure

LOOKS = 8
"""A unit is dead when it was 0 on all examples of this many looks, see signal `dead_relu`."""
_ZERO_LOOKS = "zero_looks_"

Vectors = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


@dataclasses.dataclass(frozen=True)
class _Trace:
    function: Any  # flat inputs -> `Numbers`
    units: tuple[int, ...]  # of each layer


class ActivationProbe:
    """Looks at the activations of one model.

    Looked at is what the activation function of a layer gives, wherever the layer stands: in a
    nested model, shared by several inputs, in a subclassed model's `call`. Not looked at are the
    gates of recurrent layers, softmax, and functions that Keras has no name for; nor a layer that
    is called in a loop on the device, or in a `tf.function` or `tf.cond` of the model's own. The
    saturation of what the model itself gives out is not told: there it is confidence.

    Args:
        model: Built at the first look.

    Attributes:
        cards: Of the a layers that are looked at; known after the first look.
        depths: Place in the forward pass, from 0, of each layer that owns trainable variables, by
            its name as in `VariableCard.layer`; known after the first look.
        unavailable: Why there are no looks; empty while there are. A model whose forward pass
            cannot be made in this way is given up at the first failure.
    """

    def __init__(self, model: keras.Model) -> None:
        self.depths: dict[str, int] = {}
        self.unavailable = ""
        self.cards: tuple[ActivationCard, ...] = ()
        self._model = model
        self._watched: list[Watched] | None = None
        self._traces: dict[Any, _Trace] = {}
        self._zero_looks: dict[int, np.ndarray] = {}  # of each unit, in a row, up to now
        self._looks = 0

    def look(self, x: Any) -> Vectors | None:
        """Makes a forward pass and returns four float32 [a]; None if that is not possible.

        Args:
            x: Examples, as the model takes them: tensors or arrays of numbers in any structure.
                Each new shape, dtype or structure is traced once.

        Returns:
            zero_fraction, dead_fraction, saturated_fraction and spread, as
            `telemetry.batch.ActivationBatch` says. NaN where a layer was not called, or not where
            it can be seen.
        """
        if self.unavailable:
            return None
        try:
            tensors = [tf.convert_to_tensor(leaf) for leaf in tf.nest.flatten(x)]
            trace = self._trace(x, tensors)
            numbers = trace.function(*tensors)
            zeros, saturated, spread, is_zero = (value.numpy() for value in numbers)
        except Exception as error:  # noqa: BLE001 - a look never ends a training
            self.unavailable = f"{type(error).__name__}: {_what_it_says(error)}"
            return None
        return zeros, self._dead(is_zero, trace.units), saturated, spread

    def state(self) -> dict[str, np.ndarray]:
        """Returns what a resumed training needs to go on in the same way."""
        units = {f"{_ZERO_LOOKS}{index}": each for index, each in self._zero_looks.items()}
        return {**units, "looks": np.array(self._looks)}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Goes on from what `state` gave."""
        self._looks = int(state.get("looks", 0))
        self._zero_looks = {
            int(name.removeprefix(_ZERO_LOOKS)): each
            for name, each in state.items()
            if name.startswith(_ZERO_LOOKS)
        }

    def _trace(self, x: Any, tensors: Sequence[tf.Tensor]) -> _Trace:
        structure = tf.nest.map_structure(lambda _: 0, x)
        specs = [tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in tensors]
        key = (repr(structure), tuple(specs))
        if key not in self._traces:
            self._traces[key] = self._new_trace(structure, specs)
        return self._traces[key]

    def _new_trace(self, structure: Any, specs: Sequence[tf.TensorSpec]) -> _Trace:
        units: list[int] = []
        if self._watched is None:
            self._watched = watched_layers(self._model)
            self.cards = tuple(
                ActivationCard(layer=path, activation=each.kind.name)
                for path, each in zip(_paths(self._watched), self._watched, strict=True)
            )
        watched = self._watched

        def pass_forward(*tensors: tf.Tensor) -> Numbers:
            x = tf.nest.pack_sequence_as(structure, tensors)
            forward = Forward(self._model, x, watched)
            self.depths = self.depths or depths_of(self._model, forward)
            numbers, sizes = measure(watched, forward)
            units.extend(sizes)
            return numbers

        # Keras traces the training without AutoGraph too.
        function = tf.function(pass_forward, autograph=False).get_concrete_function(*specs)
        write = first_write(function.graph)
        if write is not None:
            raise RuntimeError(f"the forward pass writes in inference mode: {write}")
        return _Trace(function, tuple(units))

    def _dead(self, is_zero: np.ndarray, units: Sequence[int]) -> np.ndarray:
        self._looks += 1
        dead = np.full(len(units), np.nan, np.float32)
        ends = np.cumsum(units)
        for index, (end, size) in enumerate(zip(ends, units, strict=True)):
            if not size:
                continue
            before = self._zero_looks.get(index)
            if before is None or len(before) != size:
                before = np.zeros(size, np.int64)
            now = np.where(is_zero[end - size : end], before + 1, 0)
            self._zero_looks[index] = now
            if self._looks >= LOOKS:
                dead[index] = np.mean(now >= LOOKS)
        return dead


def _what_it_says(error: Exception) -> str:
    """Returns the first line of a message, without what Keras puts before it."""
    plain = re.sub(r"\x1b\[\d+m", "", str(error))
    lines = [line.strip() for line in plain.splitlines() if line.strip()]
    said = [line for line in lines if not line.startswith("Exception encountered when calling")]
    return (said or lines or [""])[0]


def _paths(watched: Sequence[Watched]) -> list[str]:
    """Returns a path for each layer; one without variables may have none, and has its name."""
    paths: list[str] = []
    for each in watched:
        path = each.layer.path or each.layer.name
        taken = sum(other == path or other.startswith(f"{path}#") for other in paths)
        paths.append(f"{path}#{taken + 1}" if taken else path)
    return paths
