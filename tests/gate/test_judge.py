"""The decision: every rule is asked, the strictest answer counts, and nothing passes unproven."""

import dataclasses
import json
import math
from typing import ClassVar

import numpy as np
import pytest

from gradgate.contracts import IntegrityCheck, Verdict
from gradgate.contracts.health import BoundModel, FileDigest, Part
from gradgate.contracts.verdict import OtherBlessing
from gradgate.diagnosis.causes import ALL
from gradgate.gate import Evidence, ModelCheck, RecordProblem, blocked_verdict, judge
from gradgate.gate.integrity.tensor_bundle import TensorCount

DIGEST = "sha256:" + "a" * 64
FILES = (FileDigest(path="saved_model.pb", size=1, sha256="sha256:" + "b" * 64),)

TRAINED = tuple(  # the weights that the conftest's training ended with
    TensorCount(
        name=path, key=path, dtype="float32", shape=shape, nonfinite=0, sha256=f"sha256:of {path}"
    )
    for path, shape in (("first/kernel", (4, 8)), ("first/bias", (8,)), ("head/kernel", (4, 8)))
)


def weights(**nonfinite):
    return TRAINED + tuple(
        TensorCount(name=name, key=name, dtype="float32", shape=(2, 2), nonfinite=count)
        for name, count in nonfinite.items()
    )


def model(digest=DIGEST, uid="run-1", **fields):
    fields.setdefault("weights", weights(w=0))
    return ModelCheck(tree=BoundModel(digest=digest, files=FILES), training_uid=uid, **fields)


@pytest.fixture
def bound(training):
    return training.replace(model=BoundModel(digest=DIGEST, files=FILES))


def weights_check(verdict):
    return next(check for check in verdict.integrity if check.code == "I-WEIGHTS")


def test_a_model_without_the_weights_that_were_trained_is_refused(make, bound, passing):
    # Of another model, or of the same one before its last step: not these bytes.
    other = dataclasses.replace(TRAINED[0], sha256="sha256:other")
    verdict = full(make, bound, passing, model=model(weights=(other, *TRAINED[1:])))
    assert verdict.decision == "block"
    assert not verdict.blessed
    assert "of 3 trainable variables 1 are missing or differ (first/kernel)" in (
        weights_check(verdict).message
    )


def test_weights_of_another_shape_are_not_these(make, bound, passing):
    flat = dataclasses.replace(TRAINED[0], shape=(32,))
    assert not full(make, bound, passing, model=model(weights=(flat, *TRAINED[1:]))).blessed


def test_a_record_that_does_not_say_how_its_weights_ended_is_refused(make, bound, passing):
    silent = [v.model_copy(update={"final_weight_sha256": None}) for v in bound.summary.variables]
    bound.summary = bound.summary.model_copy(update={"variables": tuple(silent)})
    assert weights_check(full(make, bound, passing)).status == "fail"


def test_an_export_may_change_weights_where_the_policy_says_so(make, bound, passing):
    policy = make.policy(passing, require_trained_weights=False)
    other = (dataclasses.replace(TRAINED[0], sha256="sha256:averaged"),)
    verdict = full(make, bound, policy=policy, model=model(weights=other))
    assert verdict.blessed


@pytest.fixture
def passing(make):
    return make.rule("gradient.nonfinite_applied", id="nan")


def full(make, training, *rules, **options):
    """Judges with a model."""
    return make.verdict(training, *rules, **{"model": model(), "training_only": False, **options})


def test_a_sound_model_is_blessed(make, bound, passing):
    verdict = full(make, bound, passing)
    assert (verdict.decision, verdict.blessed, verdict.healthy) == ("ok", True, True)
    assert verdict.headline == "OK: 1 of 1 rules passed"
    assert verdict.subject.model_digest == DIGEST
    assert verdict.subject.training_uid == "run-1"
    assert {check.status for check in verdict.integrity} == {"pass"}


def test_every_rule_is_asked_even_after_one_has_failed(make, bound, passing):
    bound.norms[7, 0] = math.nan
    verdict = full(make, bound, passing, make.rule("step.skipped", "mean", "<=", 0.5))
    assert [finding.status for finding in verdict.findings] == ["fail", "pass"]
    assert not verdict.blessed
    assert not verdict.healthy
    assert verdict.headline == ("BLOCK nan: non-finite gradient applied at step 7 in first/kernel")


