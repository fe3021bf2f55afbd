"""A NaN or an infinity comes in with the data, or is born of an operation."""

from typing import Any

import keras
import numpy as np
from programs.case import Case, Fault
from programs.data import digits
from programs.more_data import scaled_diabetes, scaled_tumours
from programs.program import Program, dense

_LAYERS = keras.layers
_KIND = "non-finite"


def _missing(seed: int) -> Program:
    x, y = scaled_tumours()
    x = x.copy()
    x[::7, 4] = np.nan  # one measurement was not taken of every seventh
    model = dense(
        _LAYERS.Dense(32, "relu", name="hidden"),
        _LAYERS.Dense(1, "sigmoid", name="output"),
        seed=seed,
    )
    model.compile(keras.optimizers.Adam(), "binary_crossentropy")
    return Program(model=model, x=x, y=y, epochs=16)


def _logarithm(seed: int) -> Program:
    x, y = digits()
    with np.errstate(divide="ignore"):
        x = np.log(x)  # a blank pixel is 0
    model = dense(
        _LAYERS.Dense(64, "tanh", name="hidden"),
        _LAYERS.Dense(10, "softmax", name="output"),
        seed=seed,
    )
    model.compile(keras.optimizers.Adam(), "sparse_categorical_crossentropy")
    return Program(model=model, x=x, y=y)


class _Length(_LAYERS.Layer):
    """The length of each row of hidden values: its gradient at 0 is 0 / 0."""

    def call(self, x: Any) -> Any:
        return keras.ops.sqrt(keras.ops.sum(keras.ops.square(x), axis=-1))


def _root(seed: int) -> Program:
    x, y = digits()
    model = dense(
        _LAYERS.Reshape((8, 8), name="rows"),
        _LAYERS.Permute((2, 1), name="columns"),  # the first of which is always blank
        _LAYERS.Dense(16, "relu", use_bias=False, name="strokes"),
        _Length(name="lengths"),
        _LAYERS.Dense(10, "softmax", name="output"),
        seed=seed,
    )
    model.compile(keras.optimizers.Adam(), "sparse_categorical_crossentropy")
    return Program(model=model, x=x, y=y)


def _own_entropy(y: Any, p: Any) -> Any:
    return -keras.ops.mean(y * keras.ops.log(p) + (1 - y) * keras.ops.log(1 - p))


def _sure(seed: int) -> Program:
    x, y = scaled_tumours()
    model = dense(
        _LAYERS.Dense(64, "relu", name="hidden"),
        _LAYERS.Dense(1, "sigmoid", name="output"),
        seed=seed,
    )
    model.compile(keras.optimizers.Adam(0.05), _own_entropy)
    return Program(model=model, x=x, y=y.reshape(-1, 1), epochs=30, constant_loss=0.66)


def _division(seed: int) -> Program:
    x, y = scaled_diabetes()
    x = x.copy()
    x[5::50, 2] = np.inf  # a ratio of two measurements, the lower one 0
    model = dense(
        _LAYERS.Dense(32, "relu", name="hidden"), _LAYERS.Dense(1, name="output"), seed=seed
    )
    model.compile(keras.optimizers.Adam(), "mean_squared_error")
    return Program(model=model, x=x, y=y, epochs=24)


CASES = (
    Case(
        name="missing-measurement",
        what="One of 30 measurements is NaN in every seventh row; a ReLU hides it from the loss.",
        make=_missing,
        fault=Fault(kind=_KIND, causes=("missing-values",), layers=("hidden",)),
        is_for_tuning=True,
    ),
    Case(
        name="logarithm-of-blank",
        what="The inputs are logarithms of pixels, and most pixels are 0.",
        make=_logarithm,
        fault=Fault(
            kind=_KIND, causes=("missing-values", "unstable-arithmetic"), layers=("hidden",)
        ),
    ),
    Case(
        name="root-of-zero",
        what="The length of a vector that is often 0: the loss is finite, the gradient is not.",
        make=_root,
        fault=Fault(kind=_KIND, causes=("unstable-arithmetic",), layers=("strokes",)),
        is_for_tuning=True,
    ),
    Case(
        name="sure-of-itself",
        what="A cross-entropy by hand: log(0) as soon as the model is sure.",
        make=_sure,
        fault=Fault(
            kind=_KIND,
            causes=("unstable-arithmetic",),
            layers=("output", "hidden"),
        ),
    ),
    Case(
        name="infinite-ratio",
        what="One input in fifty is a ratio whose lower part was 0; a regression.",
        make=_division,
        fault=Fault(kind=_KIND, causes=("missing-values",), layers=("hidden",)),
    ),
)
