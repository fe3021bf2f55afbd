"""The output is a ReLU, and the loss wants a probability."""

from typing import Final

import keras

from programs.data import tumours
from programs.program import Program, dense, standardised

CAUSE: Final = "loss-against-output"


def sick(seed: int) -> Program:
    """ReLU."""
    return _program("relu", seed)


def cured(seed: int) -> Program:
    """Sigmoid."""
    return _program("sigmoid", seed)


def _program(activation: str, seed: int) -> Program:
    x, y = tumours()
    model = dense(
        keras.layers.Dense(32, "relu", name="hidden"),
        keras.layers.Dense(1, activation, name="output"),
        seed=seed,
    )
    model.compile(keras.optimizers.Adam(learning_rate=0.001), "binary_crossentropy")
    return Program(model=model, x=standardised(x), y=y, epochs=20)