def test_a_warning_does_not_block(make, bound, passing):
    bound.applied[3] = False
    verdict = full(make, bound, passing, make.rule("step.skipped", severity="warn", id="skips"))
    assert (verdict.decision, verdict.blessed, verdict.healthy) == ("warn", True, True)
    assert verdict.headline == "WARN skips: skipped at step 3"


def test_a_rule_that_raises_blocks_the_model_and_the_others_are_still_heard(
    make, bound, passing, monkeypatch
):
    def broken(batch, evidence):
        raise ZeroDivisionError("no number")

    from gradgate.gate.signals import CATALOGUE

    signal = CATALOGUE["step.skipped"]
    monkeypatch.setitem(
        CATALOGUE, "step.skipped", type(signal)(**{**signal.__dict__, "reader": lambda: broken})
    )
    verdict = full(make, bound, make.rule("step.skipped", severity="warn", id="broken"), passing)
    first, second = verdict.findings
    assert (first.id, first.status, first.level) == ("broken", "error", "block")
    assert first.message == ("the rule broke, so it was not judged: ZeroDivisionError: no number")
    assert second.status == "pass"
    assert verdict.decision == "block"


@pytest.mark.parametrize("stage", ["signal", "measured"])
def test_a_rule_may_break_at_any_stage(make, bound, passing, monkeypatch, stage):
    def broken(*args, **kwargs):
        raise RuntimeError("broken")

    rule = make.rule("variable.norm", "max", "<", 0.1, id="other", severity="warn")
    if stage == "signal":
        rule["signal"] = "no.such.signal"
    else:
        monkeypatch.setattr("gradgate.gate.asking.holds", broken)
    verdict = full(make, bound, passing, rule)
    broken_finding = next(f for f in verdict.findings if f.id == "other")
    assert (broken_finding.status, broken_finding.level) == ("error", "block")
    assert verdict.decision == "block"


# --- Causes explain, and decide nothing --------------------------------------------------------
def exploding(make):
    return make.rule("variable.norm", "max", "<", 0.1, id="norm")


def test_what_failed_has_causes_and_a_cure(make, bound, passing):
    verdict = full(make, bound, passing, exploding(make))
    assert {"norm"} == {rule for cause in verdict.causes for rule in cause.rules}
    finding = next(f for f in verdict.findings if f.id == "norm")
    first = verdict.causes[0]
    assert finding.prescription == f"{first.title}: {first.change}"
    assert full(make, bound, passing).causes == ()


def test_a_cause_that_breaks_is_left_out_and_changes_no_decision(make, bound, passing, monkeypatch):
    whole = full(make, bound, passing, exploding(make))

    def broken(training):
        raise RuntimeError("broken")

    first = next(known for known in ALL if known.id == whole.causes[0].id)
    others = tuple(known for known in ALL if known is not first)
    monkeypatch.setattr(
        "gradgate.diagnosis.finding_causes.ALL", (dataclasses.replace(first, look=broken), *others)
    )
    verdict = full(make, bound, passing, exploding(make))
    assert verdict.causes == whole.causes[1:]
    assert verdict.decision == whole.decision
    check = next(check for check in verdict.integrity if check.code == "D-BROKEN")
    assert check.status == "warn"
    assert check.message == (
        "some causes could not be looked for, which changes no decision:"
        f" {first.id}: RuntimeError: broken"
    )


def test_a_verdict_from_before_there_were_causes_keeps_its_id(make, bound, passing):
    document = full(make, bound, passing).document()
    assert "causes" not in document
    assert Verdict.model_validate_json(json.dumps(document)).computed_id() == document["verdict_id"]


