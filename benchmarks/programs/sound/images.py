"""Sound convolutional networks on digits."""

from typing import Any

import keras
from programs.case import Case
from programs.more_data import digit_images
from programs.program import Program, dense

_LAYERS = keras.layers
_LOSS = "sparse_categorical_crossentropy"


def _program(seed: int, optimizer: Any, *layers: keras.Layer, epochs: int = 8) -> Program:
    x, y = digit_images()
    model = dense(*layers, _LAYERS.Dense(10, "softmax", name="output"), seed=seed)
    model.compile(optimizer, _LOSS)
    return Program(model=model, x=x, y=y, epochs=epochs)


def _plain(seed: int) -> Program:
    return _program(
        seed,
        keras.optimizers.Adam(),
        _LAYERS.Conv2D(16, 3, activation="relu", name="conv_0"),
        _LAYERS.Conv2D(32, 3, activation="relu", name="conv_1"),
        _LAYERS.Flatten(name="flat"),
        _LAYERS.Dense(64, "relu", name="hidden"),
    )


def _normalised(seed: int) -> Program:
    blocks = []
    for i, filters in enumerate((8, 16, 32)):
        blocks += [
            _LAYERS.Conv2D(filters, 3, padding="same", use_bias=False, name=f"conv_{i}"),
            _LAYERS.BatchNormalization(momentum=0.9, name=f"norm_{i}"),
            _LAYERS.Activation("relu", name=f"relu_{i}"),
        ]
    pool = _LAYERS.GlobalAveragePooling2D(name="pool")
    return _program(seed, keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True), *blocks, pool)


def _residual(seed: int) -> Program:
    x, y = digit_images()
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((8, 8, 1), name="pixels")
    h = _LAYERS.Conv2D(16, 3, padding="same", name="stem")(inputs)
    for i in range(4):
        branch = _LAYERS.BatchNormalization(momentum=0.9, name=f"norm_{i}")(h)
        branch = _LAYERS.Activation("relu", name=f"relu_{i}")(branch)
        branch = _LAYERS.Conv2D(16, 3, padding="same", name=f"conv_{i}")(branch)
        h = _LAYERS.Add(name=f"sum_{i}")([h, branch])
    h = _LAYERS.GlobalAveragePooling2D(name="pool")(h)
    model = keras.Model(inputs, _LAYERS.Dense(10, "softmax", name="output")(h))
    model.compile(keras.optimizers.AdamW(0.003), _LOSS)
    return Program(model=model, x=x, y=y, epochs=8)


def _augmented(seed: int) -> Program:
    schedule = keras.optimizers.schedules.CosineDecay(0.05, 45 * 10)
    return _program(
        seed,
        keras.optimizers.SGD(schedule, momentum=0.9),
        _LAYERS.RandomTranslation(0.1, 0.1, seed=seed, name="shifted"),
        _LAYERS.Conv2D(16, 3, activation="relu", kernel_initializer="he_uniform", name="conv_0"),
        _LAYERS.MaxPooling2D(name="pool"),
        _LAYERS.Flatten(name="flat"),
        _LAYERS.Dropout(0.25, seed=seed, name="dropout"),
        epochs=10,
    )


def _separable(seed: int) -> Program:
    return _program(
        seed,
        keras.optimizers.RMSprop(0.002),
        _LAYERS.SeparableConv2D(32, 3, activation="relu6", name="conv_0"),
        _LAYERS.SeparableConv2D(32, 3, activation="relu6", name="conv_1"),
        _LAYERS.Flatten(name="flat"),
    )


def _half(seed: int) -> Program:
    """Mixed float16 with a loss scale: the first steps are left out until it fits."""
    x, y = digit_images()
    model = dense(
        _LAYERS.Conv2D(16, 3, activation="relu", dtype="mixed_float16", name="conv_0"),
        _LAYERS.Flatten(name="flat"),
        _LAYERS.Dense(10, "softmax", dtype="float32", name="output"),
        seed=seed,
    )
    model.compile(keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(0.003)), _LOSS)
    return Program(model=model, x=x, y=y, epochs=8)


CASES = (
    Case(
        name="two-convolutions",
        what="Convolutions with ReLU, Adam.",
        make=_plain,
        is_for_tuning=True,
    ),
    Case(name="normalised-convolutions", what="Batch normalisation, Nesterov.", make=_normalised),
    Case(
        name="residual-convolutions",
        what="Four residual blocks, AdamW.",
        make=_residual,
        is_for_tuning=True,
    ),
    Case(name="augmented", what="Shifted images, dropout, cosine decay.", make=_augmented),
    Case(
        name="separable-convolutions", what="ReLU6, RMSprop.", make=_separable, is_for_tuning=True
    ),
    Case(name="mixed-float16", what="Mixed float16 with a loss scale.", make=_half),
)
