"""The learning rate is a thousand times too high."""

from typing import Final

import keras

from programs.data import digits
from programs.program import Program, dense

CAUSE: Final = "learning-rate-too-high"


def sick(seed: int) -> Program:
    """1."""
    return _program(1.0, seed)


def cured(seed: int) -> Program:
    """0.001."""
    return _program(0.001, seed)


def _program(rate: float, seed: int) -> Program:
    x, y = digits()
    model = dense(
        keras.layers.Dense(64, "relu", name="hidden_1"),
        keras.layers.Dense(64, "relu", name="hidden_2"),
        keras.layers.Dense(10, "softmax", name="output"),
        seed=seed,
    )
    model.compile(keras.optimizers.Adam(learning_rate=rate), "sparse_categorical_crossentropy")
    return Program(model=model, x=x, y=y)