# --- What cannot be read ---------------------------------------------------------------------
class ReaderError(Exception):
    code, message = "T-TRUNCATED", "part 3 is cut off"


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (ReaderError("x"), "T-TRUNCATED", "part 3 is cut off"),
        (ValueError("bad bytes"), "T-CORRUPT", "bad bytes"),
        (KeyError(), "T-CORRUPT", "KeyError"),
    ],
)
def test_a_record_that_breaks_off_blocks_with_its_code(make, bound, passing, error, code, message):
    def batches():
        yield from list(bound.batches(50))[:3]
        raise error

    evidence = Evidence(
        manifest=bound.manifest,
        card=bound.card,
        summary=bound.summary,
        record_digest=DIGEST,
        batches=batches,
    )
    verdict = judge(
        make.policy(passing, make.rule("variable.unused", id="unused")),
        evidence,
        model=model(),
        as_of=make.as_of,
    )
    assert verdict.decision == "block"
    assert IntegrityCheck(code=code, status="fail", message=message) in verdict.integrity
    by_id = {finding.id: finding for finding in verdict.findings}
    assert by_id["nan"].status == "unknown"
    assert "could not be read to the end" in by_id["nan"].message
    assert by_id["unused"].status == "pass"  # needs no step
    assert verdict.headline == f"BLOCK {code}: {message}"


def test_a_record_that_breaks_on_the_second_reading_blocks(make, bound):
    readings = []

    def batches():
        readings.append(1)
        if len(readings) > 1:
            raise OSError("gone")
        yield from bound.batches()

    evidence = Evidence(
        manifest=bound.manifest,
        card=bound.card,
        summary=bound.summary,
        record_digest=DIGEST,
        batches=batches,
    )
    warned = make.rule("variable.norm", "max", "<", 0.1, id="w", severity="warn")
    verdict = judge(
        make.policy(warned, make.rule("step.skipped")),
        evidence,
        model=model(),
        as_of=make.as_of,
    )
    assert verdict.headline == "BLOCK T-CORRUPT: gone"


def test_without_a_record_every_rule_is_unknown_and_the_model_still_named(make, passing):
    problem = RecordProblem(code="T-UNFINALIZED", message="the trainer was killed at step 41")
    verdict = judge(
        make.policy(passing, make.rule("step.skipped", severity="warn")),
        problem,
        model=model(),
        as_of=make.as_of,
    )
    assert verdict.headline == "BLOCK T-UNFINALIZED: the trainer was killed at step 41"
    assert [finding.status for finding in verdict.findings] == ["unknown", "unknown"]
    assert [finding.level for finding in verdict.findings] == ["block", "warn"]
    assert verdict.subject.model_digest == DIGEST
    assert not verdict.healthy
    assert judge(make.policy(passing), problem, model=None, as_of=make.as_of).decision == "block"


@pytest.mark.parametrize("code", ["P-MISSING", "P-INVALID"])
def test_without_a_policy_there_is_a_blocked_verdict(code, make):
    verdict = blocked_verdict(code, "rules is missing", as_of=make.as_of, model=model())
    assert (verdict.decision, verdict.blessed, verdict.findings) == ("block", False, ())
    assert verdict.headline == f"BLOCK {code}: rules is missing"
    assert verdict.subject.model_digest == DIGEST


# --- The model -------------------------------------------------------------------------------
def codes_failed(verdict):
    return [check.code for check in verdict.integrity if check.status == "fail"]


@pytest.mark.parametrize(
    ("found", "code", "message"),
    [
        (None, "I-MODEL-TREE", "no model was given"),
        (model(digest="sha256:0"), "I-MODEL-DIGEST", "the record was written for sha256:aaa"),
        (model(uid="run-2"), "I-RUN-MISMATCH", "training run-2 made it, and the record is of"),
        (model(uid=None), "I-RUN-MISMATCH", "no readable assets.extra/gradgate.json"),
    ],
)
def test_a_model_of_another_training_blocks(make, bound, passing, found, code, message):
    verdict = full(make, bound, passing, model=found)
    assert codes_failed(verdict) == [code]
    assert message in verdict.headline
    assert not verdict.blessed


def test_a_record_bound_to_no_model_blocks(make, training, passing):
    assert codes_failed(full(make, training, passing)) == ["I-MODEL-UNBOUND"]


def test_what_is_wrong_with_the_model_itself_blocks(make, bound, passing):
    problem = IntegrityCheck(code="I-MODEL-WEIGHTS", status="fail", message="cut off")
    found = model(weights=None, weights_problem="cut off", problems=(problem,))
    verdict = full(make, bound, passing, make.rule("weights.nonfinite", id="w"), model=found)
    assert codes_failed(verdict) == ["I-MODEL-WEIGHTS"]
    assert verdict.findings[0].message == "not measured: cut off"
    no_tree = ModelCheck(tree=None, problems=(problem,))
    assert codes_failed(full(make, bound, passing, model=no_tree)) == ["I-MODEL-WEIGHTS"]


