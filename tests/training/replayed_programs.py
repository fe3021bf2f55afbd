"""Trainings whose first bad step is known: where its NaN comes from, and in which line."""

import keras
import numpy as np
import tensorflow as tf

BAD_COLUMN = 2


class Root(keras.layers.Layer):
    """A square root: its gradient is infinite at 0, which a ReLU gives it."""

    def call(self, x):
        return keras.ops.sqrt(keras.ops.relu(x))  # the line that a replay names


class Log(keras.layers.Layer):
    """A logarithm of what may be 0."""

    def call(self, x):
        return keras.ops.log(keras.ops.relu(x))


def model(*layers, features=4):
    """Dropout is in it, so that a replay must draw what the training drew."""
    first = keras.layers.Dense(8, activation="tanh", name="first")
    inner = [first, keras.layers.Dropout(0.2), *layers, keras.layers.Dense(1, name="out")]
    made = keras.Sequential([keras.Input((features,)), *inner], name="net")
    made.compile(keras.optimizers.Adam(0.01), "mse")
    return made


def data(*, bad=()):
    """48 examples in another order in each epoch, 8 a batch; some with a NaN in one column."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(48, 4)).astype("float32")
    y = x.sum(axis=1, keepdims=True)
    for example in bad:
        x[example, BAD_COLUMN] = np.nan
    return tf.data.Dataset.from_tensor_slices((x, y)).shuffle(48, seed=1).batch(8)


def sound():
    return model(), data()


def missing_value():
    return model(), data(bad=[40])


def root():
    return model(Root(name="root")), data()


def logarithm():
    return model(Log(name="log")), data()


def recurrent():
    """NaN inside of a loop: the recurrent activation is a logarithm."""
    made = keras.Sequential(
        [
            keras.Input((4, 1)),
            keras.layers.LSTM(3, activation=keras.ops.log, name="memory"),
            keras.layers.Dense(1, name="out"),
        ],
        name="net",
    )
    made.compile("sgd", "mse")
    return made, data()


def other_data():
    return model(), data().map(lambda x, y: (2 * x, y))


def fewer_data():
    return model(), data().take(2)


def arrays():
    return model(), np.zeros((8, 4))


def nothing():
    return None


def broken():
    raise OSError("no such bucket")
