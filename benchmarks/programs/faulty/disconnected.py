"""Most of the model never hears of the loss."""

from typing import Any

import keras
import tensorflow as tf
from programs.case import Case, Fault
from programs.data import digits
from programs.program import Program

_LAYERS = keras.layers
_KIND = "disconnected"


class _Cut(_LAYERS.Layer):
    """Hands its input on in one way; each way loses the gradient in its own."""

    def __init__(self, by: Any, **options: Any) -> None:
        super().__init__(**options)
        self._by = by

    def call(self, x: Any) -> Any:
        return self._by(x)


def _cut(seed: int, by: Any) -> Program:
    x, y = digits()
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((64,), name="pixels")
    h = _LAYERS.Dense(64, "tanh", name="hidden")(inputs)
    h = _LAYERS.Dense(64, "tanh", name="hidden_2")(h)
    h = _Cut(by, name="cut")(h)
    outputs = _LAYERS.Dense(10, "softmax", name="output")(h)
    model = keras.Model(inputs, outputs)
    model.compile(keras.optimizers.Adam(), "sparse_categorical_crossentropy")
    return Program(model=model, x=x, y=y)


CASES = (
    Case(
        name="stopped-gradient",
        what="A stop_gradient that was left over from an experiment.",
        make=lambda seed: _cut(seed, tf.stop_gradient),
        fault=Fault(kind=_KIND, causes=("disconnected",), layers=("hidden", "hidden_2")),
        is_for_tuning=True,
    ),
    Case(
        name="sign-in-between",
        what="The hidden values are cut to their sign, whose derivative is 0.",
        make=lambda seed: _cut(seed, tf.sign),
        fault=Fault(kind=_KIND, causes=("disconnected",), layers=("hidden", "hidden_2")),
    ),
)
