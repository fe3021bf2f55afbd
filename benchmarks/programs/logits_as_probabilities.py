"""The output is a plain number, and the loss takes it for a probability."""

from typing import Final

import keras

from programs.data import digits
from programs.program import Program, dense

CAUSE: Final = "loss-against-output"


def sick(seed: int) -> Program:
    """No activation, and a loss that wants probabilities."""
    return _program(keras.losses.SparseCategoricalCrossentropy(), seed)


def cured(seed: int) -> Program:
    """The loss is told that it gets logits."""
    return _program(keras.losses.SparseCategoricalCrossentropy(from_logits=True), seed)


def _program(loss: keras.losses.Loss, seed: int) -> Program:
    x, y = digits()
    model = dense(
        keras.layers.Dense(64, "relu", name="hidden"),
        keras.layers.Dense(10, name="output"),
        seed=seed,
    )
    model.compile(keras.optimizers.Adam(learning_rate=0.001), loss)
    return Program(model=model, x=x, y=y)
