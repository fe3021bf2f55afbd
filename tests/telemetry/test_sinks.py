"""A mirror may fail; the others and the training go on."""

import logging

import numpy as np

from gradgate.contracts import ModelCard
from gradgate.telemetry.sinks import FanOut
from gradgate.telemetry.sinks.progress import ProgressSink, listening


class Keeps:
    def __init__(self):
        self.seen = []

    def begin(self, card, *, training_uid, planned_steps):
        self.seen.append("begin")

    def learn(self, card):
        self.seen.append("learn")

    def write(self, batch):
        self.seen.append(len(batch))

    def end(self, manifest):
        self.seen.append("end")


class Breaks(Keeps):
    def write(self, batch):
        super().write(batch)
        raise ConnectionError("the server is gone")


def test_a_sink_that_raises_is_named_and_left_out(batch, caplog):
    broken, whole = Breaks(), Keeps()
    sinks = FanOut([broken, whole])
    with caplog.at_level(logging.ERROR):
        sinks.begin(
            ModelCard(model_name="m", variables=(), optimizer="SGD"),
            training_uid="t",
            planned_steps=None,
        )
        sinks.write(batch(0, 2))
        sinks.write(batch(2, 3))
        sinks.end(None)
    assert broken.seen == ["begin", 2]
    assert whole.seen == ["begin", 2, 3, "end"]
    assert "dropping Breaks; the training goes on" in caplog.text
    assert "the server is gone" in caplog.text


def test_progress_reaches_those_who_listen_and_nobody_else(batch, card):
    seen = []
    sink = ProgressSink()
    sink.begin(card, training_uid="t", planned_steps=40)
    with listening(seen.append):
        steps = batch(0, 4)
        steps.norms[1, 2] = np.nan
        steps.clipped[:] = [True, False, False, True]
        sink.write(steps)
    sink.write(batch(4, 4))
    (progress,) = seen
    assert (progress.step, progress.planned_steps, progress.nonfinite_steps) == (4, 40, 1)
    assert progress.clip_rate == 0.5
    assert progress.loss == steps.loss[-1]
