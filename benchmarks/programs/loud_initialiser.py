"""The weights of a deep tanh network are drawn far too large, so that every unit is saturated."""

from typing import Any, Final

import keras

from programs.data import digits
from programs.program import Program, dense

CAUSE: Final = "initialiser"


def sick(seed: int) -> Program:
    """A standard deviation of 3, where 0.125 suits 64 inputs."""
    return _program(keras.initializers.RandomNormal(stddev=3.0, seed=seed), seed)


def cured(seed: int) -> Program:
    """What suits tanh."""
    return _program("glorot_uniform", seed)


def _program(initializer: Any, seed: int) -> Program:
    x, y = digits()
    hidden = [
        keras.layers.Dense(64, "tanh", kernel_initializer=initializer, name=f"hidden_{i}")
        for i in range(10)
    ]
    model = dense(*hidden, keras.layers.Dense(10, "softmax", name="output"), seed=seed)
    model.compile(keras.optimizers.SGD(learning_rate=0.05), "sparse_categorical_crossentropy")
    return Program(model=model, x=x, y=y)
