"""What plain Keras trains, trains under the guard too, or is refused by name."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras.optimizers import SGD, AdamW

from gradgate.gradients import AdaptiveGradientClip, ClipByGlobalNorm
from gradgate.training import instrument

L = keras.layers
X = np.random.default_rng(0).normal(size=(32, 4)).astype(np.float32)
Y = X[:, :1]


def _train(make, folder=None, *callbacks, **guarding):
    keras.utils.clear_session()
    keras.utils.set_random_seed(1)
    model = make()
    how = {"batch_size": 8, "epochs": 2, "verbose": 0, "callbacks": list(callbacks)}
    if folder is None:
        model.fit(X, Y, **how)
    else:
        with instrument(model, folder, **guarding):
            model.fit(X, Y, **how)
    return [
        *((variable.path, variable.numpy()) for variable in model.variables),
        *((variable.path, variable.numpy()) for variable in model.optimizer.variables),
    ]


def _assert_same(one, other):
    assert [path for path, _ in one] == [path for path, _ in other]
    for (path, a), (_, b) in zip(one, other, strict=True):
        np.testing.assert_array_equal(a, b, err_msg=path)


# Variables that come late, or change


class Aux(keras.Model):
    """Has a layer that is used in training only."""

    def __init__(self):
        super().__init__()
        self.out, self.aux = L.Dense(1), L.Dense(1)

    def call(self, x, training=False):
        return self.out(x) + self.aux(x) if training else self.out(x)


class Lazy(keras.Model):
    """Makes a weight of its own when it is built, and those of its layer when it is called."""

    def __init__(self):
        super().__init__()
        self.out = L.Dense(1)

    def build(self, _):
        self.gain = self.add_weight(shape=(), initializer="ones", name="gain")

    def call(self, x):
        return self.out(x) * self.gain


class Set(keras.callbacks.Callback):
    """Says when a training begins whether the first layer is trained."""

    def __init__(self, *, trainable):
        super().__init__()
        self.trainable = trainable

    def on_train_begin(self, logs=None):
        self.model.layers[0].trainable = self.trainable


def _aux():
    model = Aux()
    model.compile("adam", "mse")
    model(X[:2])
    return model


def _lazy():
    model = Lazy()
    model.build((None, 4))
    model.compile("adam", "mse")
    return model


def _two_layers(optimizer="nadam", **how):
    model = keras.Sequential([keras.Input((4,)), L.Dense(3), L.Dense(1)])
    model.compile(optimizer, "mse", **how)
    return model


def _half_frozen():
    model = _two_layers()
    model.layers[0].trainable = False
    model.compile("nadam", "mse")
    return model


@pytest.mark.parametrize(
    ("make", "callbacks"),
    [
        (_aux, []),
        (_lazy, []),
        (_two_layers, []),
        (lambda: _two_layers("adam", auto_scale_loss=True), []),
        (_half_frozen, [Set(trainable=True)]),
        (_two_layers, [Set(trainable=False)]),
    ],
    ids=["in training only", "at the first call", "plain", "scaled", "thawed", "frozen"],
)
def test_slots_are_made_for_the_variables_that_are_trained(record_dir, make, callbacks):
    _assert_same(_train(make, None, *callbacks), _train(make, record_dir, *callbacks))


def test_what_became_trainable_after_the_optimizer_was_made_is_named(record_dir):
    model = _half_frozen()
    model.fit(X, Y, verbose=0)
    model.layers[0].trainable = True
    with (
        instrument(model, record_dir),
        pytest.raises(ValueError, match=r"dense.*/kernel and 1 more became trainable after the"),
    ):
        model.fit(X, Y, verbose=0)


# `compute_loss` of a model's own


class OwnLoss(keras.Sequential):
    def compute_loss(self, x, y, y_pred, sample_weight=None):
        return keras.ops.mean((y - y_pred) ** 2)


class MoreArguments(keras.Sequential):
    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True, by=1.0):
        return by * keras.ops.mean((y - y_pred) ** 2)

    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            loss = self.compute_loss(x, y, self(x, training=True), by=2.0)
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply(gradients, self.trainable_variables)
        return {"loss": loss}


@pytest.mark.parametrize("kind", [OwnLoss, MoreArguments])
def test_compute_loss_may_take_other_arguments(record_dir, kind):
    def make():
        model = kind([keras.Input((4,)), L.Dense(1)])
        model.compile("sgd")
        return model

    _assert_same(_train(make), _train(make, record_dir))


# Before the step, whatever the policy


def _weights_by(policy, folder, make, **guarding):
    return _train(make, folder, on_nonfinite=policy, **guarding)


def _decaying():
    kind = {"kernel_regularizer": keras.regularizers.L2(0.5), "kernel_initializer": "ones"}
    model = keras.Sequential([keras.Input((4,)), L.Dense(1, **kind)])
    model.compile(SGD(0.5, weight_decay=1.0), "mse")
    return model


def test_weights_are_measured_before_weight_decay(tmp_path, read):
    found = {}
    for policy in ("record", "skip", "stop"):
        _train(_decaying, tmp_path / policy, on_nonfinite=policy, statistics_every=1)
        found[policy] = read(tmp_path / policy)[1].statistics
        assert found[policy].weight_norm[0, 0] == pytest.approx(2.0)  # four ones
    for name in ("weight_norm", "update_ratio", "data_norm"):
        for policy in ("skip", "stop"):
            np.testing.assert_allclose(
                getattr(found[policy], name), getattr(found["record"], name), rtol=1e-6
            )


def test_a_clip_by_the_weights_does_not_depend_on_the_policy(tmp_path):
    clip = AdaptiveGradientClip(max_ratio=0.1, skip_last_layer=False)
    one, other = (
        _train(_decaying, tmp_path / policy, on_nonfinite=policy, clip=clip)
        for policy in ("record", "skip")
    )
    _assert_same(one, other)


class Halving(SGD):
    """Halves the gradients in an `apply` of its own."""

    def apply(self, grads, trainable_variables=None):
        super().apply([grad / 2 for grad in grads], trainable_variables)


def test_an_apply_of_somebodys_own_sees_the_clipped_gradient(tmp_path, read):
    norms = []
    for policy in ("record", "skip"):
        folder = tmp_path / policy
        _train(
            lambda: _two_layers(Halving(0.1)),
            folder,
            on_nonfinite=policy,
            clip=ClipByGlobalNorm(max_norm=0.5),
        )
        norms.append(read(folder)[1].global_norm)
    np.testing.assert_array_equal(*norms)


class Renamed(SGD):
    def apply(self, gradients, variables=None):
        super().apply(gradients, variables)


def test_an_apply_with_other_names_is_named(record_dir):
    with pytest.raises(ValueError, match=r"in Renamed\.apply, .* give it the arguments of that, "):
        instrument(_two_layers(Renamed()), record_dir)


class Direct(SGD):
    """Changes variables past its own methods."""

    def update_step(self, gradient, variable, learning_rate):
        variable.assign_sub(learning_rate * gradient)


def test_an_update_that_nobody_saw_is_not_measured(record_dir, read):
    _train(lambda: _two_layers(Direct(0.1)), record_dir, statistics_every=1)
    assert np.isnan(read(record_dir)[1].statistics.update_ratio).all()


# What the guard cannot follow


def test_a_model_has_one_guard_whatever_its_optimizers(tmp_path):
    model, other = _two_layers(), SGD(0.1)
    with (
        instrument(model, tmp_path / "one"),
        pytest.raises(ValueError, match=r"^instrument: this model is instrumented already\."),
    ):
        instrument(model, tmp_path / "two", optimizers=other)


def test_a_closed_guard_is_not_entered_again(record_dir):
    model = _two_layers()
    with instrument(model, record_dir) as guard:
        model.fit(X, Y, verbose=0)
    with pytest.raises(ValueError, match="this guard is closed, and its record is finished"), guard:
        pass


def test_compiled_again_with_another_loss_is_refused(record_dir):
    model = _two_layers()
    with instrument(model, record_dir):
        model.compile(model.optimizer, "mae")
        with pytest.raises(ValueError, match="with another loss or other metrics"):
            model.fit(X, Y, verbose=0)


def test_a_clip_of_the_optimizers_own_is_refused_when_it_comes_later(record_dir):
    model = _two_layers(AdamW())
    with instrument(model, record_dir):
        model.optimizer.global_clipnorm = 0.1
        with pytest.raises(ValueError, match=r"the optimizer clips too \(global_clipnorm=0\.1\)"):
            model.fit(X, Y, verbose=0)


def test_steps_that_were_traced_before_are_not_called_measured(record_dir, read):
    model = _two_layers("sgd")
    step = tf.function(lambda: model.optimizer.apply([tf.ones_like(v) for v in model.variables]))
    model.optimizer.build(model.trainable_variables)
    step()
    with instrument(model, record_dir):
        step()
        step()
    record, steps = read(record_dir)
    assert steps is None
    assert record.manifest.status == "failed"
    assert record.manifest.status_message.startswith("SGD took 2 steps, and none was seen: ")


def test_a_file_is_no_place_for_a_record(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError, match=r"is a file\. A record needs a directory of its"):
        instrument(_two_layers(), tmp_path / "file")
