"""The TensorBoard mirror, read back by TensorBoard itself."""

import dataclasses
import json
import re
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

import numpy as np
import pytest
from tensorboard.backend.event_processing import plugin_event_accumulator
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.custom_scalar import layout_pb2, metadata
from tensorboard.util.tensor_util import make_ndarray

from gradgate.telemetry.batch import HISTOGRAM_BINS
from gradgate.telemetry.sinks.tensorboard import TensorBoardSink
from gradgate.telemetry.sinks.tensorboard_layout import layout


def write(folder, card, steps):
    sink = TensorBoardSink(folder)
    sink.begin(card, training_uid="t", planned_steps=None)
    sink.write(steps)
    sink.end(None)
    return read(folder)


def read(folder):
    events = EventAccumulator(str(folder), size_guidance={"tensors": 0})
    events.Reload()
    return events


def test_scalars_and_histograms_come_back(tmp_path, card, batch):
    steps = batch(0, 11)
    steps.norms[0, 2] = 0.0
    counts = np.zeros((3, 3, HISTOGRAM_BINS), np.int64)
    counts[1, 2, 22] = 6  # 10^-1 to 10^-0.5
    statistics = dataclasses.replace(steps.statistics, histogram=counts)
    events = write(tmp_path, card, dataclasses.replace(steps, statistics=statistics))
    loss = events.Tensors("gradgate/loss")
    assert [(point.step, make_ndarray(point.tensor_proto)) for point in loss] == [
        (step, steps.loss[step]) for step in range(11)
    ]
    mean = events.Tensors("gradient_mean_abs/head/kernel")
    assert [point.step for point in mean] == [0, 4, 8]
    logs = events.Tensors("gradient_norm_log10/head/kernel")
    found = [float(make_ndarray(point.tensor_proto)) for point in logs]
    np.testing.assert_allclose(found, [-12.0, *np.log10(steps.norms[1:, 2])], rtol=1e-6)
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
    events = write(tmp_path, full_card.model_copy(update={"loss_scaled": True}), steps)

    def points(tag):
        return [(x.step, make_ndarray(x.tensor_proto)) for x in events.Tensors(tag)]

    assert points("gradgate/loss_scale") == [(step, 2.0**15) for step in range(13)]
    skips = np.cumsum(steps.loss_scale_skips)
    assert points("gradgate/loss_scale_skips_total") == list(enumerate(skips))
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
    assert [point.step for point in events.Tensors("gradgate/loss")] == list(range(26))


def series(events, tag):
    return [(point.step, float(make_ndarray(point.tensor_proto))) for point in events.Tensors(tag)]


def test_counts_and_the_clip_rate_run_on_from_batch_to_batch(tmp_path, card, batch):
    steps = batch(0, 12)
    steps.norms[[1, 7, 11], 0] = np.nan
    steps.loss[[3, 7]] = np.inf
    applied = steps.applied.copy()
    applied[[0, 4, 5]] = False
    clipped = np.isin(steps.step, [2, 3, 9])
    more = batch(12, 9)
    more.norms[0, 1] = np.nan
    sink = TensorBoardSink(tmp_path)
    sink.begin(card, training_uid="t", planned_steps=None)
    sink.write(dataclasses.replace(steps, applied=applied, clipped=clipped))
    sink.write(dataclasses.replace(more, clipped=np.zeros(9, bool)))
    sink.end(None)
    events = read(tmp_path)
    nonfinite = dict(series(events, "gradgate/nonfinite_steps_total"))
    assert [nonfinite[step] for step in (0, 1, 3, 7, 11, 12, 20)] == [0, 1, 2, 3, 4, 5, 5]
    skipped = dict(series(events, "gradgate/skipped_steps_total"))
    assert [skipped[step] for step in (0, 3, 4, 5, 20)] == [1, 1, 2, 3, 3]
    rate = dict(series(events, "gradgate/clip_rate_last_100"))
    found = [rate[step] for step in (0, 5, 10, 15, 20)]
    np.testing.assert_allclose(found, [0, 2 / 6, 3 / 11, 3 / 16, 3 / 21], rtol=1e-6)


def test_what_is_not_finite_is_shown_as_what_it_is(tmp_path, card, batch):
    steps = batch(0, 6)
    steps.norms[2, 0], steps.norms[3, 0] = np.nan, np.inf
    found = dict(series(write(tmp_path, card, steps), "gradient_norm/dense/kernel"))
    assert np.isnan(found[2])
    assert found[3] == np.inf
    assert [found[step] for step in (0, 1, 4, 5)] == steps.norms[[0, 1, 4, 5], 0].tolist()


@pytest.mark.parametrize("planned", [40_000, None])
def test_a_long_training_is_bounded_and_keeps_its_extremes(
    tmp_path, full_card, full_batch, planned
):
    sink = TensorBoardSink(tmp_path)
    sink.begin(full_card, training_uid="t", planned_steps=planned)
    one = full_batch(0, 4000)  # statistics every 4 steps
    for first in range(0, 40_000, 4000):
        steps = shifted(one, first)
        if first == 20_000:  # between two samples: a scalar of each 10th step would miss it
            steps.global_norm[1234] = steps.norms[1234, 0] = 1e6
            steps.norms[1237, 1] = 1e-9
            steps.norms[1243, 1] = np.nan
        sink.write(steps)
    sink.end(None)
    events = read(tmp_path)
    tags = [
        tag
        for tag in events.Tags()["tensors"]
        if "/" in tag and not tag.startswith("gradient_log10/")
    ]
    points = {tag: series(events, tag) for tag in tags}
    for tag, found in points.items():
        assert len(found) <= (1000 if tag.startswith("gradgate/") else 500), tag
    assert (21_234, 1e6) in points["gradgate/global_norm"]
    assert (21_234, 1e6) in points["gradient_norm/dense/kernel"]
    assert min(value for _, value in points["gradient_norm/dense/bias"]) == np.float32(1e-9)
    assert [s for s, value in points["gradient_norm/dense/bias"] if np.isnan(value)] == [21_243]
    histograms = events.Tensors("gradient_log10/head/kernel")
    assert 50 < len(histograms) <= 400
    size = sum(path.stat().st_size for path in tmp_path.iterdir())
    assert size < 3e6  # every sample of these steps would be 60 MB


