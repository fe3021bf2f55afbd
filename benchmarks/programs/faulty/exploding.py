"""Gradients and weights grow until nothing can be learned: initialisers, depth, time."""

from typing import Any

import keras
from programs.case import Case, Fault
from programs.data import digits
from programs.more_data import digit_pixels
from programs.program import Program, dense

_LAYERS = keras.layers


def _loud(seed: int) -> Program:
    x, y = digits()
    loud = keras.initializers.RandomNormal(stddev=1.0, seed=seed)
    layers = [
        _LAYERS.Dense(64, "relu", kernel_initializer=loud, name=f"hidden_{i}") for i in range(5)
    ]
    model = dense(*layers, _LAYERS.Dense(10, "softmax", name="output"), seed=seed)
    model.compile(keras.optimizers.SGD(0.01), "sparse_categorical_crossentropy")
    return Program(model=model, x=x, y=y)


def _residuals(seed: int) -> Program:
    x, y = digits()
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((64,), name="pixels")
    h = _LAYERS.Dense(64, name="stem")(inputs)
    for i in range(24):
        branch = _LAYERS.Dense(64, "relu", kernel_initializer="he_normal", name=f"branch_{i}")(h)
        h = _LAYERS.Add(name=f"sum_{i}")([h, branch])
    outputs = _LAYERS.Dense(10, "softmax", name="output")(h)
    model = keras.Model(inputs, outputs)
    model.compile(keras.optimizers.SGD(0.05), "sparse_categorical_crossentropy")
    return Program(model=model, x=x, y=y)


def _reader(seed: int, reader: keras.Layer, optimizer: Any) -> Program:
    x, y = digit_pixels()
    model = dense(reader, _LAYERS.Dense(10, "softmax", name="output"), seed=seed)
    model.compile(optimizer, "sparse_categorical_crossentropy")
    return Program(model=model, x=x, y=y, epochs=5)


def _growing(seed: int) -> Program:
    grows = keras.initializers.Orthogonal(gain=1.5, seed=seed)
    layer = _LAYERS.SimpleRNN(32, "relu", recurrent_initializer=grows, name="reader")
    return _reader(seed, layer, keras.optimizers.SGD(0.01))


def _forgetting(seed: int) -> Program:
    layer = _LAYERS.SimpleRNN(32, "sigmoid", name="reader")
    return _reader(seed, layer, keras.optimizers.SGD(0.1))


CASES = (
    Case(
        name="loud-initialiser",
        what="Five layers of ReLU drawn with a deviation of 1.",
        make=_loud,
        fault=Fault(
            kind="exploding",
            causes=("initialiser",),
            layers=(*(f"hidden_{i}" for i in range(5)), "output"),
        ),
        is_for_tuning=True,
    ),
    Case(
        name="bare-residuals",
        what="24 residual blocks without normalisation: the sum doubles from one to the next.",
        make=_residuals,
        fault=Fault(
            kind="exploding",
            causes=("missing-normalisation", "initialiser", "learning-rate-too-high"),
            layers=("stem", *(f"branch_{i}" for i in range(24)), "output"),
        ),
    ),
    Case(
        name="growing-recurrence",
        what="A plain recurrent layer whose matrix grows what it is given, over 64 steps.",
        make=_growing,
        fault=Fault(
            kind="recurrent",
            causes=("recurrent-product", "initialiser"),
            layers=("reader", "output"),
        ),
        is_for_tuning=True,
    ),
    Case(
        name="forgetting-recurrence",
        what="A plain recurrent layer of sigmoid: after 64 steps it knows the last few pixels.",
        make=_forgetting,
        fault=Fault(
            kind="recurrent", causes=("recurrent-product", "saturating-depth"), layers=("reader",)
        ),
    ),
)
