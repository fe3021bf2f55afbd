"""An instrumented training gives the weights of a plain one, bit by bit."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

import gradgate
from gradgate.training import instrument

L = keras.layers
WAYS = {
    "every step": {"statistics_every": 1},
    "skip, with a clip that never fires": {
        "on_nonfinite": "skip",
        "clip": gradgate.ClipByGlobalNorm(max_norm=1e9),
    },
}
MORE_WAYS = {
    "every 50 steps": {"statistics_every": 50},
    "without statistics": {"statistics_every": 0},
    "stop": {"on_nonfinite": "stop"},
    "a seed": {"seed": 5},
}
RANDOM = np.random.default_rng(0)
NUMBERS = RANDOM.normal(size=(96, 16)).astype(np.float32)
IMAGES = RANDOM.normal(size=(96, 8, 8, 1)).astype(np.float32)
WORDS = RANDOM.integers(0, 50, (96, 12))


def _mlp():
    return [keras.Input((16,)), L.Dense(32, "relu"), L.Dense(4, "softmax")], NUMBERS


def _lstm():
    words = keras.Input((12,), dtype="int32")
    return [words, L.Embedding(50, 8), L.LSTM(8), L.Dense(4, "softmax")], WORDS


def _cnn():
    layers = [
        keras.Input((8, 8, 1)),
        L.Conv2D(4, 3, activation="relu"),
        L.BatchNormalization(),
        L.MaxPooling2D(),
        L.Flatten(),
        L.Dense(4, "softmax"),
    ]
    return layers, IMAGES


class _Block(L.Layer):
    """Attention and two dense layers, each behind a normalisation, with dropout."""

    def __init__(self):
        super().__init__()
        self.attention = L.MultiHeadAttention(2, 4, dropout=0.1)
        self.before, self.between = L.LayerNormalization(), L.LayerNormalization()
        self.wide, self.narrow, self.dropout = L.Dense(16, "gelu"), L.Dense(8), L.Dropout(0.2)

    def build(self, shape):
        self.attention.build(shape, shape)
        self.before.build(shape)
        self.between.build(shape)
        self.wide.build(shape)
        self.narrow.build((*shape[:-1], 16))

    def call(self, x, training=False):
        seen = self.before(x)
        x = x + self.attention(seen, seen, training=training)
        return x + self.dropout(self.narrow(self.wide(self.between(x))), training=training)


def _transformer():
    words = keras.Input((12,), dtype="int32")
    pooled = [L.GlobalAveragePooling1D(), L.Dense(4, "softmax")]
    return [words, L.Embedding(50, 8), _Block(), _Block(), *pooled], WORDS


def _regularised():
    layers = [
        keras.Input((16,)),
        L.Dense(32, "relu", kernel_regularizer="l2", bias_regularizer="l1"),
        L.Dropout(0.3),
        L.Dense(4, "softmax", activity_regularizer="l2", kernel_constraint="unit_norm"),
    ]
    return layers, NUMBERS


def _under(policy):
    def build():
        keras.mixed_precision.set_dtype_policy(policy)
        layers = [keras.Input((16,)), L.Dense(32, "tanh"), L.LayerNormalization()]
        return [*layers, L.Dense(4, "softmax", dtype="float32")], NUMBERS

    return build


BUILDS = {
    "MLP": _mlp,
    "LSTM with Embedding": _lstm,
    "CNN with BatchNormalization": _cnn,
    "transformer": _transformer,
    "regularisers": _regularised,
    "mixed_bfloat16": _under("mixed_bfloat16"),
    "mixed_float16": _under("mixed_float16"),  # in a LossScaleOptimizer, by Keras itself
}


def _train(build, optimizer=keras.optimizers.Adam, folder=None, **guarding):
    keras.utils.set_random_seed(5)
    try:
        layers, x = build()
        model = keras.Sequential(layers)
        model.compile(optimizer(), "sparse_categorical_crossentropy", jit_compile=False)
        y = np.arange(len(x)) % 4
        arguments = {"batch_size": 8, "epochs": 2, "verbose": 0}
        if build in (_mlp, _regularised):  # a graph more
            arguments["validation_split"] = 0.25
        if folder is None:
            history = model.fit(x, y, **arguments)
        else:
            with instrument(model, folder, **guarding):
                history = model.fit(x, y, **arguments)
    finally:
        keras.mixed_precision.set_dtype_policy("float32")
    # Random generators are among the variables, so none was moved on.
    variables = [*model.variables, *model.optimizer.variables]
    return [variable.numpy() for variable in variables], history.history


@functools.cache
def _plain(name):
    return _train(BUILDS[name])


def _assert_same(one, other):
    (weights, history), (others, other_history) = one, other
    for a, b in zip(weights, others, strict=True):
        np.testing.assert_array_equal(a, b)
    assert history == other_history


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", BUILDS)
def test_weights_and_history_are_those_of_plain_fit(name, way, record_dir):
    _assert_same(_plain(name), _train(BUILDS[name], folder=record_dir, **WAYS[way]))


@pytest.mark.parametrize("way", MORE_WAYS)
def test_it_holds_in_every_way_of_guarding(way, record_dir):
    _assert_same(_plain("MLP"), _train(_mlp, folder=record_dir, **MORE_WAYS[way]))


NEVER = (
    gradgate.ClipByValue(max_abs=1e9),
    gradgate.ClipByNorm(max_norm=1e9),
    gradgate.AdaptiveGradientClip(max_ratio=1e9),
    gradgate.AdaGC(ratio=1e9, max_norm=1e9),
    gradgate.ZClip(z_threshold=1e9, max_norm=1e9),
    gradgate.ClipByGlobalNorm(max_norm=1e9),
)


def test_clips_that_never_fire_change_no_bit(record_dir, read):
    _assert_same(_plain("MLP"), _train(_mlp, folder=record_dir, clip=NEVER))
    assert not read(record_dir)[1].clipped.any()


def test_a_record_is_the_same_run_by_run(tmp_path, read):
    arguments = {"clip": gradgate.ClipByGlobalNorm(max_norm=0.5), "statistics_every": 2}
    results = [
        _train(_regularised, folder=tmp_path / name, **arguments) for name in ("one", "other")
    ]
    _assert_same(*results)
    one, other = (read(tmp_path / name)[1] for name in ("one", "other"))
    assert one.clipped.any()
    for name in ("loss", "norms", "global_norm", "clip_scale"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    for name in ("mean_abs", "histogram", "update_ratio", "cosine"):
        np.testing.assert_array_equal(
            getattr(one.statistics, name), getattr(other.statistics, name)
        )


def test_it_holds_under_xla(mlp, tmp_path):
    def train(folder=None, **guarding):
        keras.utils.set_random_seed(5)
        model = mlp(jit_compile=True)
        assert model.jit_compile
        if folder is None:
            model.fit(mlp.x, mlp.y, batch_size=8, verbose=0)
        else:
            with instrument(model, folder, **guarding):
                model.fit(mlp.x, mlp.y, batch_size=8, verbose=0)
        return [variable.numpy() for variable in (*model.weights, *model.optimizer.variables)]

    plain = train()
    guarded = train(tmp_path / "one", statistics_every=1)
    skipping = train(tmp_path / "other", on_nonfinite="skip")
    clipping = train(tmp_path / "third", clip=NEVER[-1])
    for one, *others in zip(plain, guarded, clipping, strict=True):
        for other in others:
            np.testing.assert_array_equal(one, other)
    for one, other in zip(plain, skipping, strict=True):
        # What stands in a condition is compiled by itself, and rounds as it likes: the last bits.
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)


OPTIMIZERS = {
    "SGD": lambda: keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True),
    "AdamW": lambda: keras.optimizers.AdamW(0.01, weight_decay=0.1),
    "AMSGrad": lambda: keras.optimizers.Adam(0.01, amsgrad=True),
    "average": lambda: keras.optimizers.Adam(0.01, use_ema=True, ema_overwrite_frequency=3),
    "schedule": lambda: keras.optimizers.RMSprop(
        keras.optimizers.schedules.ExponentialDecay(0.01, 5, 0.5)
    ),
    "accumulation": lambda: keras.optimizers.Adam(0.01, gradient_accumulation_steps=3),
    "loss scaling": lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(0.01)),
    "Ftrl": keras.optimizers.Ftrl,
    "Nadam": keras.optimizers.Nadam,
    "Adagrad": keras.optimizers.Adagrad,
    "Adadelta": keras.optimizers.Adadelta,
    "Adamax": keras.optimizers.Adamax,
    "Adafactor": keras.optimizers.Adafactor,
    "Lion": keras.optimizers.Lion,
    "Lamb": keras.optimizers.Lamb,
}
if int(tf.__version__.split(".")[1]) >= 21:  # Keras itself fails on the TensorFlow of Python 3.10
    OPTIMIZERS["Muon"] = keras.optimizers.Muon


def _loop(optimizer, folder=None, **guarding):
    """Seven steps on one layer, in a function of one's own."""
    keras.utils.set_random_seed(5)
    model = keras.Sequential([keras.Input((16,)), L.Dense(4)])
    model.compile(optimizer)
    model.optimizer.build(model.trainable_variables)

    @tf.function
    def step(x):
        with tf.GradientTape() as tape:
            loss = model.optimizer.scale_loss(tf.reduce_mean((model(x) - x[:, :4]) ** 2))
        variables = model.trainable_variables
        model.optimizer.apply(tape.gradient(loss, variables), variables)

    guard = None if folder is None else instrument(model, folder, **guarding)
    for begin in range(0, 56, 8):
        step(NUMBERS[begin : begin + 8])
    if guard is not None:
        assert guard.close().observed_steps > 0
    return [variable.numpy() for variable in (*model.weights, *model.optimizer.variables)]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_it_holds_for_every_optimizer(name, tmp_path):
    plain = _loop(OPTIMIZERS[name]())
    recorded = _loop(OPTIMIZERS[name](), tmp_path / "one", statistics_every=2)
    skipping = _loop(OPTIMIZERS[name](), tmp_path / "other", on_nonfinite="skip")
    for one, *others in zip(plain, recorded, skipping, strict=True):
        for other in others:
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("on_nonfinite", ["record", "skip", "stop"])
def test_the_step_is_traced_no_more_often_than_without(mlp, record_dir, on_nonfinite):
    def traces(guarding):
        count = []

        class Counting(keras.layers.Layer):
            def call(self, x, training=False):
                if training:  # else it is a look at the activations, in a function of its own
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
