"""Hand-written loops and train steps are seen too."""

import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from gradgate.gradients import ClipByGlobalNorm
from gradgate.training import instrument
from gradgate.training.meter import Meter


def _loop(model, x, y, guard=None, *, apply, compiled=True):
    def step():
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((model(x, training=True) - y) ** 2)
        if guard is not None:
            guard.observe_loss(loss)
        variables = model.trainable_variables
        gradients = tape.gradient(loss, variables)
        if apply == "apply":
            model.optimizer.apply(gradients, variables)
        elif apply == "apply alone":
            model.optimizer.build(variables)
            model.optimizer.apply(gradients)
        else:
            model.optimizer.apply_gradients(zip(gradients, variables, strict=True))

    return tf.function(step) if compiled else step


@pytest.mark.parametrize("on_nonfinite", ["record", "skip"])
@pytest.mark.parametrize("compiled", [True, False], ids=["graph", "eager"])
@pytest.mark.parametrize("apply", ["apply", "apply alone", "apply_gradients"])
def test_a_loop_that_shows_its_loss_by_hand(line, record_dir, read, apply, compiled, on_nonfinite):
    model = line(learning_rate=1.0)
    clip = ClipByGlobalNorm(max_norm=6.0)
    with instrument(model, record_dir, clip=clip, on_nonfinite=on_nonfinite) as guard:
        step = _loop(model, line.x, line.y, guard, apply=apply, compiled=compiled)
        step()
        assert guard.flush() == 1
        step()
    record, steps = read(record_dir)
    np.testing.assert_allclose(steps.global_norm[0], line.norm, rtol=1e-6)
    np.testing.assert_allclose(steps.clipped_norm[0], 6.0, rtol=1e-6)
    assert steps.loss[0] == 36.0
    assert steps.step.tolist() == [0, 1]
    assert record.card.loss_measured
    assert record.summary.constant_loss is None
    assert int(model.optimizer.iterations) == 2


def test_a_loop_that_never_shows_its_loss_says_so(line, record_dir, read):
    model = line()
    with instrument(model, record_dir) as guard:
        step = _loop(model, line.x, line.y, apply="apply")
        step()
        assert guard.steps == 0
    record, steps = read(record_dir)
    assert not record.card.loss_measured
    assert np.isnan(steps.loss).all()
    np.testing.assert_allclose(steps.global_norm, [line.norm], rtol=1e-6)


def test_a_loss_of_another_graph_is_not_measured_rather_than_wrongly(line, record_dir, read):
    model = line()

    @tf.function
    def gradients():
        with tf.GradientTape() as tape:
            loss = model.optimizer.scale_loss(tf.reduce_mean((model(line.x) - line.y) ** 2))
        return tape.gradient(loss, model.trainable_variables)

    with instrument(model, record_dir):
        model.optimizer.apply(gradients(), model.trainable_variables)
    record, _ = read(record_dir)
    assert not record.card.loss_measured


def test_a_custom_train_step_is_seen(line, record_dir, read):
    class Custom(keras.Model):
        def __init__(self):
            super().__init__()
            self.line = keras.layers.Dense(1, kernel_initializer="zeros")

        def call(self, x):
            return self.line(x)

        def train_step(self, data):
            x, y = data
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean((self(x, training=True) - y) ** 2)
                scaled = self.optimizer.scale_loss(loss)
            variables = self.trainable_variables
            self.optimizer.apply(tape.gradient(scaled, variables), variables)
            return {"loss": loss}

    model = Custom()
    model.compile(keras.optimizers.SGD(0.0))
    with instrument(model, record_dir):
        model.fit(line.x, line.y, epochs=3, verbose=0)
    record, steps = read(record_dir)
    assert steps.loss.tolist() == [36.0] * 3
    np.testing.assert_allclose(steps.global_norm, [line.norm] * 3, rtol=1e-6)
    assert record.card.loss is None
    assert record.card.loss_measured


def test_train_on_batch_is_seen_and_loses_nothing(line, record_dir, read):
    model = line()
    with instrument(model, record_dir) as guard:
        for _ in range(guard.settings.ring_steps + 1):  # one more than the device holds
            model.train_on_batch(line.x, line.y)
    _, steps = read(record_dir)
    assert steps.step.tolist() == list(range(513))
    assert guard.lost_steps == 0
    assert "train_on_batch" not in vars(model)


def test_autograph_does_not_rewrite_ours_in_somebody_elses_function(line, record_dir, monkeypatch):
    # It would say to the user what it cannot rewrite.
    look, callers = Meter.look, []

    def noted_look(*args, **kwargs):
        callers.append(sys._getframe(1).f_code.co_filename)
        return look(*args, **kwargs)

    monkeypatch.setattr(Meter, "look", noted_look)
    model = line()
    with instrument(model, record_dir) as guard:
        _loop(model, line.x, line.y, guard, apply="apply")()
    (caller,) = set(callers)
    assert caller.endswith("training/probe.py")
    assert guard.steps == 1


def test_a_loss_of_several_numbers_is_refused(line, record_dir):
    model = line()
    guard = instrument(model, record_dir)
    guard.observe_loss(tf.ones([2]))
    with pytest.raises(ValueError, match=r"must be one number, got shape \(2,\)\. Reduce it"):
        model.optimizer.apply([tf.ones([2, 1]), tf.ones([1])], model.trainable_variables)


def test_a_variable_of_another_model_is_refused(line, record_dir):
    model = line()
    stranger = keras.Variable([1.0], name="stranger")
    model.optimizer.build([*model.trainable_variables, stranger])
    instrument(model, record_dir)
    with pytest.raises(ValueError, match="'stranger") as caught:
        model.optimizer.apply([tf.ones([1])], [stranger])
    assert "Guard a model that holds all variables that its optimizer trains" in str(caught.value)
