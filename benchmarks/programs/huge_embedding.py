"""The embedding is drawn a thousand times larger than Keras would."""

from typing import Any, Final

import keras

from programs.data import tokens
from programs.program import Program, dense

CAUSE: Final = "embedding"


def sick(seed: int) -> Program:
    """From -50 to 50."""
    return _program(keras.initializers.RandomUniform(-50, 50, seed=seed), seed)


def cured(seed: int) -> Program:
    """From -0.05 to 0.05, which is Keras's default."""
    return _program("uniform", seed)


def _program(initializer: Any, seed: int) -> Program:
    x, y = tokens()
    model = dense(
        keras.layers.Embedding(17, 8, embeddings_initializer=initializer, name="words"),
        keras.layers.Flatten(name="flat"),
        keras.layers.Dense(64, "relu", name="hidden"),
        keras.layers.Dense(10, "softmax", name="output"),
        seed=seed,
    )
    model.compile(keras.optimizers.SGD(learning_rate=0.1), "sparse_categorical_crossentropy")
    return Program(model=model, x=x, y=y)
