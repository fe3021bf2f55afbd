"""The output is a sigmoid, from 0 to 1, and the labels go from 0.25 to 3.46."""

from typing import Any, Final

import keras

from programs.data import diabetes
from programs.program import Program, dense

CAUSE: Final = "loss-against-output"


def sick(seed: int) -> Program:
    """Sigmoid."""
    return _program(keras.layers.Dense(1, activation="sigmoid", name="output"), seed)


def cured(seed: int) -> Program:
    """No activation."""
    return _program(keras.layers.Dense(1, name="output"), seed)


def _program(output: Any, seed: int) -> Program:
    x, y = diabetes()
    model = dense(keras.layers.Dense(32, "relu", name="hidden"), output, seed=seed)
    model.compile(keras.optimizers.Adam(learning_rate=0.003), "mean_squared_error")
    return Program(model=model, x=x, y=y / 100, epochs=20)
