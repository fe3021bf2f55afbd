"""A plain recurrent layer with ReLU multiplies by the same matrix 64 times."""

from typing import Any, Final

import keras

import gradgate
from programs.data import digits
from programs.program import Program, dense

CAUSE: Final = "recurrent-product"


def sick(seed: int) -> Program:
    """No clip, and a layer without gates."""
    start = keras.initializers.Orthogonal(gain=1.8, seed=seed)
    reader = keras.layers.SimpleRNN(
        64, activation="relu", recurrent_initializer=start, name="reader"
    )
    return _program(seed, reader)


def cured(seed: int) -> Program:
    """A clip at 330, and gates."""
    clip = (gradgate.ClipByGlobalNorm(max_norm=330),)
    return _program(seed, keras.layers.LSTM(64, name="reader"), clip)


def _program(seed: int, reader: keras.Layer, clip: tuple[Any, ...] = ()) -> Program:
    x, y = digits()
    model = dense(
        keras.layers.Reshape((64, 1), name="pixels"),
        reader,
        keras.layers.Dense(10, "softmax", name="output"),
        seed=seed,
    )
    model.compile(keras.optimizers.Adam(learning_rate=0.003), "sparse_categorical_crossentropy")
    return Program(model=model, x=x, y=y, epochs=6, clip=clip)
