"""Synthetic steps, and a small finished record to damage."""

import dataclasses

import numpy as np
import pytest

from gradgate.contracts import ActivationCard, ModelCard, VariableCard
from gradgate.telemetry.batch import (
    HISTOGRAM_BINS,
    ActivationBatch,
    StatisticsBatch,
    StepBatch,
)
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


def make_full_batch(first, count, variables=3, every=4, seed=0, layers=2):
    """With everything that can be measured; NaN where that says that it was not."""
    plain = make_batch(first, count, variables, every, seed)
    rng = np.random.default_rng(seed + first)
    sampled, probed = plain.statistics.step, plain.step[plain.step % 6 == 0]
    shape = (len(sampled), variables)
    more = {
        name: rng.lognormal(size=shape).astype(np.float32)
        for name in (
            "weight_norm",
            "data_norm",
            "data_mean_abs",
            "data_max_abs",
            "update_ratio",
            "adam_rms",
        )
    }
    more["data_zero_fraction"] = rng.uniform(size=shape).astype(np.float32)
    more["cosine"] = rng.uniform(-1, 1, shape).astype(np.float32)
    more["update_ratio"][:, 1] = more["adam_rms"][1:2] = np.nan
    more["cosine"][:1] = np.nan
    more["global_cosine"] = more["cosine"].mean(1)
    activations = {
        name: rng.uniform(size=(len(probed), layers)).astype(np.float32)
        for name in ("zero_fraction", "dead_fraction", "saturated_fraction")
    }
    activations["dead_fraction"][:, 1] = activations["saturated_fraction"][:, 0] = np.nan
    return dataclasses.replace(
        plain,
        statistics=dataclasses.replace(plain.statistics, **more),
        activations=ActivationBatch(step=probed, **activations),
        stage_norms=rng.lognormal(size=(count, 2)).astype(np.float32),
        stage_fired=rng.uniform(size=(count, 2)) < 0.5,
        replica_loss=rng.lognormal(size=(count, 4)).astype(np.float32),
        replica_norm=rng.lognormal(size=(count, 4)).astype(np.float32),
        loss_scale=np.full(count, 2.0**15, np.float32),
        loss_scale_skips=rng.integers(0, 2, count),
    )


@pytest.fixture
def batch():
    return make_batch


@pytest.fixture
def full_batch():
    return make_full_batch


@pytest.fixture
def full_card(card):
    layers = (
        ActivationCard(layer="m/dense", activation="relu"),
        ActivationCard(layer="m/head", activation="tanh"),
    )
    return card.model_copy(update={"activations": layers})


def flatten(batch, prefix=""):
    arrays = {}
    for name, values in vars(batch).items():
        if dataclasses.is_dataclass(values):
            arrays |= flatten(values, f"{prefix}{name}.")
        else:
            arrays[prefix + name] = values
    return arrays


@pytest.fixture
def assert_same():
    def assert_same(found, wanted):
        """Two stretches of batches hold the same steps, to the bit."""
        left, right = ([flatten(batch) for batch in batches] for batches in (found, wanted))
        names = {name for batch in left + right for name, x in batch.items() if x is not None}
        for name in sorted(names):
            both = (
                np.concatenate([batch[name] for batch in side if batch.get(name) is not None])
                for side in (left, right)
            )
            np.testing.assert_array_equal(*both, err_msg=name)

    return assert_same


@pytest.fixture
def take():
    def take(batch, first, last):
        """The steps from `first` on, before `last`."""
        if batch is None:
            return None
        rows = (batch.step >= first) & (batch.step < last)
        changes = {
            name: None if x is None else (take(x, first, last) if hasattr(x, "step") else x[rows])
            for name, x in vars(batch).items()
        }
        return dataclasses.replace(batch, **changes)

    return take


def make_card():
    paths = ["m/dense/kernel", "m/dense/bias", "m/head/kernel"]
    variables = tuple(
        VariableCard(path=path, layer=path.split("/")[1], shape=(2, 3), dtype="float32")
        for path in paths
    )
    return ModelCard(model_name="m", variables=variables, optimizer="Adam")


@pytest.fixture
def card():
    return make_card()


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