def test_weights_are_recounted_and_named_in_layer_order(make, bound):
    counted = weights(**{"zzz": 1, "head/kernel": 3, "first/kernel": 0})
    verdict = full(
        make, bound, make.rule("weights.nonfinite", id="w"), model=model(weights=counted)
    )
    (finding,) = verdict.findings
    assert (finding.status, finding.evidence) == ("fail", "recomputed")
    assert finding.first_offence.variable == "head/kernel"
    assert finding.first_offence.step is None
    assert finding.observed.value == 3
    assert verdict.headline == ("BLOCK w: non-finite weights 3 (expected exactly 0) in head/kernel")


def test_one_variable_under_two_keys_counts_once(make, bound):
    twice = (*weights(w=2), *weights(w=2))
    verdict = full(make, bound, make.rule("weights.nonfinite"), model=model(weights=twice))
    assert verdict.findings[0].variables_judged == len(TRAINED) + 1
    assert verdict.findings[0].observed.value == 2


def test_without_a_model_the_reported_weights_count_and_nothing_is_blessed(make, training):
    verdict = make.verdict(training, make.rule("weights.nonfinite"))
    assert (verdict.decision, verdict.healthy, verdict.blessed) == ("ok", True, False)
    assert verdict.findings[0].evidence == "reported"
    assert verdict.subject.model_digest is None
    ignored = make.verdict(training, make.rule("weights.nonfinite"), model=model())
    assert ignored == verdict


# --- Other judges ----------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("other", "said"),
    [
        (OtherBlessing(source="Evaluator", blessed=False, same_model=True), "did not bless"),
        (OtherBlessing(source="Evaluator", blessed=True, same_model=False), "blessed another"),
        (
            OtherBlessing(source="Evaluator", blessed=False, same_model=False, message="absent"),
            "did not bless this model: absent",
        ),
    ],
)
def test_another_judge_can_refuse_but_not_make_unhealthy(make, bound, passing, other, said):
    verdict = full(make, bound, passing, others=(other,))
    assert (verdict.decision, verdict.blessed, verdict.healthy) == ("ok", False, True)
    assert said in verdict.headline
    assert verdict.others == (other,)


def test_another_judge_cannot_bless_what_is_blocked(make, bound, passing):
    bound.norms[3] = math.nan
    yes = OtherBlessing(source="Evaluator", blessed=True, same_model=True)
    assert not full(make, bound, passing, others=(yes,)).blessed


# --- Order and headline ----------------------------------------------------------------------
def test_what_blocks_stands_first_and_causes_before_symptoms(make, bound):
    bound.norms[100:, 0] = math.nan
    bound.loss[150:] = math.nan
    bound.applied[299] = False
    rules = [
        make.rule("loss", "last", "<", 9, id="a-pass", window={"first": 100}),
        make.rule("variable.norm", "max", "<", 9, id="b-symptom"),
        make.rule("step.skipped", id="c-warn", severity="warn"),
        make.rule("loss.nonfinite", id="d-loss"),
        make.rule("loss", "max", "<", 9, id="e-unknown", window={"skip_first": 299}),
        make.rule("gradient.nonfinite_applied", id="f-cause"),
    ]
    verdict = full(make, bound, *rules)
    assert [finding.id for finding in verdict.findings] == [
        "f-cause",
        "d-loss",
        "b-symptom",
        "e-unknown",
        "c-warn",
        "a-pass",
    ]
    assert verdict.headline.startswith("BLOCK f-cause: ")


@pytest.mark.parametrize(
    ("rule", "headline"),
    [
        (
            ("clip.saturation", "mean", "<=", 0.5),
            "BLOCK r: clipped on 100% of steps (expected at most 50%) at step 0",
        ),
        (
            ("loss", "improvement", ">=", 0.95),
            # Medians of 30: 1 - 14.5 x 0.9 / 299 = 0.9564 and 0.1436, a fall of 0.8498.
            "BLOCK r: loss fell by 84.98% (expected at least 95%) at step 0",
        ),
        (
            ("variable.norm", "persistence", "<", 0.5),
            "BLOCK r: gradient norm at least 0.5 on 100% of samples at step 0 in first/kernel",
        ),
        (
            ("loss", "min", ">=", 0.2),
            "BLOCK r: loss 0.1 (expected at least 0.2) at step 266",
        ),
    ],
)
def test_headlines(make, bound, rule, headline):
    bound.clipped[:] = True
    numbers = {"op": ">=", "value": 0.5} if rule[1] == "persistence" else {}
    asked = make.rule(*rule, id="r", aggregate=numbers)
    assert full(make, bound, asked).headline == headline


