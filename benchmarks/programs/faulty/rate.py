"""A learning rate that no step survives, or that no step feels."""

from typing import Any

import keras
from programs.case import Case, Fault
from programs.data import digits
from programs.more_data import digit_images, digit_rows, scaled_diabetes
from programs.program import Program, dense

_LAYERS = keras.layers
_HIGH, _LOW = "rate too high", "rate too low"


def _dense(seed: int, optimizer: Any) -> Program:
    x, y = digits()
    model = dense(
        _LAYERS.Dense(64, "relu", name="hidden"),
        _LAYERS.Dense(10, "softmax", name="output"),
        seed=seed,
    )
    model.compile(optimizer, "sparse_categorical_crossentropy")
    return Program(model=model, x=x, y=y)


def _images(seed: int, optimizer: Any) -> Program:
    x, y = digit_images()
    model = dense(
        _LAYERS.Conv2D(16, 3, activation="relu", name="conv"),
        _LAYERS.Flatten(name="flat"),
        _LAYERS.Dense(32, "relu", name="hidden"),
        _LAYERS.Dense(10, "softmax", name="output"),
        seed=seed,
    )
    model.compile(optimizer, "sparse_categorical_crossentropy")
    return Program(model=model, x=x, y=y)


def _regression(seed: int, optimizer: Any) -> Program:
    x, y = scaled_diabetes()
    model = dense(
        _LAYERS.Dense(32, "relu", name="hidden"), _LAYERS.Dense(1, name="output"), seed=seed
    )
    model.compile(optimizer, "mean_squared_error")
    return Program(model=model, x=x, y=y, epochs=24)


def _rows(seed: int, optimizer: Any) -> Program:
    x, y = digit_rows()
    model = dense(
        _LAYERS.LSTM(32, name="reader"), _LAYERS.Dense(10, "softmax", name="output"), seed=seed
    )
    model.compile(optimizer, "sparse_categorical_crossentropy")
    return Program(model=model, x=x, y=y, epochs=6)


def _high(name: str, what: str, make: Any, *, is_for_tuning: bool = False) -> Case:
    fault = Fault(kind=_HIGH, causes=("learning-rate-too-high",))
    return Case(name=name, what=what, make=make, fault=fault, is_for_tuning=is_for_tuning)


def _low(name: str, what: str, make: Any, *, is_for_tuning: bool = False) -> Case:
    fault = Fault(kind=_LOW, causes=("learning-rate-too-low",))
    return Case(name=name, what=what, make=make, fault=fault, is_for_tuning=is_for_tuning)


CASES = (
    _high(
        "sgd-rate-10",
        "SGD with a rate of 10 on a dense network.",
        lambda seed: _dense(seed, keras.optimizers.SGD(10.0)),
        is_for_tuning=True,
    ),
    _high(
        "adam-rate-1",
        "Adam with a rate of 1 on a convolutional network.",
        lambda seed: _images(seed, keras.optimizers.Adam(1.0)),
    ),
    _high(
        "regression-rate-1",
        "SGD with a rate of 1 on a regression.",
        lambda seed: _regression(seed, keras.optimizers.SGD(1.0)),
        is_for_tuning=True,
    ),
    _high(
        "lstm-rate-half",
        "Adam with a rate of 0.5 on an LSTM.",
        lambda seed: _rows(seed, keras.optimizers.Adam(0.5)),
    ),
    _low(
        "sgd-rate-1e-6",
        "SGD with a rate of 0.000001 on a dense network.",
        lambda seed: _dense(seed, keras.optimizers.SGD(1e-6)),
        is_for_tuning=True,
    ),
    _low(
        "adam-rate-1e-7",
        "Adam with a rate of 0.0000001 on a convolutional network.",
        lambda seed: _images(seed, keras.optimizers.Adam(1e-7)),
    ),
)
