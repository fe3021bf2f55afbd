"""One column of the table is missing in a few rows, and is fed as NaN."""

from typing import Any, Final

import keras
import numpy as np
from numpy.typing import NDArray

from programs.data import tumours
from programs.program import Program, dense, standardised

CAUSE: Final = "missing-values"


def sick(seed: int) -> Program:
    """Every tenth row has no third measurement."""
    x, y = tumours()
    x = standardised(x)
    x[::10, 3] = np.nan
    return _program(x, y, seed)


def cured(seed: int) -> Program:
    """What is missing is the mean of its column."""
    x, y = tumours()
    x = standardised(x)
    x[::10, 3] = np.nan
    x = np.where(np.isnan(x), np.nanmean(x, axis=0), x)
    return _program(x, y, seed)


def _program(x: NDArray[Any], y: NDArray[Any], seed: int) -> Program:
    model = dense(
        keras.layers.Dense(32, "relu", name="hidden"),
        keras.layers.Dense(1, "sigmoid", name="output"),
        seed=seed,
    )
    model.compile(keras.optimizers.Adam(learning_rate=0.001), "binary_crossentropy")
    return Program(model=model, x=x, y=y, epochs=20)
