"""The gradient is gone before it reaches the first layers: saturating activations in depth."""

from typing import Any

import keras
from programs.case import Case, Fault
from programs.data import digits
from programs.more_data import digit_images
from programs.program import Program, dense

_LAYERS = keras.layers
_KIND = "vanishing"
_DEPTH = ("saturating-depth",)


def _stack(seed: int, *, optimizer: Any, depth: int = 10, **hidden: Any) -> Program:
    x, y = digits()
    layers = [_LAYERS.Dense(32, **hidden, name=f"hidden_{i}") for i in range(depth)]
    model = dense(*layers, _LAYERS.Dense(10, "softmax", name="output"), seed=seed)
    model.compile(optimizer, "sparse_categorical_crossentropy")
    return Program(model=model, x=x, y=y)


def _sgd(seed: int) -> Program:
    return _stack(seed, optimizer=keras.optimizers.SGD(0.1), depth=8, activation="sigmoid")


def _with_penalty(seed: int) -> Program:
    return _stack(
        seed,
        optimizer=keras.optimizers.Adam(),
        activation="sigmoid",
        kernel_regularizer=keras.regularizers.L2(1e-4),
    )


def _small_tanh(seed: int) -> Program:
    small = keras.initializers.RandomNormal(stddev=0.01, seed=seed)
    return _stack(
        seed,
        optimizer=keras.optimizers.SGD(0.1, momentum=0.9),
        depth=6,
        activation="tanh",
        kernel_initializer=small,
    )


def _images(seed: int) -> Program:
    x, y = digit_images()
    layers = [
        _LAYERS.Conv2D(8, 3, padding="same", activation="sigmoid", name=f"conv_{i}")
        for i in range(8)
    ]
    model = dense(
        *layers,
        _LAYERS.GlobalAveragePooling2D(name="pool"),
        _LAYERS.Dense(10, "softmax", name="output"),
        seed=seed,
    )
    model.compile(keras.optimizers.SGD(0.05, momentum=0.9), "sparse_categorical_crossentropy")
    return Program(model=model, x=x, y=y)


CASES = (
    Case(
        name="sigmoid-stack",
        what="Eight dense layers of sigmoid, SGD.",
        make=_sgd,
        fault=Fault(kind=_KIND, causes=_DEPTH, layers=tuple(f"hidden_{i}" for i in range(4))),
        is_for_tuning=True,
    ),
    Case(
        name="sigmoid-stack-l2",
        what="Ten dense layers of sigmoid with a weight penalty, which hides it; Adam.",
        make=_with_penalty,
        fault=Fault(kind=_KIND, causes=_DEPTH, layers=tuple(f"hidden_{i}" for i in range(5))),
    ),
    Case(
        name="small-tanh-stack",
        what="Six layers of tanh, drawn a tenth as large as they should be.",
        make=_small_tanh,
        fault=Fault(
            kind=_KIND,
            causes=("initialiser", "saturating-depth"),
            layers=tuple(f"hidden_{i}" for i in range(6)),
        ),
        is_for_tuning=True,
    ),
    Case(
        name="sigmoid-convolutions",
        what="Eight convolutions with sigmoid, SGD with momentum.",
        make=_images,
        fault=Fault(kind=_KIND, causes=_DEPTH, layers=tuple(f"conv_{i}" for i in range(4))),
    ),
)
