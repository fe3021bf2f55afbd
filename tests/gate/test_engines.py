"""Whichever engine brings the steps, the verdict is the same, byte for byte."""

import functools
import itertools
import pickle
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradgate.contracts import canonical_json
from gradgate.gate import Baselines, Evidence, RecordProblem, judge, load_policy
from gradgate.gate.aggregates import CORES, accumulator
from gradgate.gate.integrity.coverage import StepCount
from gradgate.gate.since import since
from gradgate.telemetry.reader import RecordError, open_record
from gradgate.telemetry.writer import RecordWriter

NUMBERS = {
    "quantile": {"q": 0.8},
    "rolling_max": {"over": 3},
    "rolling_min": {"over": 40},
    "sustained_max": {"steps": 5},
    "persistence": {"op": "<", "value": 0.5},
    "improvement": {"portion": 0.2},
}
AS_OF = "2099-01-01T00:00:00Z"


@pytest.fixture(scope="module")
def beam():
    """The engine on Beam's direct runner, in this process; a stretch for each part."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what Beam brings along has a lot to say
        from gradgate.gate.engines.beam import BeamEngine

    runner = "apache_beam.runners.portability.fn_api_runner.fn_runner.FnApiRunner"
    return BeamEngine.of([f"--runner={runner}"], rows=1)


@pytest.fixture
def write(tmp_path):
    """Writes a training as a record of 7 parts."""

    def write(training):
        writer = RecordWriter(tmp_path / "record")
        writer.begin(training.card)
        for batch in training.batches(-(-len(training.step) // 7)):
            writer.append(batch)
            writer.flush()
        writer.finalize(
            training_uid="run-1",
            status="completed",
            instrumented=True,
            planned_steps=len(training.step),
            constant_loss=0.7,
            final_weight_nonfinite={v.path: 0 for v in training.card.variables},
        )
        return tmp_path / "record"

    return write


@pytest.fixture
def noisy(make):
    """Losses and norms that differ in every bit, with a spike, and a few that were skipped."""
    training = make.Training(steps=300, every=5)
    generator = np.random.default_rng(0)
    for name in ("loss", "norms", "mean_abs", "dead_fraction"):
        values = getattr(training, name)
        values *= generator.lognormal(0, 1, values.shape).astype(np.float32)
    training.update_ratio[generator.random(training.update_ratio.shape) < 0.3] = 0.5
    training.weight_norm[generator.random(training.weight_norm.shape) < 0.3] = 0
    training.loss[200] = 1e4
    training.applied[::17] = False
    return training


def evidence_of(record):
    try:
        return Evidence.of(open_record(record))
    except RecordError as error:
        return RecordProblem(code=error.code, message=error.message)


def judged(policy, record, **options):
    options = {"model": None, "as_of": AS_OF, "training_only": True, **options}
    verdict = judge(policy, evidence_of(record), **options)
    return canonical_json(verdict.document()), verdict


def every_aggregate(make, *signals):
    """A policy that asks every aggregate of each signal, half of them so that they fail."""
    places = itertools.count()
    rules = [
        make.rule(signal, fn, op, 0.1, aggregate=NUMBERS.get(fn, {}), min_samples=1, id=f"r{place}")
        for signal in signals
        for fn, op, place in zip(sorted(CORES), itertools.cycle(["<", ">"]), places, strict=False)
        if fn not in {"sum", "rate"}
    ]
    rules += [
        make.rule("loss.spike", "sum", "==", 0, min_samples=1, id="spikes"),
        make.rule("gradient.spike", "rate", "<=", 0, min_samples=1, id="gradient-spikes"),
        make.rule("gradient.nonfinite", "sum", "==", 0, min_samples=1, id="nonfinite"),
        make.rule("weights.nonfinite", "sum", "==", 0, id="a-fact"),
    ]
    return make.policy(*rules, required_signals=["loss", "loss.spike", "variable.max_abs"])


def test_every_golden_run(beam, request):
    runs = request.config.rootpath / "components/gradgate/gate/golden_runs"
    policy = load_policy((runs.parent / "policies" / "default.yaml").read_bytes())
    for run in sorted(path for path in runs.iterdir() if (path / "record").is_dir()):
        one, verdict = judged(policy, run / "record")
        other, _ = judged(policy, run / "record", engine=beam)
        assert one == other, verdict.headline


@pytest.mark.parametrize("kept", [None, 64])
def test_every_aggregate_and_signals_that_remember(beam, make, noisy, write, monkeypatch, kept):
    """Also in memory so little that several passes are needed."""
    of_little = functools.partial(accumulator, kept=kept)
    monkeypatch.setattr("gradgate.gate.case.accumulator", of_little)
    monkeypatch.setattr("gradgate.gate.improving.accumulator", of_little)
    signals = ("loss", "variable.norm", "variable.update_ratio", "activation.dead_fraction")
    policy = every_aggregate(make, *signals)
    record = write(noisy)
    one, verdict = judged(policy, record)
    other, _ = judged(policy, record, engine=beam)
    assert one == other
    assert {finding.status for finding in verdict.findings} == {"pass", "fail"}


def test_rules_that_compare_with_a_baseline(beam, make, noisy, write, monkeypatch):
    """The first offence is then looked for between limits on the number itself."""
    compared = {"min_samples": 1, "compare": {"to": "baseline", "as": "ratio"}}
    policy = make.policy(
        make.rule("variable.norm", "quantile", "<=", 2, aggregate={"q": 0.5}, **compared),
        make.rule("loss", "tail_median", "<=", 2, **compared),
        make.rule("variable.norm", "min", ">=", 0, min_samples=1),
    )
    was = make.Training(steps=300, every=5).replace(training_uid="earlier")
    was.loss[:] = was.norms[:] = 0.01
    as_of = "2026-11-23T05:45:00Z"
    options = {"model": None, "training_only": True}
    earlier = judge(policy, was.evidence(), as_of=as_of, **options)
    options = {"baselines": Baselines(last=(earlier,))}
    record = write(noisy)
    one, verdict = judged(policy, record, **options)
    assert [finding.status for finding in verdict.findings] == ["fail", "fail", "pass"]
    assert all(finding.first_offence for finding in verdict.findings[:2])
    assert judged(policy, record, engine=beam, **options)[0] == one
    monkeypatch.setattr("gradgate.gate.case.accumulator", functools.partial(accumulator, kept=64))
    monkeypatch.setattr("gradgate.gate.offences.since", functools.partial(since, kept=64))
    assert judged(policy, record, **options)[0] == one


def test_memory_of_any_size_changes_nothing(make, noisy, write, monkeypatch):
    policy, record = every_aggregate(make, "loss", "variable.norm"), write(noisy)
    one, _ = judged(policy, record)
    of_little = functools.partial(accumulator, kept=64)
    monkeypatch.setattr("gradgate.gate.case.accumulator", of_little)
    monkeypatch.setattr("gradgate.gate.improving.accumulator", of_little)
    assert judged(policy, record)[0] == one


def test_a_part_that_cannot_be_read_ends_both_at_the_same_step(beam, make, noisy, write):
    record = write(noisy)
    part = record / "parts" / "00004.parquet"
    part.write_bytes(part.read_bytes()[:-1])
    policy = every_aggregate(make, "loss")
    one, verdict = judged(policy, record)
    other, _ = judged(policy, record, engine=beam)
    assert one == other
    assert verdict.headline.startswith("BLOCK T-TRUNCATED: parts/00004.parquet: has ")
    assert 0 < verdict.coverage.observed_steps < 300


def test_a_rule_that_breaks_half_way_breaks_the_same_way(beam, make, noisy, write, monkeypatch):
    from gradgate.gate.case import StepCase

    kept = StepCase.inside

    def inside(self, samples):
        if self.rule.id == "broken" and len(samples.step) and samples.step[0] > 100:
            raise ValueError(f"broke at step {samples.step[0]}")
        return kept(self, samples)

    monkeypatch.setattr(StepCase, "inside", inside)
    rules = [make.rule("loss", "max", "<", 1e9, id=name) for name in ("broken", "whole")]
    record = write(noisy)
    one, verdict = judged(make.policy(*rules), record)
    assert judged(make.policy(*rules), record, engine=beam)[0] == one
    assert [finding.status for finding in verdict.findings] == ["error", "pass"]
    assert "ValueError: broke at step 129" in verdict.findings[0].message


def test_a_pipeline_that_fails_blocks_and_says_what_to_do(beam, make, training, write):
    def no_pipeline():
        raise RuntimeError("no worker to be had")

    policy = make.policy(make.rule("loss", "max", "<", 9))
    _, verdict = judged(policy, write(training), engine=type(beam)(no_pipeline))
    assert verdict.headline == (
        "BLOCK R-ENGINE: the Beam pipeline failed: RuntimeError: no worker to be had. Mend its"
        " arguments, or judge with the in-process engine."
    )
    assert verdict.findings[0].status == "unknown"


def test_steps_in_memory_cannot_be_sent(beam, make, training):
    policy = make.policy(make.rule("loss", "max", "<", 9))
    verdict = make.verdict(training, policy=policy, engine=beam)
    assert verdict.headline.startswith("BLOCK R-ENGINE: the Beam engine reads records on disk")
    sent = pickle.loads(pickle.dumps(training.evidence()))
    with pytest.raises(RuntimeError, match="does not bring its steps"):
        sent.batches()


@given(data=st.data(), steps=st.lists(st.integers(0, 3), min_size=1, max_size=12))
def test_counts_of_steps_are_merged_at_any_seam(make, data, steps):
    """Steps may be missing, or come twice: where, is seen whichever way they are cut."""
    training = make.Training(steps=len(steps), every=0)
    training.step = np.cumsum(steps)
    batches = list(training.batches(1))
    whole, tallies = StepCount(training.card), []
    for batch in batches:
        whole.feed(batch)
        tallies.append(StepCount(training.card))
        tallies[-1].feed(batch)
    while len(tallies) > 1:
        left = data.draw(st.integers(0, len(tallies) - 2))
        tallies[left].merge(tallies.pop(left + 1))
    names = ("rows", "applied", "first_step", "next_step", "largest_gap", "missing", "disorder")
    assert [getattr(tallies[0], n) for n in names] == [getattr(whole, n) for n in names]
