"""The lint in a training: said at the start, kept in the record, and never in the way."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from gradgate.gradients import ClipByGlobalNorm
from gradgate.training import GuardSettings, instrument
from gradgate.training.batch_size import batch_size_of

layers = keras.layers
X = np.float32(np.random.default_rng(0).normal(size=(12, 5, 4)))
Y = np.float32(X[:, 0, :1] > 0)


def recurrent():
    model = keras.Sequential(
        [
            keras.Input((5, 4), name="series"),
            layers.SimpleRNN(3, name="memory"),
            layers.BatchNormalization(name="norm"),
            layers.Dense(1, "sigmoid", name="out"),
        ],
        name="small",
    )
    model.compile("adam", "binary_crossentropy")
    return model


def rules(found):
    return {each.rule for each in found}


def test_what_is_known_at_the_start_is_said_and_all_of_it_is_in_the_record(
    record_dir, read, caplog
):
    model = recurrent()
    with instrument(model, record_dir, statistics_every=2):
        assert [each.levelname for each in caplog.records if each.name == "gradgate.lint"] == [
            "WARNING"
        ]
        assert "recurrent-without-clip: memory (SimpleRNN) has no gates" in caplog.text
        model.fit(X * 1000, Y, batch_size=3, epochs=2, verbose=0)
    record, _ = read(record_dir)
    card = record.card
    assert card.batch_size == 3
    (series,) = card.inputs
    assert (series.name, series.source) == ("series", "examples of a training batch")
    assert 500 < series.std < 2000
    assert rules(card.lint.findings) >= {
        "recurrent-without-clip",
        "batchnorm-small-batch",
        "inputs-not-normalised",
    }
    assert card.lint.not_asked == ()


def test_the_guards_clip_counts_and_what_is_let_go_by_is_kept_as_ignored(record_dir, read):
    model = recurrent()
    settings = {"clip": ClipByGlobalNorm(max_norm=1.0), "statistics_every": 2}
    with instrument(model, record_dir, lint_ignore=["batchnorm-small-batch:no*"], **settings):
        model.fit(X, Y, batch_size=2, verbose=0)
    record, _ = read(record_dir)
    report = record.card.lint
    assert [each for each in report.findings if each.severity != "info"] == []
    assert rules(report.ignored) == {"batchnorm-small-batch"}
    assert "recurrent-without-clip" in report.passed


def test_a_rule_that_is_none_is_refused():
    with pytest.raises(ValueError, match="did you mean relu-with-glorot") as caught:
        GuardSettings(lint_ignore=("relu-with-glorott",))
    assert str(caught.value).startswith("GuardSettings: lint_ignore: there is no rule")


def test_a_loop_by_hand_tells_no_batch_size_and_the_rule_was_not_asked(record_dir, read):
    model = recurrent()
    optimizer = model.optimizer
    with instrument(model, record_dir) as guard:
        with tf.GradientTape() as tape:
            loss = keras.ops.mean(model(X) ** 2)
        guard.observe_loss(loss)
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply(gradients, model.trainable_variables)
    record, _ = read(record_dir)
    assert record.card.batch_size is None
    assert "batchnorm-small-batch" in {each.rule for each in record.card.lint.not_asked}


@pytest.mark.parametrize(
    ("given", "size"),
    [
        ({"x": np.zeros((100, 2))}, 32),
        ({"x": np.zeros((7, 2))}, 7),
        ({"x": {"a": np.zeros((100, 2))}, "batch_size": 8}, 8),
        ({"x": tf.data.Dataset.from_tensor_slices(np.zeros((9, 2))).batch(4)}, None),
        (
            {"x": tf.data.Dataset.from_tensor_slices(np.zeros((9, 2))).batch(4, True)},
            4,
        ),
        ({"x": (row for row in ())}, None),
        ({}, None),
    ],
)
def test_the_batch_size_is_what_fit_is_told(given, size):
    assert batch_size_of(given) == size
