"""Sound regressions and autoencoders."""

from typing import Any

import keras
from programs.case import Case
from programs.data import diabetes, digits
from programs.more_data import digit_images, scaled_diabetes
from programs.program import Program, dense, standardised

_LAYERS = keras.layers


def _scores(seed: int, optimizer: Any, loss: Any, *hidden: keras.Layer, **options: Any) -> Program:
    x, y = scaled_diabetes()
    model = dense(*hidden, _LAYERS.Dense(1, name="output"), seed=seed)
    model.compile(optimizer, loss)
    return Program(model=model, x=x, y=y, **{"epochs": 24, **options})


def _adam(seed: int) -> Program:
    hidden = _LAYERS.Dense(32, "relu", name="hidden")
    return _scores(seed, keras.optimizers.Adam(), "mean_squared_error", hidden)


def _straight(seed: int) -> Program:
    """Targets as they are, 25 to 346, which Adam copes with."""
    x, y = diabetes()
    model = dense(
        _LAYERS.Dense(32, "relu", name="hidden"), _LAYERS.Dense(1, name="output"), seed=seed
    )
    model.compile(keras.optimizers.Adam(0.03), "mean_squared_error")
    return Program(model=model, x=standardised(x), y=y.reshape(-1, 1), epochs=30)


def _huber(seed: int) -> Program:
    """A loss whose best constant is not known by itself, so the program says it."""
    hidden = _LAYERS.Dense(32, "tanh", name="hidden")
    loss = keras.losses.Huber()
    optimizer = keras.optimizers.SGD(0.03, momentum=0.9)
    return _scores(seed, optimizer, loss, hidden, constant_loss=0.39)


def _stopped_early(seed: int) -> Program:
    hidden = _LAYERS.Dense(32, "relu", name="hidden")
    stop = keras.callbacks.EarlyStopping(monitor="loss", min_delta=0.02, patience=4)
    optimizer = keras.optimizers.Adam(0.003)
    return _scores(seed, optimizer, "mean_squared_error", hidden, epochs=80, callbacks=(stop,))


def _continued(seed: int) -> Program:
    """Goes on from trained weights, as a retraining with a warm start does."""
    first = _adam(seed)
    first.model.fit(first.x, first.y, epochs=60, verbose=0)
    first.model.compile(keras.optimizers.SGD(1e-3), "mean_squared_error")
    return first


def _autoencoder(seed: int) -> Program:
    x, _ = digits()
    model = dense(
        _LAYERS.Dense(32, "relu", name="wide"),
        _LAYERS.Dense(8, name="code"),
        _LAYERS.Dense(32, "relu", name="wide_again"),
        _LAYERS.Dense(64, "sigmoid", name="output"),
        seed=seed,
    )
    model.compile(keras.optimizers.Adam(0.003), "mean_squared_error")
    return Program(model=model, x=x, y=x)


def _denoiser(seed: int) -> Program:
    x, _ = digit_images()
    model = dense(
        _LAYERS.GaussianNoise(0.2, seed=seed, name="noise"),
        _LAYERS.Conv2D(16, 3, padding="same", activation="relu", name="conv_0"),
        _LAYERS.Conv2D(16, 3, padding="same", activation="relu", name="conv_1"),
        _LAYERS.Conv2D(1, 3, padding="same", name="output"),
        seed=seed,
    )
    model.compile(keras.optimizers.Adam(), "mean_squared_error")
    return Program(model=model, x=x, y=x, epochs=6)


CASES = (
    Case(name="scores-adam", what="A regression, Adam.", make=_adam, is_for_tuning=True),
    Case(name="scores-as-they-are", what="Unscaled targets, Adam.", make=_straight),
    Case(name="scores-huber", what="A Huber loss, momentum.", make=_huber),
    Case(
        name="stopped-early",
        what="Early stopping ends it.",
        make=_stopped_early,
        is_for_tuning=True,
    ),
    Case(
        name="scores-continued",
        what="Goes on from trained weights.",
        make=_continued,
        is_for_tuning=True,
    ),
    Case(name="autoencoder", what="Digits through 8 numbers, Adam.", make=_autoencoder),
    Case(name="denoiser", what="Convolutions take noise out.", make=_denoiser, is_for_tuning=True),
)
