"""The classes are numbered 1 and 2, where the loss wants 0 and 1."""

from typing import Any, Final

import keras
from numpy.typing import NDArray

from programs.data import tumours
from programs.program import Program, dense, standardised

CAUSE: Final = "labels-out-of-range"


def sick(seed: int) -> Program:
    """Labels 1 and 2."""
    x, y = tumours()
    return _program(x, y + 1, seed)


def cured(seed: int) -> Program:
    """Labels 0 and 1."""
    x, y = tumours()
    return _program(x, y, seed)


def _program(x: NDArray[Any], y: NDArray[Any], seed: int) -> Program:
    model = dense(
        keras.layers.Dense(32, "relu", name="hidden"),
        keras.layers.Dense(1, "sigmoid", name="output"),
        seed=seed,
    )
    model.compile(keras.optimizers.Adam(learning_rate=0.001), "binary_crossentropy")
    return Program(model=model, x=standardised(x), y=y, epochs=20)
