"""A loss of the user's own takes the square root of 0, whose slope is infinite."""

from collections.abc import Callable
from typing import Any, Final

import keras
import numpy as np

from programs.data import digits
from programs.program import Program, dense

CAUSE: Final = "unstable-arithmetic"
_ops = keras.ops


def distance(y: Any, answer: Any) -> Any:
    """Returns how far an image is from its copy."""
    return _ops.sqrt(_ops.sum(_ops.square(y - answer), axis=-1))


def safe_distance(y: Any, answer: Any) -> Any:
    """The same with an epsilon below the root."""
    return _ops.sqrt(_ops.sum(_ops.square(y - answer), axis=-1) + 1e-7)


def sick(seed: int) -> Program:
    """Without an epsilon."""
    return _program(distance, seed)


def cured(seed: int) -> Program:
    """With one."""
    return _program(safe_distance, seed)


def _program(loss: Callable[[Any, Any], Any], seed: int) -> Program:
    """Some images are blank, and so are their copies at first, having no bias."""
    x, _ = digits()
    x = x.copy()
    x[::9] = 0
    model = dense(
        keras.layers.Dense(32, "relu", use_bias=False, name="encoder"),
        keras.layers.Dense(64, use_bias=False, name="decoder"),
        seed=seed,
    )
    model.compile(keras.optimizers.Adam(learning_rate=0.001), loss)
    constant = float(np.linalg.norm(x - x.mean(axis=0), axis=1).mean())
    return Program(model=model, x=x, y=x, constant_loss=constant)
