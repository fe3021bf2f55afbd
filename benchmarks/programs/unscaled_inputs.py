"""A table is fed in its own units, from 0.001 to 4254."""

from typing import Any, Final

import keras
from numpy.typing import NDArray

from programs.data import tumours
from programs.program import Program, dense, standardised

CAUSE: Final = "input-scale"


def sick(seed: int) -> Program:
    """As the file has it."""
    x, y = tumours()
    return _program(x, y, seed)


def cured(seed: int) -> Program:
    """Standardised."""
    x, y = tumours()
    return _program(standardised(x), y, seed)


def _program(x: NDArray[Any], y: NDArray[Any], seed: int) -> Program:
    model = dense(
        keras.layers.Dense(32, "tanh", name="hidden"),
        keras.layers.Dense(1, "sigmoid", name="output"),
        seed=seed,
    )
    model.compile(keras.optimizers.SGD(learning_rate=0.1), "binary_crossentropy")
    return Program(model=model, x=x, y=y, epochs=20)
