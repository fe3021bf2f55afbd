"""The clip acts on every step and takes most of it away."""

from typing import Final

import keras

import gradgate
from programs.data import digits
from programs.program import Program, dense

CAUSE: Final = "clip-too-tight"


def sick(seed: int) -> Program:
    """A limit of 0.001."""
    return _program(0.001, seed)


def cured(seed: int) -> Program:
    """Near the norms that were seen."""
    return _program(1.1, seed)


def _program(max_norm: float, seed: int) -> Program:
    x, y = digits()
    model = dense(
        keras.layers.Dense(64, "relu", name="hidden"),
        keras.layers.Dense(10, "softmax", name="output"),
        seed=seed,
    )
    model.compile(keras.optimizers.SGD(learning_rate=0.1), "sparse_categorical_crossentropy")
    clip = (gradgate.ClipByGlobalNorm(max_norm=max_norm),)
    return Program(model=model, x=x, y=y, clip=clip)
