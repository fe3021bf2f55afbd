"""From a record on disk to a verdict: the real writer, the real reader, the default policy."""

import random
import shutil

import numpy as np
import pytest

from gradgate.gate import Evidence, RecordProblem, judge, load_policy, read_policy
from gradgate.telemetry.reader import RecordError, open_record
from gradgate.telemetry.writer import RecordWriter


@pytest.fixture(scope="module")
def policy(request):
    return load_policy(read_policy(request.config.rootpath / "pipeline/policies/default.yaml"))


@pytest.fixture
def write(tmp_path):
    def write(training, parts=3):
        writer = RecordWriter(tmp_path / "record")
        writer.begin(training.card)
        for batch in training.batches(-(-len(training.step) // parts)):
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


def test_the_records_of_two_optimizers_are_judged_as_one(policy, make, tmp_path):
    writer = RecordWriter(tmp_path / "record")
    inner = writer.for_optimizer("critic")
    critic = make.Training(paths=("critic/dense/kernel", "critic/head/kernel"))
    critic.norms[184:, 1] = critic.global_norm[184:] = np.nan
    for name, one, training in (("critic", inner, critic), ("generator", writer, make.Training())):
        one.begin(training.card)
        for batch in training.batches(100):
            one.append(batch)
        one.finalize(
            training_uid="run-1",
            status="completed",
            instrumented=True,
            planned_steps=300,
            optimizer_name=name,
            constant_loss=0.7,
            final_weight_nonfinite={v.path: 0 for v in training.card.variables},
        )
    verdict = verdict_on(policy, tmp_path / "record")
    assert verdict.headline == (
        "BLOCK nonfinite-gradient: critic: non-finite gradient applied at step 184 in"
        " critic/head/kernel"
    )
    assert [check.code for check in verdict.integrity if check.status == "fail"] == []
    (tmp_path / "record/optimizers/critic/manifest.json").unlink()
    assert verdict_on(policy, tmp_path / "record").headline.startswith("BLOCK T-")


def test_what_is_measured_now_survives_the_record(policy, make, training, write):
    training.with_data_loss()
    training.data_mean_abs[:, 0] = 1e-9
    training.update_ratio[3, 2] = 2
    training.dead_fraction[3:, 0] = 0.7
    training.global_cosine[:4] = -0.5
    evidence = Evidence.of(open_record(write(training)))
    asked = make.policy(
        make.rule("variable.mean_abs", "min", ">=", 1e-7, id="vanishing", min_samples=1),
        make.rule("variable.update_ratio", "max", "<=", 1, id="update", min_samples=1),
        make.rule("activation.dead_fraction", "last", "<=", 0.5, id="dead", min_samples=1),
        make.rule("gradient.direction_flip", "mean", "<=", 0.6, id="flips", min_samples=1),
        make.rule("loss.spike", "sum", "==", 0, id="spikes"),
        make.rule("loss_scale.skipped", "last", "<=", 0.01, id="scale"),
    )
    verdict = judge(asked, evidence, model=None, as_of="2099-01-01T00:00:00Z", training_only=True)
    found = {finding.id: finding.observed for finding in verdict.findings}
    assert found["vanishing"].value == pytest.approx(1e-9)
    assert (found["update"].variable, found["update"].value) == ("head/kernel", 2)
    assert (found["dead"].variable, found["dead"].value) == ("first", pytest.approx(0.7))
    assert found["flips"].value == pytest.approx(4 / 6)
    assert {f.id for f in verdict.findings if f.status == "pass"} == {"spikes", "scale"}


def verdict_on(policy, path):
    try:
        evidence = Evidence.of(open_record(path))
    except RecordError as error:
        evidence = RecordProblem(code=error.code, message=error.message)
    return judge(policy, evidence, model=None, as_of="2099-01-01T00:00:00Z", training_only=True)


def test_a_sound_record_passes_every_rule(policy, training, write):
    verdict = verdict_on(policy, write(training))
    assert verdict.headline == "OK: 14 of 14 rules passed"
    assert verdict.inputs.record_digest.startswith("sha256:")
    assert verdict.coverage.observed_steps == 300


def test_a_sick_record_is_named(policy, training, write):
    training.norms[184:, 2] = training.global_norm[184:] = np.nan
    verdict = verdict_on(policy, write(training))
    assert verdict.headline == (
        "BLOCK nonfinite-gradient: non-finite gradient applied at step 184 in head/kernel"
    )


def test_parts_of_any_size_give_the_same_answer(policy, make, training, write, tmp_path):
    training.clipped[::2] = True
    one = verdict_on(policy, write(training, parts=1))
    shutil.rmtree(tmp_path / "record")
    many = verdict_on(policy, write(training, parts=50))
    assert one.findings == many.findings
    assert one.headline == many.headline


def test_a_record_cut_off_anywhere_never_passes(policy, training, write):
    path = write(training)
    for file in sorted(path.rglob("*.*")):
        whole = file.read_bytes()
        lengths = {0, 1, len(whole) - 1, *random.Random(3).sample(range(len(whole)), 12)}
        for length in lengths:
            file.write_bytes(whole[:length])
            verdict = verdict_on(policy, path)
            assert verdict.decision == "block"
            assert verdict.headline.startswith("BLOCK T-")
        file.unlink()
        assert verdict_on(policy, path).decision == "block"
        file.write_bytes(whole)
    assert verdict_on(policy, path).decision == "ok"


def test_a_flipped_bit_anywhere_never_passes(policy, training, write):
    path = write(training)
    generator = random.Random(5)
    for file in sorted(path.rglob("*.*")):
        whole = file.read_bytes()
        for bit in generator.sample(range(8 * len(whole)), 25):
            flipped = bytearray(whole)
            flipped[bit // 8] ^= 1 << bit % 8
            file.write_bytes(flipped)
            assert verdict_on(policy, path).decision == "block"
        file.write_bytes(whole)


def test_no_record_at_all_is_a_verdict_too(policy, tmp_path):
    verdict = verdict_on(policy, tmp_path / "nothing")
    assert verdict.headline.startswith("BLOCK T-MISSING: ")
    assert {finding.status for finding in verdict.findings} == {"unknown"}
