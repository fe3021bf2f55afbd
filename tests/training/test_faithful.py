"""An instrumented training gives the weights of a plain one, bit by bit."""

import keras
import numpy as np
import pytest

from gradgate.gradients import ClipByGlobalNorm
from gradgate.training import instrument

NEVER = ClipByGlobalNorm(max_norm=1e9)
WAYS = {
    "record": {"statistics_every": 2},
    "without statistics": {"statistics_every": 0},
    "skip": {"on_nonfinite": "skip"},
    "stop": {"on_nonfinite": "stop"},
    "a clip that never fires": {"clip": NEVER},
}


def _mlp():
    x = np.random.default_rng(0).normal(size=(96, 16)).astype(np.float32)
    layers = [keras.Input((16,)), keras.layers.Dense(32, "relu"), keras.layers.Dense(4, "softmax")]
    return layers, x


def _lstm():
    x = np.random.default_rng(0).integers(0, 50, (96, 12))
    layers = [
        keras.Input((12,), dtype="int32"),
        keras.layers.Embedding(50, 8),
        keras.layers.LSTM(8),
        keras.layers.Dense(4, "softmax"),
    ]
    return layers, x


def _cnn():
    x = np.random.default_rng(0).normal(size=(96, 8, 8, 1)).astype(np.float32)
    layers = [
        keras.Input((8, 8, 1)),
        keras.layers.Conv2D(4, 3, activation="relu"),
        keras.layers.BatchNormalization(),
        keras.layers.MaxPooling2D(),
        keras.layers.Flatten(),
        keras.layers.Dense(4, "softmax"),
    ]
    return layers, x


def _train(build, optimizer, folder=None, **guarding):
    keras.utils.set_random_seed(5)
    layers, x = build()
    model = keras.Sequential(layers)
    model.compile(optimizer(), "sparse_categorical_crossentropy", jit_compile=False)
    y = np.arange(len(x)) % 4
    arguments = {"batch_size": 8, "epochs": 2, "verbose": 0, "validation_split": 0.25}
    if folder is None:
        history = model.fit(x, y, **arguments)
    else:
        with instrument(model, folder, **guarding):
            history = model.fit(x, y, **arguments)
    variables = [*model.weights, *model.optimizer.variables]
    return [variable.numpy() for variable in variables], history.history


def _assert_same(one, other):
    (weights, history), (others, other_history) = one, other
    for a, b in zip(weights, others, strict=True):
        np.testing.assert_array_equal(a, b)
    assert history == other_history


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("build", [_mlp, _lstm, _cnn])
def test_weights_and_history_are_those_of_plain_fit(build, way, record_dir):
    plain = _train(build, keras.optimizers.Adam)
    _assert_same(plain, _train(build, keras.optimizers.Adam, record_dir, **WAYS[way]))


OPTIMIZERS = {
    "SGD": lambda: keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True),
    "AdamW": lambda: keras.optimizers.AdamW(0.01, weight_decay=0.1),
    "average": lambda: keras.optimizers.Adam(0.01, use_ema=True, ema_overwrite_frequency=3),
    "Nadam": keras.optimizers.Nadam,
    "Ftrl": keras.optimizers.Ftrl,
    "schedule": lambda: keras.optimizers.RMSprop(
        keras.optimizers.schedules.ExponentialDecay(0.01, 5, 0.5)
    ),
}


@pytest.mark.parametrize("on_nonfinite", ["record", "skip"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_it_holds_for_every_kind_of_optimizer(name, on_nonfinite, record_dir):
    plain = _train(_mlp, OPTIMIZERS[name])
    _assert_same(plain, _train(_mlp, OPTIMIZERS[name], record_dir, on_nonfinite=on_nonfinite))


@pytest.mark.parametrize("on_nonfinite", ["record", "skip", "stop"])
def test_the_step_is_traced_no_more_often_than_without(mlp, record_dir, on_nonfinite):
    def traces(guarding):
        count = []

        class Counting(keras.layers.Layer):
            def call(self, x):
                count.append(1)
                return x

        model = keras.Sequential([keras.Input((4,)), Counting(), keras.layers.Dense(1)])
        model.compile("sgd", "mean_squared_error", jit_compile=False)
        count.clear()
        if not guarding:
            model.fit(mlp.x, mlp.y, batch_size=10, epochs=2, verbose=0)
        else:
            with instrument(model, record_dir, on_nonfinite=on_nonfinite) as guard:
                model.fit(mlp.x, mlp.y, batch_size=10, epochs=2, verbose=0)
            assert guard.traces == len(count)
        return len(count)

    assert traces(guarding=True) == traces(guarding=False)
