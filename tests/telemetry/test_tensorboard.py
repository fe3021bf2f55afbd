"""The TensorBoard mirror, read back by TensorBoard itself."""

import dataclasses
import subprocess
import sys

import numpy as np
from tensorboard.backend.event_processing import plugin_event_accumulator
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util.tensor_util import make_ndarray

from gradgate.telemetry.batch import HISTOGRAM_BINS
from gradgate.telemetry.sinks.tensorboard import TensorBoardSink


def write(folder, card, steps):
    sink = TensorBoardSink(folder, stride=5)
    sink.begin(card, training_uid="t", planned_steps=None)
    sink.write(steps)
    sink.end(None)
    events = EventAccumulator(str(folder), size_guidance={"tensors": 0})
    events.Reload()
    return events


def test_scalars_and_histograms_come_back(tmp_path, card, batch):
    steps = batch(0, 11)
    counts = np.zeros((3, 3, HISTOGRAM_BINS), np.int64)
    counts[1, 2, 22] = 6  # 10^-1 to 10^-0.5
    statistics = dataclasses.replace(steps.statistics, histogram=counts)
    events = write(tmp_path, card, dataclasses.replace(steps, statistics=statistics))
    loss = events.Tensors("gradgate/loss")
    assert [(point.step, make_ndarray(point.tensor_proto)) for point in loss] == [
        (step, steps.loss[step]) for step in (0, 5, 10)
    ]
    norm = events.Tensors("gradient_norm/head/kernel")
    assert [point.step for point in norm] == [0, 4, 8]
    histogram = make_ndarray(events.Tensors("gradient_log10/head/kernel")[1].tensor_proto)
    np.testing.assert_array_equal(histogram[22], [-1.0, -0.5, 6.0])
    assert histogram[:, 2].sum() == 6


def test_a_variable_without_gradient_has_no_chart(tmp_path, card, batch):
    unused = card.variables[0].model_copy(update={"has_gradient": False})
    card = card.model_copy(update={"variables": (unused, *card.variables[1:])})
    tags = write(tmp_path, card, batch(0, 5)).Tags()["tensors"]
    assert "gradient_norm/dense/bias" in tags
    assert "gradient_norm/dense/kernel" not in tags


def test_what_more_was_measured_has_charts_and_what_was_not_has_none(
    tmp_path, full_card, full_batch
):
    steps = full_batch(0, 13)  # sampled at 0, 4, 8, 12; activations at 0, 6, 12
    events = write(tmp_path, full_card, steps)

    def points(tag):
        return [(x.step, make_ndarray(x.tensor_proto)) for x in events.Tensors(tag)]

    assert points("gradgate/loss_scale") == [(step, 2.0**15) for step in (0, 5, 10)]
    skips = np.cumsum(steps.loss_scale_skips)
    assert points("gradgate/loss_scale_skips_total") == [(s, skips[s]) for s in (0, 5, 10)]
    assert [step for step, _ in points("gradient_cosine/dense/kernel")] == [4, 8, 12]
    assert [step for step, _ in points("gradgate/cosine")] == [4, 8, 12]
    assert points("activation_dead_fraction/dense") == [
        (step, steps.activations.dead_fraction[row, 0]) for row, step in enumerate((0, 6, 12))
    ]
    tags = events.Tags()["tensors"]
    assert {"update_ratio/dense/kernel", "gradient_data_mean_abs/head/kernel"} <= set(tags)
    for absent in ("update_ratio/dense/bias", "activation_dead_fraction/head"):
        assert absent not in tags


def test_a_resumed_training_takes_its_last_charts_back(tmp_path, card, batch):
    write(tmp_path, card, batch(0, 30))
    write(tmp_path, card, batch(20, 6))
    events = plugin_event_accumulator.EventAccumulator(str(tmp_path))  # what the web page reads
    events.Reload()
    assert [point.step for point in events.Tensors("gradgate/loss")] == [0, 5, 10, 15, 20, 25]


def test_it_does_not_import_tensorflow():
    code = "import sys, gradgate.telemetry.sinks.tensorboard; print('tensorflow' in sys.modules)"
    path = ":".join(sys.path)
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == "False", done.stderr