def shifted(batch, by):
    """The same values at later steps."""
    statistics, activations = (
        dataclasses.replace(part, step=part.step + by)
        for part in (batch.statistics, batch.activations)
    )
    return dataclasses.replace(
        batch,
        step=batch.step + by,
        seconds=batch.seconds + by,
        norms=batch.norms.copy(),
        global_norm=batch.global_norm.copy(),
        statistics=statistics,
        activations=activations,
    )


def test_the_custom_scalars_page_has_charts_whose_patterns_find_what_was_written(
    tmp_path, full_card, full_batch
):
    events = write(tmp_path, full_card, full_batch(0, 13))
    (event,) = events.Tensors(metadata.CONFIG_SUMMARY_TAG)
    layout = layout_pb2.Layout.FromString(make_ndarray(event.tensor_proto).item())
    run, layers = layout.category
    assert [chart.title for chart in run.chart][:3] == [
        "Loss",
        "Global norm before and after the clips",
        "Clip rate of the last 100 steps",
    ]
    assert "Gradient norm, log10: kernel" in {chart.title for chart in layers.chart}
    tags = events.Tags()["tensors"]
    found = {
        chart.title: {t for p in chart.multiline.tag for t in tags if re.match(p, t)}
        for chart in (*run.chart, *layers.chart)
    }
    never_measured = ["Update-to-weight ratio, log10: bias"]
    assert [title for title, matched in found.items() if not matched] == never_measured
    assert found["Gradient norm, log10: bias"] == {"gradient_norm_log10/dense/bias"}
    assert {tag.split("/")[0] for tag in tags} == {
        "gradgate", "gradient_norm", "gradient_norm_log10", "update_ratio_log10", "adam_rms",
        "gradient_mean_abs", "gradient_max_abs",
        "gradient_zero_fraction", "gradient_data_mean_abs", "gradient_cosine", "gradient_log10",
        "update_ratio", "activation_dead_fraction", "activation_saturated_fraction",
        metadata.CONFIG_SUMMARY_TAG,
    }  # fmt: skip


def test_variables_of_very_many_kinds_share_a_chart(card):
    variables = [
        card.variables[0].model_copy(update={"path": f"net/layer/{i}[x"}) for i in range(7)
    ]
    (value,) = layout(card.model_copy(update={"variables": tuple(variables)})).value
    document = layout_pb2.Layout.FromString(make_ndarray(value.tensor).item())
    titles = [chart.title for chart in document.category[1].chart]
    assert "Gradient norm, log10: all variables" in titles
    assert len(titles) == 3
    (value,) = layout(card.model_copy(update={"variables": tuple(variables[:1])})).value
    document = layout_pb2.Layout.FromString(make_ndarray(value.tensor).item())
    (pattern,) = document.category[1].chart[0].multiline.tag
    assert re.match(pattern, "gradient_norm_log10/layer/0[x")


# As `tensorboard` starts, but without TensorFlow, which it would only use to read from object
# stores: 20 s less.
SERVER = """
import sys, types
sys.modules["tensorboard.compat.notf"] = types.ModuleType("notf")
from tensorboard.main import run_main
run_main()
"""


def test_a_real_tensorboard_serves_the_layout_and_the_scalars(tmp_path, card, batch):
    sink = TensorBoardSink(tmp_path / "gradgate")
    sink.begin(card, training_uid="t", planned_steps=None)
    sink.write(batch(0, 30))
    sink.end(None)
    options = ["--logdir", str(tmp_path), "--host", "127.0.0.1", "--port", "0"]
    program = [sys.executable, "-c", SERVER, *options, "--load_fast", "false"]
    log = (tmp_path / "log").open("w+")
    server = subprocess.Popen(program, stdout=log, stderr=log)
    try:
        address = _address(server, tmp_path / "log")
        titles = [category["title"] for category in _fetch(f"{address}layout")["category"]]
        query = urllib.parse.urlencode({"run": "gradgate", "tag": "^gradgate/loss$"})
        found = _fetch(f"{address}scalars?{query}")
    finally:
        server.terminate()
        server.wait(20)
        log.close()
    assert titles == ["Training health: the run", "Training health: layer by layer"]
    assert found["regex_valid"]
    points = found["tag_to_events"]["gradgate/loss"]
    assert [step for _, step, _ in points] == list(range(30))


def _address(server, log):
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and server.poll() is None:
        if found := re.search(r"http://127\.0\.0\.1:\d+/", log.read_text()):
            return f"{found[0]}data/plugin/custom_scalars/"
        time.sleep(0.2)
    raise AssertionError(log.read_text())


def _fetch(url):
    """The JSON there, once TensorBoard has read the log: it does so in the background."""
    deadline = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                found = json.load(answer)
        except urllib.error.HTTPError:
            found = None
        if found or time.monotonic() > deadline:
            return found
        time.sleep(0.3)


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
