"""Inputs, targets, weights or embeddings of a scale that no activation works at."""

from typing import Any

import keras
from programs.case import Case, Fault
from programs.data import digits, tumours
from programs.more_data import passages, scaled_diabetes, wines
from programs.program import Program, dense

_LAYERS = keras.layers
_INPUTS, _SATURATED, _EMBEDDING = "unscaled inputs", "saturated", "embedding"


def _tumours(seed: int, activation: str, optimizer: Any) -> Program:
    x, y = tumours()
    model = dense(
        _LAYERS.Dense(32, activation, name="hidden"),
        _LAYERS.Dense(32, activation, name="hidden_2"),
        _LAYERS.Dense(1, "sigmoid", name="output"),
        seed=seed,
    )
    model.compile(optimizer, "binary_crossentropy")
    return Program(model=model, x=x, y=y, epochs=16)


def _wines(seed: int) -> Program:
    x, y = wines()
    model = dense(
        _LAYERS.Dense(32, "relu", name="hidden"),
        _LAYERS.Dense(3, "softmax", name="output"),
        seed=seed,
    )
    model.compile(keras.optimizers.SGD(0.01), "sparse_categorical_crossentropy")
    return Program(model=model, x=x, y=y, epochs=60)


def _targets(seed: int) -> Program:
    x, y = scaled_diabetes()
    model = dense(
        _LAYERS.Dense(32, "relu", name="hidden"),
        _LAYERS.Dense(32, "relu", name="hidden_2"),
        _LAYERS.Dense(1, name="output"),
        seed=seed,
    )
    model.compile(keras.optimizers.SGD(0.01), "mean_squared_error")
    return Program(model=model, x=x, y=77 * y + 152, epochs=24)


def _loud_tanh(seed: int) -> Program:
    x, y = digits()
    loud = keras.initializers.RandomNormal(stddev=3.0, seed=seed)
    layers = [
        _LAYERS.Dense(64, "tanh", kernel_initializer=loud, name=f"hidden_{i}") for i in range(4)
    ]
    model = dense(*layers, _LAYERS.Dense(10, "softmax", name="output"), seed=seed)
    model.compile(keras.optimizers.SGD(0.01), "sparse_categorical_crossentropy")
    return Program(model=model, x=x, y=y)


def _words(seed: int, spread: float, optimizer: Any) -> Program:
    x, y = passages()
    wide = keras.initializers.RandomUniform(-spread, spread, seed=seed)
    model = dense(
        _LAYERS.Embedding(2000, 16, embeddings_initializer=wide, name="words"),
        _LAYERS.LSTM(16, name="reader"),
        _LAYERS.Dense(4, "softmax", name="output"),
        seed=seed,
    )
    model.compile(optimizer, "sparse_categorical_crossentropy")
    return Program(model=model, x=x, y=y, epochs=6)


CASES = (
    Case(
        name="raw-tumours-tanh",
        what="Measurements up to 4254 into two layers of tanh.",
        make=lambda seed: _tumours(seed, "tanh", keras.optimizers.SGD(0.01)),
        fault=Fault(kind=_INPUTS, causes=("input-scale",), layers=("hidden",)),
        is_for_tuning=True,
    ),
    Case(
        name="raw-tumours-relu",
        what="Measurements up to 4254 into two layers of ReLU, SGD.",
        make=lambda seed: _tumours(seed, "relu", keras.optimizers.SGD(0.1)),
        fault=Fault(kind=_INPUTS, causes=("input-scale",), layers=("hidden", "hidden_2", "output")),
    ),
    Case(
        name="raw-wines",
        what="Measurements up to 1680 into a ReLU, SGD.",
        make=_wines,
        fault=Fault(kind=_INPUTS, causes=("input-scale",), layers=("hidden", "output")),
        is_for_tuning=True,
    ),
    Case(
        name="raw-target",
        what="A regression of a score from 25 to 346 as it is, SGD.",
        make=_targets,
        fault=Fault(
            kind=_INPUTS,
            causes=("target-scale", "input-scale", "learning-rate-too-high"),
            layers=("hidden", "hidden_2", "output"),
        ),
    ),
    Case(
        name="saturated-tanh",
        what="Four layers of tanh drawn with a deviation of 3.",
        make=_loud_tanh,
        fault=Fault(
            kind=_SATURATED, causes=("initialiser",), layers=tuple(f"hidden_{i}" for i in range(4))
        ),
        is_for_tuning=True,
    ),
    Case(
        name="loud-words",
        what="Embeddings from -50 to 50 saturate the gates of an LSTM.",
        make=lambda seed: _words(seed, 50.0, keras.optimizers.Adam()),
        fault=Fault(kind=_EMBEDDING, causes=("embedding",), layers=("words", "reader")),
        is_for_tuning=True,
    ),
    Case(
        name="louder-words",
        what="Embeddings from -500 to 500 before an LSTM, SGD.",
        make=lambda seed: _words(seed, 500.0, keras.optimizers.SGD(0.5)),
        fault=Fault(kind=_EMBEDDING, causes=("embedding",), layers=("words", "reader")),
    ),
)
