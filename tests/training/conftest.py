"""Small models, and the record that a training wrote."""

import keras
import numpy as np
import pytest
from tensorflow.python.framework.config import disable_op_determinism

from gradgate.telemetry.concatenate import concatenate
from gradgate.telemetry.reader import open_record
from gradgate.training import reproducible


@pytest.fixture(autouse=True)
def seeded():
    """Every test draws the same numbers, on kernels that add in the same order."""
    reproducible(7)
    keras.utils.clear_session(free_memory=False)


@pytest.fixture
def xla():
    """Lets a model be compiled by XLA, which Keras quietly leaves out while ops are deterministic.

    The next test has deterministic ops again.
    """

    def allow(**compile_arguments):
        if compile_arguments.get("jit_compile"):
            disable_op_determinism()
        return compile_arguments

    return allow


@pytest.fixture
def record_dir(tmp_path):
    return tmp_path / "record"


@pytest.fixture(scope="session")
def read():
    """Returns an open record, with all its steps in one batch as `.steps`."""

    def read_all(directory):
        record = open_record(directory)
        batches = list(record.batches())
        return record, concatenate(batches) if batches else None

    return read_all


def built(model):
    """Makes the slots of the optimizer, so that a fit traces its step once and not twice."""
    model.optimizer.build(model.trainable_variables)
    return model


@pytest.fixture
def line(xla):
    """One weight and one bias that learn y = w.x + b by SGD, from zero.

    With x = [2, 3] and y = 6 the loss is (w.x + b - 6)^2, so at w = 0, b = 0, by hand:
        dL/dw = -2 * 6 * x = [-24, -36], dL/db = -12, global norm = 12 * sqrt(4 + 9 + 1)
    """

    def make(learning_rate=0.0, optimizer=None, **compile_arguments):
        model = keras.Sequential(
            [keras.Input((2,)), keras.layers.Dense(1, kernel_initializer="zeros", name="line")],
            name="model",
        )
        optimizer = optimizer or keras.optimizers.SGD(learning_rate)
        model.compile(optimizer, loss="mean_squared_error", **xla(**compile_arguments))
        return built(model)

    make.x = np.float32([[2.0, 3.0]])
    make.y = np.float32([[6.0]])
    make.norm = 12 * np.sqrt(14)
    return make


@pytest.fixture
def mlp(xla):
    """Two dense layers on 64 rows of 4 features: 8 batches of 8."""

    def make(optimizer="adam", loss="binary_crossentropy", **compile_arguments):
        model = keras.Sequential(
            [
                keras.Input((4,)),
                keras.layers.Dense(8, "relu", name="hidden"),
                keras.layers.Dense(1, "sigmoid", name="output"),
            ],
            name="mlp",
        )
        model.compile(optimizer=optimizer, loss=loss, **xla(**compile_arguments))
        return built(model)

    random = np.random.default_rng(3)
    make.x = random.normal(size=(64, 4)).astype(np.float32)
    make.y = (make.x[:, :1] > 0.3).astype(np.float32)
    return make
