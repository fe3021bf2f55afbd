"""After the first batch of a fit: was it measured, and of all variables? Else nothing goes on."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from gradgate.training import instrument

pytestmark = pytest.mark.half("both")  # what it leans on differs from stack to stack

SGD = keras.optimizers.SGD


class Line(keras.Model):
    """y = w.x + b by a train step that subclasses end in their own way."""

    def __init__(self):
        super().__init__(name="line")
        self.line = keras.layers.Dense(1, kernel_initializer="zeros")
        self.other = SGD(0.1)

    def call(self, x):
        return self.line(x)

    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((self(x, training=True) - y) ** 2)
        self.update(tape.gradient(loss, self.trainable_variables))
        return {"loss": loss}


class ByHand(Line):
    def update(self, gradients):
        for gradient, variable in zip(gradients, self.trainable_variables, strict=True):
            variable.assign_sub(0.1 * gradient)


class ByAnother(Line):
    def update(self, gradients):
        self.other.apply(gradients, self.trainable_variables)


class Never(Line):
    def update(self, gradients):
        pass


def _text(model, steps=0, found=0):
    return (
        f"gradgate: after the first batch, statistics were written for {found} of 2 trainable"
        f" variables and {steps} steps. With Keras {keras.__version__} and SGD, the steps of"
        f" '{model.name}' go past the guard. Does train_step apply its gradients by self.optimizer?"
        " Pass optimizers=... if it has others."
    )


@pytest.mark.parametrize(
    "mode",
    [
        {},
        {"steps_per_execution": 2},
        {"run_eagerly": True},
        {"optimizer": SGD(gradient_accumulation_steps=2)},
    ],
    ids=["graph", "steps_per_execution", "eager", "accumulation"],
)
@pytest.mark.parametrize("kind", [ByHand, ByAnother, Never])
def test_a_train_step_that_goes_past_the_optimizer_ends_at_its_first_batch(
    line, record_dir, read, kind, mode
):
    if "optimizer" in mode:
        mode = {"optimizer": SGD(gradient_accumulation_steps=2)}
    model = kind()
    model.compile(**{"optimizer": SGD(), **mode})
    guard = instrument(model, record_dir)
    with pytest.raises(RuntimeError) as caught:
        model.fit(np.repeat(line.x, 8, 0), np.repeat(line.y, 8, 0), batch_size=1, verbose=0)
    assert str(caught.value) == _text(model)
    manifest = guard.close()
    assert manifest.status == "failed"
    assert manifest.status_message == f"fit raised RuntimeError: {_text(model)}"
    record, steps = read(record_dir)
    assert steps is None
    assert record.manifest.observed_steps == 0


def test_a_fit_of_one_batch_is_checked_too(line, record_dir):
    model = ByHand()
    model.compile(SGD())
    instrument(model, record_dir)
    with pytest.raises(RuntimeError, match="go past the guard"):
        model.fit(line.x, line.y, verbose=0)


def test_the_optimizer_that_is_used_can_be_named(line, record_dir, read):
    model = ByAnother()
    model.compile(SGD())
    with instrument(model, record_dir, optimizers=model.other):
        model.fit(line.x, line.y, epochs=2, verbose=0)
    _, steps = read(record_dir)
    np.testing.assert_allclose(steps.global_norm[0], line.norm, rtol=1e-6)
    assert len(steps) == 2


def test_variables_that_were_frozen_since_are_told(line, record_dir):
    model = line()
    model.optimizer.build(model.trainable_variables)
    instrument(model, record_dir)
    model.fit(line.x, line.y, verbose=0)
    model.layers[0].bias.trainable = False
    model.train_function = None
    with pytest.raises(RuntimeError, match="for 2 of 1 trainable variables"):
        model.fit(line.x, line.y, verbose=0)


def test_batches_that_a_train_step_adds_up_by_itself_are_let_pass(line, record_dir, read):
    class AddingUp(Line):
        """Applies the gradients of two batches with the second one."""

        def __init__(self):
            super().__init__()
            self.sums = [tf.Variable(tf.zeros(shape)) for shape in ([2, 1], [1])]
            self.batches = tf.Variable(0)

        def update(self, gradients):
            self.batches.assign_add(1)
            for total, gradient in zip(self.sums, gradients, strict=True):
                total.assign_add(gradient)

            def apply():
                self.optimizer.apply([total / 2 for total in self.sums], self.trainable_variables)
                for total in self.sums:
                    total.assign(tf.zeros_like(total))
                return 0

            tf.cond(self.batches % 2 == 0, apply, lambda: 0)

    model = AddingUp()
    model.compile(SGD(0.0))
    model(line.x)
    model.optimizer.build(model.trainable_variables)
    with instrument(model, record_dir):
        model.fit(np.repeat(line.x, 6, 0), np.repeat(line.y, 6, 0), batch_size=1, verbose=0)
    _, steps = read(record_dir)
    np.testing.assert_allclose(steps.global_norm, [line.norm] * 3, rtol=1e-6)
