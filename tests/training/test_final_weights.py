"""What the record says of how the weights ended, and of trainings that ended badly."""

import contextlib
import hashlib

import keras
import numpy as np
import pytest

from gradgate.telemetry.reader import open_record
from gradgate.training import instrument


@pytest.fixture
def toy():
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="d")], name="toy")
    model.compile("sgd", "mse")
    x = np.random.default_rng(0).normal(size=(16, 3)).astype(np.float32)
    return model, x, x[:, :2]


def test_the_record_names_the_bytes_of_the_final_weights(toy, tmp_path):
    model, x, y = toy
    with instrument(model, tmp_path):
        model.fit(x, y, verbose=0)
    found = {v.path: v.final_weight_sha256 for v in open_record(tmp_path).summary.variables}
    assert found == {
        variable.path: "sha256:" + hashlib.sha256(variable.numpy().tobytes()).hexdigest()
        for variable in model.trainable_variables
    }


def test_a_fit_that_raised_is_a_failed_training_even_if_somebody_caught_it(toy, tmp_path):
    model, x, y = toy

    def batches():
        yield x, y
        raise OSError("the disk is gone")

    with instrument(model, tmp_path), contextlib.suppress(Exception):
        model.fit(batches(), epochs=2, steps_per_epoch=2, verbose=0)
    manifest = open_record(tmp_path).manifest
    assert manifest.status == "failed"
    assert "fit raised" in manifest.status_message


def test_a_later_fit_that_completes_makes_good_for_it(toy, tmp_path):
    model, x, y = toy
    with instrument(model, tmp_path):
        with pytest.raises(ValueError, match="cardinality"):
            model.fit(x, y[:3], verbose=0)
        model.fit(x, y, verbose=0)
    assert open_record(tmp_path).manifest.status == "completed"


def test_steps_of_another_optimizer_are_not_taken_for_seen(toy, tmp_path):
    model, x, y = toy
    with instrument(model, tmp_path):
        model.fit(x, y, verbose=0)
        model.compile("sgd", "mse")
        model.train_on_batch(x, y)
    manifest = open_record(tmp_path).manifest
    assert manifest.status == "failed"
    assert "was compiled again after it was instrumented" in manifest.status_message


@pytest.mark.parametrize(
    ("argument", "value"),
    [("constant_loss", np.nan), ("constant_loss", -1.0), ("planned_steps", 0)],
)
def test_numbers_that_cannot_be_are_refused_at_once(toy, tmp_path, argument, value):
    with pytest.raises(ValueError, match=f"{argument} must be a"):
        instrument(toy[0], tmp_path, **{argument: value})


def test_a_clip_of_another_kind_is_refused_at_once(toy, tmp_path):
    with pytest.raises(ValueError, match=r"clip must be a clip .* ClipByGlobalNorm"):
        instrument(toy[0], tmp_path, clip=lambda gradients: gradients)
