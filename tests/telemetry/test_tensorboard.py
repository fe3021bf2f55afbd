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
from tensorboard.backend.event_processing import plugin_event_accumulator
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.custom_scalar import layout_pb2, metadata
from tensorboard.util.tensor_util import make_ndarray

from gradgate.telemetry.batch import HISTOGRAM_BINS
from gradgate.telemetry.sinks.tensorboard import TensorBoardSink
from gradgate.telemetry.sinks.tensorboard_layout import layout


def write(folder, card, steps):
    sink = TensorBoardSink(folder, stride=5)
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
        (step, steps.loss[step]) for step in (0, 5, 10)
    ]
    norm = events.Tensors("gradient_norm/head/kernel")
    assert [point.step for point in norm] == [0, 4, 8]
    logs = events.Tensors("gradient_norm_log10/head/kernel")
    found = [float(make_ndarray(point.tensor_proto)) for point in logs]
    np.testing.assert_allclose(found, [-12.0, *np.log10(steps.norms[[4, 8], 2])], rtol=1e-6)
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


def test_what_happened_between_two_points_is_told_at_the_next(tmp_path, card, batch):
    steps = batch(0, 12)  # shown at 0, 5 and 10
    steps.norms[[1, 7, 11], 0] = np.nan
    steps.loss[[3, 7]] = np.inf
    applied = steps.applied.copy()
    applied[[0, 4, 5]] = False
    clipped = np.isin(steps.step, [2, 3, 9])
    more = batch(12, 9)  # shown at 15 and 20
    more.norms[0, 1] = np.nan
    sink = TensorBoardSink(tmp_path, stride=5)
    sink.begin(card, training_uid="t", planned_steps=None)
    sink.write(dataclasses.replace(steps, applied=applied, clipped=clipped))
    sink.write(dataclasses.replace(more, clipped=np.zeros(9, bool)))
    sink.end(None)
    events = read(tmp_path)

    def values(name):
        return [float(make_ndarray(x.tensor_proto)) for x in events.Tensors(f"gradgate/{name}")]

    assert values("nonfinite_steps") == [0, 2, 1, 2, 0]
    assert values("skipped_steps") == [1, 2, 0, 0, 0]
    np.testing.assert_allclose(
        values("clip_rate_last_100"), [0, 2 / 6, 3 / 11, 3 / 16, 3 / 21], rtol=1e-6
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
    sink = TensorBoardSink(tmp_path / "gradgate", stride=5)
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
    assert [step for _, step, _ in points] == [0, 5, 10, 15, 20, 25]


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
