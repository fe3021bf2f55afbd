"""Synthetic steps, and a small finished record to damage."""

import numpy as np
import pytest

from gradgate.contracts import ModelCard, VariableCard
from gradgate.telemetry.batch import HISTOGRAM_BINS, StatisticsBatch, StepBatch
from gradgate.telemetry.writer import RecordWriter


def make_batch(first, count, variables=3, every=4, seed=0):
    rng = np.random.default_rng(seed + first)
    step = np.arange(first, first + count)
    sampled = step[step % every == 0] if every else step[:0]
    shape = (len(sampled), variables)
    norms = rng.lognormal(size=(count, variables)).astype(np.float32)
    norm = np.sqrt(np.square(norms).sum(1))
    return StepBatch(
        step=step,
        epoch=step // 10,
        seconds=step * 0.25,
        loss=rng.lognormal(size=count).astype(np.float32),
        global_norm=norm,
        clipped_norm=np.minimum(norm, np.float32(1)),
        clip_scale=np.minimum(np.float32(1) / norm, np.float32(1)),
        clipped=norm > 1,
        applied=np.ones(count, bool),
        norms=norms,
        statistics=StatisticsBatch(
            step=sampled,
            mean_abs=rng.lognormal(size=shape).astype(np.float32),
            max_abs=rng.lognormal(size=shape).astype(np.float32),
            zero_fraction=rng.uniform(size=shape).astype(np.float32),
            nonfinite=np.zeros(shape, np.int64),
            histogram=rng.integers(0, 9, (*shape, HISTOGRAM_BINS)),
        ),
    )


@pytest.fixture
def batch():
    return make_batch


@pytest.fixture
def card():
    paths = ["m/dense/kernel", "m/dense/bias", "m/head/kernel"]
    variables = tuple(
        VariableCard(path=path, layer=path.split("/")[1], shape=(2, 3), dtype="float32")
        for path in paths
    )
    return ModelCard(model_name="m", variables=variables, optimizer="Adam")


@pytest.fixture
def finished(tmp_path, card):
    """A record of 23 steps in 2 parts."""
    writer = RecordWriter(tmp_path / "record")
    writer.begin(card)
    writer.append(make_batch(0, 13))
    writer.flush()
    writer.append(make_batch(13, 10))
    writer.finalize(training_uid="t1", status="completed", instrumented=True, planned_steps=23)
    return tmp_path / "record"
