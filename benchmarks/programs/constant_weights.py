"""All weights begin at 0, so no unit ever differs from its neighbours."""

from typing import Final

import keras

from programs.data import digits
from programs.program import Program, dense

CAUSE: Final = "equal-weights"


def sick(seed: int) -> Program:
    """Zeros."""
    return _program("zeros", seed)


def cured(seed: int) -> Program:
    """Drawn at random."""
    return _program("he_normal", seed)


def _program(initializer: str, seed: int) -> Program:
    x, y = digits()
    model = dense(
        keras.layers.Dense(64, "relu", kernel_initializer=initializer, name="hidden"),
        keras.layers.Dense(10, "softmax", kernel_initializer=initializer, name="output"),
        seed=seed,
    )
    model.compile(keras.optimizers.SGD(learning_rate=0.1), "sparse_categorical_crossentropy")
    return Program(model=model, x=x, y=y)