def test_an_unknown_rule_says_so_in_the_headline(make, bound):
    bound.replace(loss_measured=False)
    headline = full(make, bound, make.rule("loss.nonfinite", id="r")).headline
    assert headline.startswith("BLOCK r: not measured: the training loop never showed its loss")


def test_a_rule_that_says_why_comes_before_what_follows_from_it(make, bound, passing):
    bound.replace(status="stopped", status_message="NaN at step 100", planned_steps=1000)
    stopped = full(make, bound, passing)
    assert stopped.headline == "BLOCK T-STOPPED: the guard stopped the training: NaN at step 100"
    assert codes_failed(stopped) == ["T-STOPPED", "T-COVERAGE"]
    bound.norms[100, 0] = math.nan
    assert full(make, bound, passing).headline.startswith("BLOCK nan: non-finite gradient applied")


def test_where_the_record_ends_is_read_from_its_parts(make, bound):
    part = Part(path="p", size=1, sha256="s", rows=300, first_step=0, last_step=299)
    bound.replace(parts=(part,))
    bound.loss[290:] = 5
    rule = make.rule("loss", "mean", "<", 1, window={"last": 10}, min_samples=1)
    (finding,) = full(make, bound, rule).findings
    assert finding.observed.value == 5
    assert finding.aggregate == {"fn": "mean", "from_step": 290, "to_step": 299}


def test_a_percentage_says_what_it_is_of(make, bound):
    rule = make.rule("loss", "mean", "<", 1, window={"last": "10%"})
    assert full(make, bound, rule).findings[0].aggregate["percent_of"] == "planned steps"


# --- Determinism -----------------------------------------------------------------------------
def test_same_inputs_same_bytes_whatever_the_batches(make, bound, passing):
    bound.norms[11, 1] = math.inf
    documents = {
        json.dumps(full(make, bound, passing, size=size).document()) for size in (1, 7, 300, 10**9)
    }
    assert len(documents) == 1


def test_time_is_in_the_verdict_but_not_in_its_id(make, bound, passing):
    first = full(make, bound, passing)
    later = full(make, bound, passing, as_of="2027-01-01T00:00:00Z")
    assert first.verdict_id == later.verdict_id
    assert first.as_of != later.as_of


def test_reads_back_as_it_was_written(make, bound, passing):
    bound.norms[11, 1] = math.nan
    verdict = full(make, bound, passing, make.rule("variable.norm", "max", "<", 1))
    again = Verdict.model_validate_json(json.dumps(verdict.document(), allow_nan=False))
    assert again.document() == verdict.document()
    assert again.computed_id() == verdict.verdict_id


def test_evidence_of_a_record_without_card_or_summary(make, training, passing):
    class Uninstrumented:
        manifest = training.manifest.model_copy(update={"instrumented": False})
        card = summary = None
        digest = DIGEST
        optimizers: ClassVar = {}

        @staticmethod
        def batches():
            return iter(())

        @staticmethod
        def stretches():
            return ()

    verdict = judge(
        make.policy(passing), Evidence.of(Uninstrumented()), model=None, as_of=make.as_of
    )
    assert verdict.headline.startswith("BLOCK T-NOT-INSTRUMENTED: ")
    assert "gradgate.instrument" in verdict.headline
    assert verdict.findings[0].status == "unknown"


def test_numpy_warns_of_nothing(make, bound, passing, recwarn):
    bound.norms[:] = np.float32(3e38)
    bound.loss[4] = math.inf
    full(
        make,
        bound,
        passing,
        make.rule("variable.norm", "mean", "<", 1),
        make.rule("loss", "improvement", ">", 1),
    )
    assert [w for w in recwarn if "gradgate" in str(w.filename)] == []
