"""Everything is float16, whose smallest numbers Adam's epsilon and second moment lie below."""

from typing import Final

import keras

from programs.data import digits
from programs.program import Program

CAUSE: Final = "precision"


def sick(seed: int) -> Program:
    """float16."""
    return _program("float16", seed)


def cured(seed: int) -> Program:
    """float32 weights, bfloat16 arithmetic."""
    return _program("mixed_bfloat16", seed)


def _program(precision: str, seed: int) -> Program:
    x, y = digits()
    keras.utils.set_random_seed(seed)
    keras.config.set_dtype_policy(precision)
    try:
        model = keras.Sequential(
            [
                keras.layers.Dense(64, "relu", name="hidden"),
                keras.layers.Dense(10, "softmax", name="output"),
            ],
            name="model",
        )
        model.compile(keras.optimizers.Adam(learning_rate=0.001), "sparse_categorical_crossentropy")
        model.build((None, 64))
        model.optimizer.build(model.trainable_variables)
    finally:
        keras.config.set_dtype_policy("float32")
    return Program(model=model, x=x, y=y)
