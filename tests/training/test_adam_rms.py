"""The gradient against Adam's second moment, by hand and by what the optimizer keeps."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from gradgate.gradients import ClipByGlobalNorm
from gradgate.training import instrument

NAN = float("nan")
BETA = 0.9
ADAM = {"learning_rate": 0.01, "beta_2": BETA}


@pytest.fixture
def weights():
    """A model that is nothing but its weights, for gradients that a test writes down itself."""

    def make(count, optimizer):
        dense = keras.layers.Dense(1, use_bias=False, name="weights")
        model = keras.Sequential([keras.Input((count,)), dense], name="model")
        model.compile(optimizer)
        return model

    return make


def _apply(model, gradients, *, compiled=True, jit=False):
    (variable,) = model.trainable_variables

    def step(gradient):
        model.optimizer.apply([gradient], [variable])

    step = tf.function(step, jit_compile=jit) if compiled else step
    for gradient in gradients:
        step(tf.reshape(tf.constant(gradient, tf.float32), [-1, 1]))


def _expected(gradients, *, hats=False):
    """By NumPy: v' = b v + (1 - b) g^2, and sqrt(mean(g^2 (1 - b^t) / v'))."""
    moment = greatest = np.zeros(len(gradients[0]))
    found = []
    for t, gradient in enumerate(np.array(gradients, float), 1):
        moment = BETA * moment + (1 - BETA) * gradient**2
        greatest = np.maximum(greatest, moment)
        divisor = (greatest if hats else moment) / (1 - BETA**t)
        found.append(np.sqrt(np.mean(gradient**2 / np.maximum(divisor, 1e-14))))
    return found


GRADIENTS = [[1.0, -2.0], [1.0, -2.0], [30.0, 0.5], [0.0, 1.0]]


@pytest.mark.parametrize("way", ["graph", "eager", "xla"])
def test_it_is_one_while_squares_stay_and_rises_with_them(weights, record_dir, read, xla, way):
    xla(jit_compile=way == "xla")
    model = weights(2, keras.optimizers.Adam(**ADAM))
    with instrument(model, record_dir, statistics_every=1):
        _apply(model, GRADIENTS, compiled=way != "eager", jit=way == "xla")
    record, steps = read(record_dir)
    found = steps.statistics.adam_rms
    np.testing.assert_allclose(found[:2], [[1.0], [1.0]], rtol=1e-5)
    assert found[2, 0] > 1.1
    np.testing.assert_allclose(found[:, 0], _expected(GRADIENTS), rtol=1e-5)
    assert record.summary.variables[0].adam_rms.count == 4


@pytest.mark.parametrize("name", ["AdamW", "Nadam", "Lamb", "amsgrad", "scaled", "accumulated"])
def test_of_all_that_keep_a_second_moment(weights, record_dir, read, name):
    gradients, every = GRADIENTS, GRADIENTS
    if name == "amsgrad":
        optimizer = keras.optimizers.Adam(**ADAM, amsgrad=True)
    elif name == "scaled":
        inner = keras.optimizers.Adam(**ADAM)
        optimizer = keras.optimizers.LossScaleOptimizer(inner, initial_scale=8.0)
        gradients = 8.0 * np.array(GRADIENTS)
    elif name == "accumulated":
        optimizer = keras.optimizers.Adam(**ADAM, gradient_accumulation_steps=2)
        every = [np.mean(GRADIENTS[:2], axis=0), np.mean(GRADIENTS[2:], axis=0)]
    else:
        optimizer = getattr(keras.optimizers, name)(**ADAM)
    model = weights(2, optimizer)
    with instrument(model, record_dir, statistics_every=1):
        _apply(model, gradients)
    found = read(record_dir)[1].statistics.adam_rms[:, 0]
    np.testing.assert_allclose(found, _expected(every, hats=name == "amsgrad"), rtol=1e-5)


def test_it_is_of_the_gradient_that_the_optimizer_got(weights, record_dir, read):
    model = weights(2, keras.optimizers.Adam(**ADAM))
    with instrument(model, record_dir, statistics_every=1, clip=ClipByGlobalNorm(max_norm=5.0)):
        _apply(model, [[3.0, 4.0], [30.0, 40.0]])  # the second is clipped to the first
    found = read(record_dir)[1].statistics.adam_rms
    np.testing.assert_allclose(found, [[1.0], [1.0]], rtol=1e-5)


def test_a_step_that_was_not_applied_has_none(weights, record_dir, read):
    model = weights(2, keras.optimizers.Adam(**ADAM))
    with instrument(model, record_dir, statistics_every=1, on_nonfinite="skip"):
        _apply(model, [[1.0, 1.0], [NAN, 1.0], [1.0, 1.0]])
    record, steps = read(record_dir)
    np.testing.assert_allclose(steps.statistics.adam_rms, [[1.0], [NAN], [1.0]], rtol=1e-5)
    assert record.summary.variables[0].adam_rms.nonfinite == 0


def test_rows_of_an_embedding_that_nobody_looked_up_count_as_zeros(record_dir, read):
    embedding = keras.layers.Embedding(4, 2, name="words")
    model = keras.Sequential([keras.Input((3,), dtype="int32"), embedding], name="model")
    model.compile(keras.optimizers.Adam(**ADAM))
    (variable,) = model.trainable_variables
    rows = tf.IndexedSlices(
        tf.constant([[2.0, 1.0], [2.0, 2.0]]), tf.constant([0, 2]), tf.constant([4, 2])
    )
    with instrument(model, record_dir, statistics_every=1):
        model.optimizer.apply([rows], [variable])
    # Of 8 entries 4 are what their second moment expects, and 4 are 0.
    found = read(record_dir)[1].statistics.adam_rms
    np.testing.assert_allclose(found, [[np.sqrt(0.5)]], rtol=1e-5)


def test_of_other_optimizers_it_is_not_measured(weights, record_dir, read):
    model = weights(2, keras.optimizers.RMSprop(0.01))
    with instrument(model, record_dir, statistics_every=1):
        _apply(model, GRADIENTS)
    record, steps = read(record_dir)
    assert steps.statistics.adam_rms is None
    assert record.summary.variables[0].adam_rms is None
