"""A clip that takes nearly all of every step away from an optimizer that follows lengths."""

from typing import Any

import keras
from programs.case import Case, Fault
from programs.data import digits
from programs.more_data import digit_images
from programs.program import Program, dense

from gradgate.gradients import ClipByGlobalNorm, ClipByNorm, ClipByValue

_LAYERS = keras.layers
_FAULT = Fault(kind="clip too tight", causes=("clip-too-tight",))


def _dense(seed: int, clip: Any) -> Program:
    x, y = digits()
    model = dense(
        _LAYERS.Dense(64, "relu", name="hidden"),
        _LAYERS.Dense(10, "softmax", name="output"),
        seed=seed,
    )
    model.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy")
    return Program(model=model, x=x, y=y, clip=(clip,))


def _images(seed: int) -> Program:
    x, y = digit_images()
    model = dense(
        _LAYERS.Conv2D(16, 3, activation="relu", name="conv"),
        _LAYERS.Flatten(name="flat"),
        _LAYERS.Dense(10, "softmax", name="output"),
        seed=seed,
    )
    model.compile(keras.optimizers.SGD(0.01, momentum=0.9), "sparse_categorical_crossentropy")
    return Program(model=model, x=x, y=y, clip=(ClipByNorm(max_norm=1e-3),))


CASES = (
    Case(
        name="tight-global-norm",
        what="Clipped to a global norm of 0.002; SGD.",
        make=lambda seed: _dense(seed, ClipByGlobalNorm(max_norm=0.002)),
        fault=_FAULT,
        is_for_tuning=True,
    ),
    Case(
        name="tight-norm",
        what="Each variable clipped to a norm of 0.001; SGD with momentum.",
        make=_images,
        fault=_FAULT,
    ),
    Case(
        name="tight-value",
        what="Each entry clipped to 0.00001; SGD.",
        make=lambda seed: _dense(seed, ClipByValue(max_abs=1e-5)),
        fault=_FAULT,
    ),
)
