"""Units that are 0 on every example: no gradient comes through, nothing brings them back."""

import keras
from programs.case import Case, Fault
from programs.data import digits
from programs.more_data import digit_images, scaled_tumours
from programs.program import Program, dense

_LAYERS = keras.layers
_KIND = "dead units"


def _shut(seed: int) -> Program:
    x, y = digit_images()
    shut = keras.initializers.Constant(-3.0)
    model = dense(
        _LAYERS.Conv2D(8, 3, activation="relu", bias_initializer=shut, name="conv"),
        _LAYERS.Flatten(name="flat"),
        _LAYERS.Dense(10, "softmax", name="output"),
        seed=seed,
    )
    model.compile(keras.optimizers.Adam(), "sparse_categorical_crossentropy")
    return Program(model=model, x=x, y=y)


def _narrow(seed: int) -> Program:
    x, y = scaled_tumours()
    layers = [_LAYERS.Dense(2, "relu", name=f"hidden_{i}") for i in range(14)]
    model = dense(*layers, _LAYERS.Dense(1, "sigmoid", name="output"), seed=seed)
    model.compile(keras.optimizers.Adam(), "binary_crossentropy")
    return Program(model=model, x=x, y=y, epochs=20)


def _killed(seed: int) -> Program:
    x, y = digits()
    layers = [_LAYERS.Dense(64, "relu", name=f"hidden_{i}") for i in range(4)]
    model = dense(*layers, _LAYERS.Dense(10, "softmax", name="output"), seed=seed)
    model.compile(keras.optimizers.Adam(0.3), "sparse_categorical_crossentropy")
    return Program(model=model, x=x, y=y)


CASES = (
    Case(
        name="shut-convolution",
        what="A convolution whose biases begin so low that its ReLU never opens.",
        make=_shut,
        fault=Fault(kind=_KIND, causes=("dead-units", "initialiser"), layers=("conv",)),
        is_for_tuning=True,
    ),
    Case(
        name="narrow-and-deep",
        what="14 layers of two ReLU each: they are born dead, more often than not.",
        make=_narrow,
        fault=Fault(
            kind=_KIND,
            causes=("dead-units", "initialiser"),
            layers=tuple(f"hidden_{i}" for i in range(14)),
        ),
    ),
    Case(
        name="killed-by-the-rate",
        what="Adam with a rate of 0.3 throws the biases of four layers of ReLU far below 0.",
        make=_killed,
        fault=Fault(
            kind=_KIND,
            causes=("learning-rate-too-high", "dead-units"),
            layers=tuple(f"hidden_{i}" for i in range(4)),
        ),
        is_for_tuning=True,
    ),
)
