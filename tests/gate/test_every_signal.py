"""What every signal must do. A new one joins the catalogue, and is tested here at once."""

import dataclasses
import math

import numpy as np
import pytest

from gradgate.contracts import Summary
from gradgate.gate.answers import Answers, OutputCount
from gradgate.gate.integrity.model import ModelCheck
from gradgate.gate.integrity.tensor_bundle import TensorCount
from gradgate.gate.signals import ALL, CATALOGUE, RANK, FactSignal, StepSignal, Unmeasured

STEP_SIGNALS = [signal for signal in ALL if isinstance(signal, StepSignal)]
FACTS = [signal for signal in ALL if isinstance(signal, FactSignal)]
every_signal = pytest.mark.parametrize("signal", ALL, ids=lambda signal: signal.name)
every_step_signal = pytest.mark.parametrize("signal", STEP_SIGNALS, ids=lambda s: s.name)
every_fact = pytest.mark.parametrize("signal", FACTS, ids=lambda signal: signal.name)


# Spikes stand out against what came before: 20 losses or 64 norms.
ROWS = {"loss.spike": 280, "gradient.spike": 236, "gradient.spike_score": 236}


def read(signal, training, size=1 << 30):
    reader = signal.reader()
    samples = [reader(batch, training.evidence()) for batch in training.batches(size)]
    return np.concatenate([s.step for s in samples]), np.concatenate([s.value for s in samples])


def spoil(training, value):
    """Puts a value into every measured array at step 150, which is sampled."""
    for name in ("loss", "norms", "global_norm", "clip_scale", "loss_scale"):
        getattr(training, name)[150] = value
    training.replica_loss[150, 1] = training.replica_norm[150, 1] = value
    for name in (
        "mean_abs",
        "max_abs",
        "zero_fraction",
        "weight_norm",
        "update_ratio",
        "adam_rms",
        "spread",
    ):
        getattr(training, name)[3] = value
    training.clipped[150] = True


def test_names_are_unique_and_ranked():
    assert len(CATALOGUE) == len(ALL) == len(RANK)


@every_signal
def test_says_what_it_is(signal):
    assert signal.what.endswith(".")
    assert signal.source
    assert signal.noun


@every_step_signal
def test_gives_rising_steps_and_a_column_each(signal, training):
    step, value = read(signal, training)
    assert step.dtype == np.int64
    assert value.dtype == np.float64
    assert (np.diff(step) > 0).all()
    columns = {"run": 1, "run-sampled": 1, "layer": 2, "replica": 2}.get(signal.level, 3)
    rows = ROWS.get(signal.name, 300)
    rows = rows if signal.level in {"run", "variable", "replica"} else 6
    assert value.shape == (rows, columns)
    assert signal.unmeasured(training.evidence()) == ""


@every_step_signal
def test_cutting_into_batches_changes_nothing(signal, training):
    rng = np.random.default_rng(0)
    for name in ("norms", "loss", "global_norm", "replica_loss", "replica_norm"):
        array = getattr(training, name)
        array[:] = rng.lognormal(sigma=2, size=array.shape)
    training.loss[rng.random(300) < 0.1] = np.nan
    for size in (1, 7, 110):
        for whole, cut in zip(read(signal, training), read(signal, training, size), strict=True):
            np.testing.assert_array_equal(whole, cut)


# Of the cosine and of activations NaN says that they were not measured.
READS_NO_NUMBER = {
    "step.skipped", "clip.saturation", "gradient.nonfinite_skipped", "gradient.cosine",
    "gradient.direction_flip", "variable.cosine", "variable.direction_flip",
    "activation.dead_fraction", "activation.saturated_fraction",
}  # fmt: skip


@pytest.mark.parametrize(
    "signal", [s for s in STEP_SIGNALS if s.name not in READS_NO_NUMBER], ids=lambda s: s.name
)
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_non_finite_number_is_seen(signal, training, bad):
    _, clean = read(signal, training)
    spoil(training, bad)
    _, spoiled = read(signal, training)
    if signal.kind == "indicator":
        assert spoiled.sum() > clean.sum()
    else:
        assert not np.isfinite(spoiled).all()


OPTIONAL = {
    "variable.adam_rms": "adam_rms",
    "variable.update_ratio": "update_ratio",
    "variable.weight_norm": "weight_norm",
    "variable.weight_growth": "weight_norm",
    "gradient.cosine": "global_cosine",
    "gradient.direction_flip": "global_cosine",
    "variable.cosine": "cosine",
    "variable.direction_flip": "cosine",
}


@pytest.mark.parametrize("name", OPTIONAL)
def test_what_the_record_does_not_hold_is_unknown_and_says_why(name, make, training):
    setattr(training, OPTIONAL[name], None)
    finding = make.finding(training, name, "max", "<=", 1, min_samples=1)
    assert (finding.status, finding.level) == ("unknown", "block")
    assert "a record of an older gradgate does not hold it" in finding.message
    assert "set statistics_every" in finding.message


@every_step_signal
def test_magnitudes_are_of_applied_steps_only(signal, training):
    training.applied[150] = False
    step, _ = read(signal, training)
    of_all = {
        "gradient.nonfinite",
        "gradient.nonfinite_applied",
        "gradient.nonfinite_skipped",
        "loss.nonfinite",
        "step.skipped",
        "activation.dead_fraction",  # a look at the activations needs no step
        "activation.saturated_fraction",
        "activation.spread_ratio",
        "replica.nonfinite",
    }
    assert (150 in step) == (signal.name in of_all)


