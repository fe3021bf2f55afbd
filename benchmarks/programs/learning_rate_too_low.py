"""The learning rate is so low that nothing moves."""

from typing import Final

import keras

from programs.data import digits
from programs.program import Program, dense

CAUSE: Final = "learning-rate-too-low"


def sick(seed: int) -> Program:
    """A ten-millionth."""
    return _program(1e-7, seed)


def cured(seed: int) -> Program:
    """0.001, Adam's own."""
    return _program(0.001, seed)


def _program(rate: float, seed: int) -> Program:
    x, y = digits()
    model = dense(
        keras.layers.Dense(64, "relu", name="hidden"),
        keras.layers.Dense(10, "softmax", name="output"),
        seed=seed,
    )
    model.compile(keras.optimizers.Adam(learning_rate=rate), "sparse_categorical_crossentropy")
    return Program(model=model, x=x, y=y)
