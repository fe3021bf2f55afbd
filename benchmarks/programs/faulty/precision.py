"""Numbers that float16 cannot hold, and means of too few examples."""

import keras
from programs.case import Case, Fault
from programs.data import tumours
from programs.more_data import digit_images, scaled_tumours
from programs.program import Program, dense

_LAYERS = keras.layers


def _overflow(seed: int) -> Program:
    x, y = tumours()
    model = dense(
        _LAYERS.Dense(64, "relu", dtype="mixed_float16", name="hidden"),
        _LAYERS.Dense(64, "relu", dtype="mixed_float16", name="hidden_2"),
        _LAYERS.Dense(1, "sigmoid", dtype="float32", name="output"),
        seed=seed,
    )
    scaled = keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam())
    model.compile(scaled, "binary_crossentropy")
    return Program(model=model, x=100 * x, y=y, epochs=16)  # in micrometres


def _half(seed: int) -> Program:
    x, y = digit_images()
    model = dense(
        _LAYERS.Flatten(dtype="float16", name="flat"),
        _LAYERS.Dense(32, "relu", dtype="float16", name="hidden"),
        _LAYERS.Dense(10, "softmax", dtype="float16", name="output"),
        seed=seed,
    )
    model.compile(keras.optimizers.AdamW(), "sparse_categorical_crossentropy")
    return Program(model=model, x=x, y=y)


def _batch_of_one(seed: int) -> Program:
    x, y = scaled_tumours()
    model = dense(
        _LAYERS.Dense(32, name="hidden"),
        _LAYERS.BatchNormalization(name="norm"),
        _LAYERS.Activation("relu", name="relu"),
        _LAYERS.Dense(1, "sigmoid", name="output"),
        seed=seed,
    )
    model.compile(keras.optimizers.Adam(), "binary_crossentropy")
    return Program(model=model, x=x, y=y, epochs=1, batch_size=1)


def _batch_of_two(seed: int) -> Program:
    x, y = digit_images()
    blocks = []
    for i in range(3):
        blocks += [
            _LAYERS.Conv2D(8, 3, strides=2, padding="same", use_bias=False, name=f"conv_{i}"),
            _LAYERS.BatchNormalization(name=f"norm_{i}"),
            _LAYERS.Activation("relu", name=f"relu_{i}"),
        ]
    model = dense(
        *blocks,
        _LAYERS.Flatten(name="flat"),
        _LAYERS.Dense(10, "softmax", name="output"),
        seed=seed,
    )
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), "sparse_categorical_crossentropy")
    return Program(model=model, x=x, y=y, epochs=1, batch_size=2)


CASES = (
    Case(
        name="half-overflows",
        what="Mixed float16 with inputs beyond 65504: every step is left out.",
        make=_overflow,
        fault=Fault(
            kind="precision", causes=("precision", "input-scale"), layers=("hidden", "hidden_2")
        ),
        is_for_tuning=True,
    ),
    Case(
        name="half-throughout",
        what="All in float16, in which AdamW's epsilon is 0, and so is a blank pixel's moment.",
        make=_half,
        fault=Fault(kind="precision", causes=("precision",), layers=("hidden", "output")),
    ),
    Case(
        name="batch-of-one",
        what="Batch normalisation, one example at a time: all come out alike.",
        make=_batch_of_one,
        fault=Fault(
            kind="batch too small", causes=("small-batch-norm",), layers=("hidden", "norm")
        ),
        is_for_tuning=True,
    ),
    Case(
        name="batch-of-two",
        what="Three layers of batch normalisation, two examples at a time.",
        make=_batch_of_two,
        fault=Fault(
            kind="batch too small",
            causes=("small-batch-norm",),
            layers=tuple(f"{name}_{i}" for name in ("conv", "norm") for i in range(3)),
        ),
    ),
)