@every_step_signal
def test_indicators_are_zero_or_one(signal, training):
    spoil(training, math.nan)
    _, value = read(signal, training)
    if signal.kind == "indicator":
        assert set(np.unique(value)) <= {0.0, 1.0}


# What the training itself says too; of the others only the model can tell.
REPORTED = {
    "weights.nonfinite", "variable.unused", "model.unused_fraction", "epoch.overfit",
    "epoch.metric_swings", "epoch.loss_agreement", "loss_scale.skipped",
}  # fmt: skip
MODEL = ModelCheck(
    tree=None,
    weights=tuple(
        TensorCount(
            name=f"renamed/{path}",
            key=path,
            dtype="float32",
            shape=(4, 8),
            nonfinite=0,
            sha256=f"sha256:of {path}",
        )
        for path in ("first/kernel", "first/bias", "head/kernel")
    ),
    answers=Answers(
        outputs=(OutputCount(name="output_0", values=8, nonfinite=0, is_constant=False),),
        problem="",
        examples=8,
    ),
)


UNKNOWN = "no model was given|no trainable variable|was not asked|0 epochs told"


@every_fact
def test_a_fact_has_a_value_a_column_or_says_why_not(signal, training):
    is_reported = signal.name in REPORTED
    facts = signal.facts(training.evidence(), None if is_reported else MODEL)
    assert facts.value.shape == (len(facts.columns),)
    assert facts.value.dtype == np.float64
    assert facts.evidence == ("reported" if is_reported else "recomputed")
    healthy = 1.0 if signal.name == "epoch.loss_agreement" else 0.0
    np.testing.assert_allclose(facts.value, healthy)
    training.replace(variables=())
    training.summary = Summary()
    with pytest.raises(Unmeasured, match=UNKNOWN):
        signal.facts(training.evidence(), None)


# By hand: which step of which signal is 1 for a NaN that was applied (step 150) or skipped (60).
@pytest.mark.parametrize(
    ("name", "steps"),
    [
        ("loss.nonfinite", [60, 150]),
        ("loss.nonfinite_applied", [150]),
        ("gradient.nonfinite", [60, 150]),
        ("gradient.nonfinite_applied", [150]),
        ("gradient.nonfinite_skipped", [60]),
        ("step.skipped", [60]),
        ("clip.saturation", [150]),
    ],
)
def test_which_steps_an_indicator_marks(name, steps, training):
    for at in (60, 150):
        training.loss[at] = math.nan
        training.norms[at, 1] = math.inf
        training.clipped[at] = True
    training.applied[60] = False
    step, value = read(CATALOGUE[name], training)
    assert step[value.any(axis=1)].tolist() == steps


def test_loss_against_constant_is_a_ratio(training):
    training.loss[:] = 0.35
    _, value = read(CATALOGUE["loss.vs_constant"], training)
    np.testing.assert_allclose(value, 0.35 / 0.7, rtol=1e-6)


@pytest.mark.parametrize("name", ["loss", "loss.nonfinite", "loss.nonfinite_applied"])
def test_a_loss_that_nobody_showed_is_unmeasured(name, training):
    training.replace(loss_measured=False)
    assert "guard.observe_loss(loss)" in CATALOGUE[name].unmeasured(training.evidence())


@pytest.mark.parametrize(
    ("constant", "said"),
    [(None, "was not measured"), (0.0, "is 0"), (-1.0, "is -1"), (math.nan, "is nan")],
)
def test_without_a_constant_loss_there_is_nothing_to_compare_with(constant, said, training):
    training.replace(constant_loss=constant)
    assert said in CATALOGUE["loss.vs_constant"].unmeasured(training.evidence())


def test_unused_parameters_by_hand(training):
    # 4 x 8 and 8 of first, 4 x 8 of head: 72 in all; first/kernel is 32 of them.
    training.without_gradient(0)
    evidence = training.evidence()
    assert CATALOGUE["model.unused_fraction"].facts(evidence, None).value.tolist() == [32 / 72]
    assert CATALOGUE["variable.unused"].facts(evidence, None).value.tolist() == [1, 0, 0]


def test_variables_of_no_size_have_no_unused_fraction(training):
    empty = training.card.variables[0].model_copy(update={"shape": (0, 3)})
    training.replace(variables=(empty,))
    with pytest.raises(Unmeasured, match="no parameter"):
        CATALOGUE["model.unused_fraction"].facts(training.evidence(), None)


def test_final_weights_that_were_not_looked_at_are_named(training):
    first = training.summary.variables[0].model_copy(update={"final_weight_nonfinite": None})
    training.summary = training.summary.model_copy(
        update={"variables": (first, *training.summary.variables[1:])}
    )
    with pytest.raises(Unmeasured, match=r"weights of first/kernel \(and 0 others\)"):
        CATALOGUE["weights.nonfinite"].facts(training.evidence(), None)


def test_statistics_of_a_step_that_is_not_there_are_refused(training):
    batch = next(training.batches())
    shifted = dataclasses.replace(batch.statistics, step=batch.statistics.step + 1000)
    with pytest.raises(ValueError, match="does not have"):
        CATALOGUE["variable.mean_abs"].reader()(
            dataclasses.replace(batch, statistics=shifted), training.evidence()
        )
