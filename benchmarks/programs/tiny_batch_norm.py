"""Batch normalisation with a batch of one: every example is its own mean, so all come out alike."""

from typing import Final

import keras

from programs.data import tumours
from programs.program import Program, dense, standardised

CAUSE: Final = "small-batch-norm"


def sick(seed: int) -> Program:
    """BatchNormalization."""
    return _program(seed, keras.layers.BatchNormalization(name="norm"))


def cured(seed: int) -> Program:
    """LayerNormalization."""
    return _program(seed, keras.layers.LayerNormalization(name="norm"))


def _program(seed: int, norm: keras.Layer) -> Program:
    x, y = tumours()
    model = dense(
        keras.layers.Dense(32, name="hidden"),
        norm,
        keras.layers.Activation("relu", name="relu"),
        keras.layers.Dense(1, "sigmoid", name="output"),
        seed=seed,
    )
    model.compile(keras.optimizers.Adam(learning_rate=0.001), "binary_crossentropy")
    return Program(model=model, x=standardised(x), y=y, epochs=2, batch_size=1)
