"""The loss of the best constant prediction, by hand, from training batches only."""

import keras
import numpy as np
import pytest

from gradgate.training import instrument


def _entropy(*p):
    return -sum(q * np.log(q) for q in p if q)


def _constant_loss(read, record_dir, loss, x, y, units, *, fit=None, activation=None, **compiling):
    """Trains for six steps: eagerly, if nothing else is said, which needs no graph of the step."""
    model = keras.Sequential([keras.Input(x.shape[1:]), keras.layers.Dense(units, activation)])
    model.compile("sgd", loss, **{"run_eagerly": True, **compiling})
    with instrument(model, record_dir, statistics_every=0):
        model.fit(x, y, batch_size=3, epochs=2, verbose=0, **(fit or {}))
    record, _ = read(record_dir)
    return record.summary.constant_loss


GRAPH = {"run_eagerly": False}  # for one of each way to count
X = np.random.default_rng(0).normal(size=(8, 3)).astype(np.float32)
BINARY = np.float32([1, 0, 0, 0, 1, 0, 0, 0])  # a quarter is 1
CLASSES = np.array([0, 0, 0, 0, 1, 1, 2, 2])  # 1/2, 1/4, 1/4
TARGETS = np.float32([1, 1, 1, 1, 5, 5, 5, 5])  # mean 3, variance 4


@pytest.mark.parametrize(
    ("loss", "dtype", "shape"),
    [
        ("binary_crossentropy", np.float32, (8,)),
        ("binary_crossentropy", np.int64, (8, 1)),
        ("bce", bool, (8,)),
        (keras.losses.BinaryCrossentropy(from_logits=True), np.int64, (8,)),
        (keras.losses.BinaryCrossentropy(from_logits=True), bool, (8, 1)),
    ],
)
def test_of_binary_labels_it_is_their_entropy(read, record_dir, loss, dtype, shape):
    y = BINARY.astype(dtype).reshape(shape)
    got = _constant_loss(read, record_dir, loss, X, y, 1, activation="sigmoid")
    assert got == pytest.approx(_entropy(0.25, 0.75))


@pytest.mark.parametrize("mode", [GRAPH, {}], ids=["graph", "eager"])
def test_of_classes_it_is_their_entropy(read, record_dir, mode):
    got = _constant_loss(
        read, record_dir, "sparse_categorical_crossentropy", X, CLASSES, 3,
        activation="softmax", **mode,
    )  # fmt: skip
    assert got == pytest.approx(_entropy(0.5, 0.25, 0.25))


def test_of_one_hot_classes_it_is_the_same(read, record_dir):
    y = np.eye(3, dtype=np.float32)[CLASSES]
    got = _constant_loss(
        read, record_dir, "categorical_crossentropy", X, y, 3, activation="softmax"
    )
    assert got == pytest.approx(_entropy(0.5, 0.25, 0.25))


def test_of_smoothed_labels_it_is_the_entropy_after_smoothing(read, record_dir):
    # 0.25 * 0.8 + 0.1 = 0.3
    loss = keras.losses.BinaryCrossentropy(label_smoothing=0.2)
    got = _constant_loss(read, record_dir, loss, X, BINARY, 1, activation="sigmoid", **GRAPH)
    assert got == pytest.approx(_entropy(0.3, 0.7))


@pytest.mark.parametrize("loss", ["mse", keras.losses.MeanSquaredError()])
def test_of_numbers_it_is_their_variance(read, record_dir, loss):
    assert _constant_loss(read, record_dir, loss, X, TARGETS + 1e4, 1) == pytest.approx(4.0)


def test_the_variance_of_numbers_far_from_0_is_not_lost(read, record_dir):
    # float32 has every 8th number near 1e8, so all of mean 1e8 + 20, variance 400.
    y = np.float32([1e8, 1e8 + 40] * 4)
    got = _constant_loss(read, record_dir, "mse", X, y, 1, **GRAPH)
    assert got == pytest.approx(400.0, rel=1e-9)


def test_of_several_columns_it_is_their_mean(read, record_dir):
    y = np.stack([TARGETS, np.zeros(8, np.float32)], axis=1)
    assert _constant_loss(read, record_dir, "mse", X, y, 2) == pytest.approx(2.0)


@pytest.mark.parametrize("shape", [(8,), (8, 1)])
def test_weights_count_and_keras_divides_by_the_number_of_examples(read, record_dir, shape):
    # Weight 3 for the two ones: p = 6 / 12, and 12 / 8 of that entropy.
    weights = np.where(BINARY > 0, 3.0, 1.0).reshape(shape)
    got = _constant_loss(
        read, record_dir, "binary_crossentropy", X, BINARY, 1,
        activation="sigmoid", fit={"sample_weight": weights},
    )  # fmt: skip
    assert got == pytest.approx(12 / 8 * _entropy(0.5, 0.5))


def test_class_weights_are_weights(read, record_dir):
    # Counts 4, 2, 2 weighted 1, 2, 2: three times 4 of 12.
    got = _constant_loss(
        read, record_dir, "sparse_categorical_crossentropy", X, CLASSES, 3,
        activation="softmax", fit={"class_weight": {0: 1.0, 1: 2.0, 2: 2.0}}, **GRAPH,
    )  # fmt: skip
    assert got == pytest.approx(12 / 8 * _entropy(*[1 / 3] * 3))


def test_a_constant_model_trained_on_the_labels_reaches_it(read, record_dir):
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, "sigmoid")])
    model.compile(keras.optimizers.SGD(1.0), "binary_crossentropy")
    with instrument(model, record_dir):  # 200 steps in one epoch: an epoch costs more than a step
        zeros, labels = np.zeros((1600, 1)), np.tile(BINARY, 200)
        model.fit(zeros, labels, batch_size=8, shuffle=False, verbose=0)
    record, steps = read(record_dir)
    assert record.summary.constant_loss == pytest.approx(steps.loss[-1], rel=1e-5)


def test_labels_of_a_validation_never_enter(read, record_dir):
    got = _constant_loss(
        read, record_dir, "binary_crossentropy", X, BINARY, 1,
        activation="sigmoid", fit={"validation_data": (X, np.ones(8))}, **GRAPH,
    )  # fmt: skip
    assert got == pytest.approx(_entropy(0.25, 0.75))


@pytest.mark.parametrize(
    ("loss", "compiling"),
    [
        ("mean_absolute_error", {}),
        (lambda y, p: keras.ops.mean((y - p) ** 2, axis=-1), {}),
        (keras.losses.MeanSquaredError(reduction="sum"), {}),
        ("mse", {"loss_weights": [2.0]}),
    ],
    ids=["other", "function", "sum", "weighted"],
)
def test_what_is_not_understood_is_not_known(read, record_dir, loss, compiling):
    assert _constant_loss(read, record_dir, loss, X, TARGETS[:, None], 1, **compiling) is None


def test_labels_that_are_not_finite_are_not_known(read, record_dir):
    assert _constant_loss(read, record_dir, "mse", X, TARGETS * np.nan, 1) is None


def test_what_somebody_named_wins(mlp, read, record_dir):
    model = mlp()
    with instrument(model, record_dir, constant_loss=0.123):
        model.fit(mlp.x, mlp.y, verbose=0)
    record, _ = read(record_dir)
    assert record.summary.constant_loss == 0.123
