"""More faults than those of the pages: other forms of the same, and where they are."""

import keras
import pytest

layers = keras.layers
losses = keras.losses


def stack(*inner, compiled=None, shape=(8,)):
    model = keras.Sequential([keras.Input(shape), *inner])
    if compiled:
        model.compile("adam", compiled)
    return model


def dense(units=1, activation=None, **more):
    return layers.Dense(units, activation, name="last", **more)


def _two_outputs():
    x = keras.Input((8,))
    model = keras.Model(
        x, {"a": layers.Dense(1, name="a")(x), "b": layers.Dense(1, "relu", name="b")(x)}
    )
    model.compile("adam", {"a": "mse", "b": "binary_crossentropy"})
    return model


def _subclassed():
    class Outer(keras.Model):
        def __init__(self):
            super().__init__()
            hidden = [layers.Dense(8, "sigmoid") for _ in range(4)]
            self.inner = keras.Sequential([keras.Input((8,)), *hidden], name="inner")
            self.head = layers.Dense(1)

        def call(self, x):
            return self.head(self.inner(x))

    return Outer()


def _with_rate(rate):
    model = stack(dense())
    model.compile(keras.optimizers.Adam(rate), "mse")
    return model


def _frozen():
    model = stack(dense())
    model.trainable = False
    return model


LOGITS = {"from_logits": True}
CASES = {
    "linear outputs as probabilities": (
        lambda: stack(dense(), compiled="binary_crossentropy"),
        ("output-against-loss", "error", "last"),
    ),
    "a sigmoid twice": (
        lambda: stack(dense(1, "sigmoid"), compiled=losses.BinaryCrossentropy(**LOGITS)),
        ("output-against-loss", "warning", "last"),
    ),
    "a softmax as a layer of its own, twice": (
        lambda: stack(
            dense(3), layers.Softmax(), compiled=losses.CategoricalCrossentropy(**LOGITS)
        ),
        ("output-against-loss", "warning", "softmax"),
    ),
    "one unit for classes": (
        lambda: stack(dense(1, "sigmoid"), compiled="sparse_categorical_crossentropy"),
        ("output-against-loss", "error", "last"),
    ),
    "the logarithm of what may be negative": (
        lambda: stack(dense(), compiled="poisson"),
        ("output-against-loss", "error", "last"),
    ),
    "classes by squares": (
        lambda: stack(dense(3, "softmax"), compiled="mse"),
        ("output-against-loss", "warning", "last"),
    ),
    "the second of two outputs": (
        _two_outputs,
        ("output-against-loss", "error", "b"),
    ),
    "softmax over scores of one unit": (
        lambda: stack(layers.Dense(1), layers.Softmax(name="weights"), shape=(5, 8)),
        ("softmax-on-one-unit", "error", "weights"),
    ),
    "a cell without gates": (
        lambda: stack(
            layers.Bidirectional(layers.SimpleRNN(4), name="both"),
            dense(),
            compiled="mse",
            shape=(5, 8),
        ),
        ("recurrent-without-clip", "warning", "both"),
    ),
    "a cell of Keras's with ReLU, in both directions": (
        lambda: stack(
            layers.Bidirectional(layers.RNN(layers.GRUCell(4, activation="relu")), name="both"),
            dense(),
            compiled="mse",
            shape=(50, 8),
        ),
        ("unbounded-recurrence", "warning", "both"),
    ),
    "ReLU layers with dropout between": (
        lambda: stack(
            *(
                layer
                for _ in range(24)
                for layer in (layers.Dense(8), layers.ReLU(), layers.Dropout(0.1))
            )
        ),
        ("relu-with-glorot", "warning", "dense"),
    ),
    "a stack inside of a model of its own call": (
        _subclassed,
        ("deep-saturating-stack", "warning", "inner/dense"),
    ),
    "a rate of 0": (
        lambda: _with_rate(0.0),
        ("learning-rate-bounds", "error", None),
    ),
    "a schedule that peaks too high": (
        lambda: _with_rate(
            keras.optimizers.schedules.CosineDecay(0.0, 10, warmup_target=0.5, warmup_steps=5)
        ),
        ("learning-rate-bounds", "warning", None),
    ),
    "all frozen": (
        _frozen,
        ("frozen-variables", "error", "last"),
    ),
    "batch norm behind an activation of its own layer": (
        lambda: stack(
            layers.Dense(4),
            layers.Activation("sigmoid"),
            layers.BatchNormalization(name="norm"),
            dense(),
        ),
        ("batchnorm-after-activation", "warning", "norm"),
    ),
}


def test_an_unbounded_recurrence_is_mild_where_it_is_short_or_held(report_of):
    """Sequences of three steps in many a tutorial train with ReLU; so does what a norm follows."""
    relu = {"activation": "relu", "name": "reader"}
    short = stack(layers.LSTM(4, **relu), dense(), compiled="mse", shape=(3, 8))
    norm = layers.LayerNormalization()
    held = stack(layers.LSTM(4, **relu), norm, dense(), compiled="mse", shape=(None, 8))
    clipped = stack(layers.LSTM(4, **relu), dense(), shape=(None, 8))
    clipped.compile(keras.optimizers.Adam(global_clipnorm=1.0), "mse")
    for model in (short, held, clipped):
        found = {each.rule: each.severity for each in report_of(model).findings}
        assert found["unbounded-recurrence"] == "info"


def test_a_cell_of_ones_own_may_bound_its_state_itself(report_of):
    class Normalised(layers.LSTMCell):
        pass

    cell = layers.RNN(Normalised(4, activation="relu"))
    found = report_of(stack(cell, dense(), compiled="mse", shape=(50, 8))).findings
    assert "unbounded-recurrence" not in {each.rule for each in found}


@pytest.mark.parametrize(("make", "expected"), CASES.values(), ids=CASES)
def test_a_planted_fault_is_found_where_it_is(make, expected, report_of):
    found = report_of(make()).findings
    shown = [(f.rule, f.severity, f.layer) for f in found if f.severity != "info"]
    assert shown == [expected]
