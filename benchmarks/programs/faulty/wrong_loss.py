"""The loss does not fit the labels, or the last activation."""

from typing import Any

import keras
from programs.case import Case, Fault
from programs.data import digits
from programs.more_data import passages, scaled_tumours, wines
from programs.program import Program, dense, standardised

_LAYERS = keras.layers
_KIND = "loss and labels"
_MISFIT = ("loss-against-output",)


def _signed(seed: int) -> Program:
    x, y = scaled_tumours()
    model = dense(
        _LAYERS.Dense(32, "relu", name="hidden"),
        _LAYERS.Dense(1, "sigmoid", name="output"),
        seed=seed,
    )
    model.compile(keras.optimizers.Adam(), "binary_crossentropy")
    return Program(model=model, x=x, y=2 * y - 1, epochs=16)


def _ink(seed: int) -> Program:
    x, _ = digits()
    x = 16 * x
    model = dense(
        _LAYERS.Dense(32, "relu", name="code"),
        _LAYERS.Dense(64, "sigmoid", name="output"),
        seed=seed,
    )
    model.compile(keras.optimizers.Adam(), "binary_crossentropy")
    return Program(model=model, x=x, y=x)


def _one_softmax(seed: int) -> Program:
    x, y = scaled_tumours()
    model = dense(
        _LAYERS.Dense(32, "relu", name="hidden"),
        _LAYERS.Dense(1, "softmax", name="output"),
        seed=seed,
    )
    model.compile(keras.optimizers.Adam(), "binary_crossentropy", metrics=["accuracy"])
    return Program(model=model, x=x, y=y, epochs=16)


def _ended_by(activation: str | None, loss: str, optimizer: Any, seed: int) -> Program:
    x, y = wines()
    y = keras.utils.to_categorical(y, 3)
    model = dense(
        _LAYERS.Dense(32, "relu", name="hidden"),
        _LAYERS.Dense(3, activation, name="output"),
        seed=seed,
    )
    model.compile(optimizer, loss)
    return Program(model=model, x=standardised(x), y=y, epochs=80, batch_size=32)


def _ended_by_relu(seed: int) -> Program:
    return _ended_by("relu", "categorical_crossentropy", keras.optimizers.SGD(0.1), seed)


def _ended_by_tanh(seed: int) -> Program:
    x, y = passages()
    model = dense(
        _LAYERS.Embedding(2000, 32, name="words"),
        _LAYERS.GlobalAveragePooling1D(name="average"),
        _LAYERS.Dense(4, "tanh", name="output"),
        seed=seed,
    )
    model.compile(keras.optimizers.Adam(), "sparse_categorical_crossentropy")
    return Program(model=model, x=x, y=y)


CASES = (
    Case(
        name="signed-labels",
        what="Labels -1 and 1 where a binary cross-entropy wants 0 and 1.",
        make=_signed,
        fault=Fault(kind=_KIND, causes=("labels-out-of-range",)),
        is_for_tuning=True,
    ),
    Case(
        name="unscaled-pixels",
        what="An autoencoder's binary cross-entropy of pixels from 0 to 16.",
        make=_ink,
        fault=Fault(kind=_KIND, causes=("labels-out-of-range",)),
    ),
    Case(
        name="softmax-of-one",
        what="A softmax over one unit, which is always 1.",
        make=_one_softmax,
        fault=Fault(kind=_KIND, causes=_MISFIT, layers=("output", "hidden")),
        is_for_tuning=True,
    ),
    Case(
        name="ended-by-relu",
        what="A cross-entropy of the outputs of a ReLU, as if they were probabilities.",
        make=_ended_by_relu,
        fault=Fault(kind=_KIND, causes=_MISFIT, layers=("output", "hidden")),
        is_for_tuning=True,
    ),
    Case(
        name="ended-by-tanh",
        what="A cross-entropy of the outputs of a tanh, as if they were probabilities.",
        make=_ended_by_tanh,
        fault=Fault(kind=_KIND, causes=_MISFIT, layers=("output", "words")),
    ),
)
