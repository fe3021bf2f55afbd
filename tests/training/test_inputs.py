"""Rows of the latest training batch are kept on the device, whatever the batch is like."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from gradgate.training.activations.inputs import InputKeeper
from gradgate.training.hooks.shadow import shadow


def _step(keeper, *, batch=None, shape=(), dtype=tf.float32, **kwargs):
    signature = [tf.TensorSpec([batch, *shape], dtype)]
    return tf.function(keeper.keep, input_signature=signature, **kwargs)


def test_the_first_16_rows_of_the_latest_batch_are_kept():
    keeper = InputKeeper()
    assert keeper.rows() is None
    step = _step(keeper, shape=(2,))
    for first in (0.0, 100.0):
        step(tf.reshape(tf.range(first, first + 40), [20, 2]))
    np.testing.assert_array_equal(keeper.rows(), np.arange(100, 132).reshape(16, 2))
    assert keeper.rows().dtype == np.float32
    assert keeper.device_bytes == 16 * 2 * 4


def test_a_batch_of_fewer_rows_is_repeated_to_as_many():
    keeper = InputKeeper()
    _step(keeper)(tf.constant([1.0, 2.0, 3.0]))
    np.testing.assert_array_equal(keeper.rows(), [*[1, 2, 3] * 5, 1])


def test_a_batch_that_is_known_to_be_small_has_only_its_rows_kept():
    keeper = InputKeeper()
    _step(keeper, batch=3)(tf.constant([1.0, 2.0, 3.0]))
    np.testing.assert_array_equal(keeper.rows(), [1, 2, 3])


@pytest.mark.parametrize("jit_compile", [False, True])
def test_a_last_batch_with_few_rows_or_none_leaves_the_others_as_they_are(jit_compile):
    keeper = InputKeeper()
    step = _step(keeper, jit_compile=jit_compile)
    step(tf.zeros([0]))
    assert keeper.rows() is None
    step(tf.range(16.0))
    step(tf.constant([7.0, 8.0]))
    step(tf.zeros([0]))
    np.testing.assert_array_equal(keeper.rows(), [7, 8, *range(2, 16)])


@pytest.mark.parametrize(
    ("batch", "sizes", "known"), [(None, (3, 2), 3), (None, (20, 2), None), (20, (20,), 20)]
)
def test_the_batch_size_is_known_where_it_is_fixed_or_small(batch, sizes, known):
    keeper = InputKeeper()
    step = _step(keeper, batch=batch)
    for size in sizes:
        step(tf.range(float(size)))
    assert keeper.batch_size == known
    assert keeper.examples == min(sizes[0], 16)


def test_an_input_that_is_always_missing_hides_no_example():
    keeper = InputKeeper()
    keeper.keep({"there": tf.range(4.0), "missing": tf.fill([4], np.nan)})
    rows = keeper.rows()
    np.testing.assert_array_equal(rows["there"], [0, 1, 2, 3])
    assert np.isnan(rows["missing"]).all()


def test_structures_and_dtypes_come_back_as_they_were():
    keeper = InputKeeper()
    values = {
        "b": [np.int64([[1 << 40]] * 4), np.bool_([True, False, True, True])],
        "a": (np.float64([0.1, 0.2, 0.3, 0.4]), np.uint8([255, 0, 1, 2])),
        "c": tf.constant([[1.5]] * 4, tf.bfloat16).numpy(),
        "d": np.int32([2**31 - 1, 0, -1, 5]),
    }
    keeper.keep(values)
    rows = keeper.rows()
    assert [*rows] == [*values]
    assert isinstance(rows["b"], list)
    assert isinstance(rows["a"], tuple)
    for one, other in zip(tf.nest.flatten(rows), tf.nest.flatten(values), strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (tf.constant(["text"]), "an input is of string, which is no number"),
        (tf.ragged.constant([[1], [1, 2]]), "an input is a RaggedTensor, not a dense tensor"),
        (tf.sparse.eye(3), "an input is a SparseTensor, not a dense tensor"),
        (tf.constant(1.0), "the shape of an input is not known beforehand: ()"),
        (None, "an input is a NoneType, not a dense tensor"),
        (tf.zeros([1, 1024, 2049]), "one example is 8,392,704 bytes, more than the 8,388,608"),
        ({}, "the model has no inputs"),
    ],
)
def test_what_cannot_be_kept_says_why(value, why):
    keeper = InputKeeper()
    keeper.keep(value)
    assert why in keeper.unavailable
    assert keeper.rows() is None


def test_sequences_of_any_length_are_not_kept():
    keeper = InputKeeper()
    _step(keeper, shape=(None,))(tf.zeros([2, 3]))
    assert "the shape of an input is not known beforehand: (None, None)" in keeper.unavailable


@pytest.mark.parametrize(
    ("numbers", "rows"), [(32 << 10, 16), (128 << 10, 4), (512 << 10, 1), (2 << 20, 1)]
)
def test_large_examples_are_kept_in_fewer_rows(numbers, rows):
    keeper = InputKeeper()
    keeper.keep(tf.zeros([20, numbers]))  # 4 bytes each; 2 MiB are 512 Ki of them
    assert keeper.rows().shape == (rows, numbers)


def test_other_shapes_in_a_later_trace_leave_what_is_kept():
    keeper = InputKeeper()
    keeper.keep(tf.ones([2, 3]))
    keeper.keep(tf.zeros([2, 4]))
    np.testing.assert_array_equal(keeper.rows(), np.ones((2, 3)))


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("steps", [1, 3])
def test_it_keeps_inside_of_the_training_step(xla, steps, jit_compile):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", steps_per_execution=steps, **xla(jit_compile=jit_compile))
    keeper, compute_loss, traces = InputKeeper(), model.compute_loss, []

    def keeping_compute_loss(x=None, y=None, y_pred=None, sample_weight=None, training=True):
        if training:
            traces.append(1)
            keeper.keep(x)
        return compute_loss(x, y, y_pred, sample_weight, training=training)

    shadow(model, "compute_loss", keeping_compute_loss)
    x = np.arange(48, dtype=np.float32).reshape(24, 2)
    model.fit(x, x[:, :1], batch_size=4, epochs=2, shuffle=False, verbose=0)
    np.testing.assert_array_equal(keeper.rows(), x[-4:])
    assert len(traces) <= steps
