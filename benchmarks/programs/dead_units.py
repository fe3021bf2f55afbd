"""The biases begin so far below 0 that no ReLU ever opens."""

from typing import Final

import keras

from programs.data import digits
from programs.program import Program, dense

CAUSE: Final = "dead-units"


def sick(seed: int) -> Program:
    """ReLU."""
    return _program("relu", seed)


def cured(seed: int) -> Program:
    """Leaky ReLU."""
    return _program("leaky_relu", seed)


def _program(activation: str, seed: int) -> Program:
    x, y = digits()
    bias = keras.initializers.Constant(-10.0)
    model = dense(
        keras.layers.Dense(64, activation, bias_initializer=bias, name="hidden"),
        keras.layers.Dense(10, "softmax", name="output"),
        seed=seed,
    )
    model.compile(keras.optimizers.SGD(learning_rate=0.1), "sparse_categorical_crossentropy")
    return Program(model=model, x=x, y=y)
