"""What Keras says at the end of an epoch is in the record, also after a restart."""

import keras
import numpy as np
import pytest

from gradgate.contracts import EpochSummary
from gradgate.telemetry.epochs import Epochs
from gradgate.training import instrument


def epochs_of(record):
    return [(each.epoch, each.last_step) for each in record.summary.epochs]


def test_the_metrics_of_each_epoch_are_those_of_keras(record_dir, read):
    model = keras.Sequential([keras.Input([2]), keras.layers.Dense(1)])
    model.compile("sgd", loss="mse", metrics=["mae"])
    x, y = np.ones((8, 2), np.float32), np.ones((8, 1), np.float32)
    with instrument(model, record_dir):
        history = model.fit(x, y, batch_size=2, epochs=3, validation_data=(x, y), verbose=0).history
    record, _ = read(record_dir)
    assert epochs_of(record) == [(0, 3), (1, 7), (2, 11)]
    for name in ("loss", "mae", "val_loss", "val_mae"):
        assert [each.logs[name] for each in record.summary.epochs] == history[name]


def test_a_metric_that_is_nan_is_kept_as_nan(line, record_dir, read):
    model = line()
    with instrument(model, record_dir):
        model.fit(np.float32([[np.nan, 1]]), line.y, verbose=0)
    record, _ = read(record_dir)
    assert np.isnan(record.summary.epochs[0].logs["loss"])


def test_epochs_survive_a_process_and_those_taken_back_are_forgotten(tmp_path):
    first = Epochs(tmp_path / "resume")
    for epoch in range(3):
        first.add(epoch, 10 * epoch + 9, {"loss": float("nan") if epoch == 1 else 1.5})
    with (tmp_path / "resume" / "epochs.jsonl").open("ab") as file:
        file.write(b'{"epoch": 3, "last_st')  # killed while it was written
    again = Epochs(tmp_path / "resume")
    assert [each.epoch for each in again.all()] == [0, 1, 2]
    assert np.isnan(again.all()[1].logs["loss"])
    again.forget_from(20)
    again.add(2, 29, {"loss": 2.5})
    assert [each.logs["loss"] for each in Epochs(tmp_path / "resume").all()][2:] == [2.5]


def test_what_is_no_number_is_left_out(tmp_path):
    epochs = Epochs(tmp_path)
    epochs.add(0, 0, {"loss": np.float32(0.5), "note": "text", "n" * 201: 1.0, "seen": 7})
    assert epochs.all() == (EpochSummary(epoch=0, last_step=0, logs={"loss": 0.5, "seen": 7.0}),)


@pytest.mark.parametrize("count", [10_000, 10_003])
def test_of_very_many_the_first_and_the_last_are_kept(tmp_path, monkeypatch, count):
    monkeypatch.setattr("os.fsync", lambda _: None)
    epochs = Epochs(tmp_path)
    for epoch in range(count):
        epochs.add(epoch, epoch, {})
    kept = [each.epoch for each in epochs.all()]
    assert kept == [*range(5000), *range(count - 5000, count)]
