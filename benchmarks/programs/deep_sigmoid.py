"""Ten layers of sigmoid: each lets at most a quarter of the gradient through."""

from typing import Any, Final

import keras

from programs.data import digits
from programs.program import Program, dense

CAUSE: Final = "saturating-depth"


def sick(seed: int) -> Program:
    """Sigmoid."""
    return _program(seed, activation="sigmoid")


def cured(seed: int) -> Program:
    """ReLU, with the initialiser that suits it."""
    return _program(seed, activation="relu", kernel_initializer="he_normal")


def _program(seed: int, **hidden: Any) -> Program:
    x, y = digits()
    layers = [keras.layers.Dense(32, **hidden, name=f"hidden_{i}") for i in range(10)]
    model = dense(*layers, keras.layers.Dense(10, "softmax", name="output"), seed=seed)
    model.compile(keras.optimizers.Adam(learning_rate=0.001), "sparse_categorical_crossentropy")
    return Program(model=model, x=x, y=y)
