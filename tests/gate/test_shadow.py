"""Shadow: a policy, or a rule of one, that is asked and decides nothing, and is seen all along."""

import dataclasses
import math

import pytest

from gradgate.contracts.health import BoundModel, FileDigest
from gradgate.contracts.verdict import OtherBlessing
from gradgate.gate import ModelCheck, PolicyError, RecordProblem, judge, load_policy, policy_digest
from gradgate.gate.render import FORMATS, explain, render, view

DIGEST = "sha256:" + "a" * 64
FILES = (FileDigest(path="saved_model.pb", size=1, sha256="sha256:" + "b" * 64),)
MODEL = ModelCheck(tree=BoundModel(digest=DIGEST, files=FILES), training_uid="run-1", weights=())
SOUND = {"signal": "step.skipped", "aggregate": {"fn": "mean"}, "expect": {"op": "<=", "value": 1}}
SICK = {
    "id": "nan",
    "signal": "gradient.nonfinite_applied",
    "aggregate": {"fn": "sum"},
    "expect": {"op": "==", "value": 0},
}


@pytest.fixture
def sick(training):
    training.norms[37:, 0] = math.nan
    training.replace(model=BoundModel(digest=DIGEST, files=FILES))
    return training


def full(make, training, *rules, others=(), **fields):
    """Judges with a model, so that it could be blessed."""
    policy = make.policy(*rules, require_trained_weights=False, **fields)
    return make.verdict(training, policy=policy, model=MODEL, training_only=False, others=others)


# --- The whole policy -----------------------------------------------------------------------------
def test_a_policy_in_shadow_blocks_nothing_and_says_what_it_would_have_done(make, sick):
    verdict = full(make, sick, SICK, mode="shadow")
    assert (verdict.mode, verdict.decision, verdict.would_decide) == ("shadow", "warn", "block")
    assert verdict.blessed
    assert not verdict.healthy
    assert verdict.headline == (
        "SHADOW would BLOCK nan: non-finite gradient applied at step 37 in first/kernel"
    )
    assert verdict.findings[0].level == "block"
    assert verdict.findings[0].first_offence.step == 37


def test_a_sound_model_is_not_healthy_by_a_policy_in_shadow(make, training):
    training.replace(model=BoundModel(digest=DIGEST, files=FILES))
    verdict = full(make, training, SICK, mode="shadow")
    assert (verdict.decision, verdict.would_decide) == ("ok", "ok")
    assert verdict.blessed
    assert not verdict.healthy
    assert verdict.headline == "SHADOW OK: 1 of 1 rules passed"


def test_evidence_that_is_not_in_order_blocks_in_shadow_too(make, sick):
    sick.replace(observed_steps=7)
    verdict = full(make, sick, SOUND, mode="shadow")
    assert (verdict.decision, verdict.would_decide) == ("block", "block")
    assert not verdict.blessed
    assert verdict.headline.startswith("BLOCK T-TRUNCATED: ")


def test_a_record_that_cannot_be_read_blocks_in_shadow_too(make):
    problem = RecordProblem(code="T-MISSING", message="there is none")
    policy = make.policy(SOUND, mode="shadow")
    verdict = judge(policy, problem, model=MODEL, as_of=make.as_of)
    assert (verdict.decision, verdict.blessed, verdict.healthy) == ("block", False, False)
    assert verdict.headline == "BLOCK T-MISSING: there is none"


def test_another_judges_no_counts_in_shadow_too(make, sick):
    no = OtherBlessing(source="Evaluator", blessed=False, same_model=True)
    verdict = full(make, sick, SICK, mode="shadow", others=(no,))
    assert not verdict.blessed
    assert view.badge(verdict) == ("SHADOW, WOULD BLOCK, NOT BLESSED", "warn")
    assert "another judge did not bless this model" in view.decided(verdict)


def test_in_shadow_what_is_not_measured_may_be_milder_than_what_fails(make, training):
    missing = make.rule("variable.norm", "max", "<", 1, scope={"include": ["x"]}, on_missing="warn")
    verdict = make.verdict(training, policy=make.policy(missing, mode="shadow"))
    assert verdict.would_decide == "warn"
    with pytest.raises(ValueError, match="must not be treated more mildly"):
        make.policy(missing)


# --- Single rules ---------------------------------------------------------------------------------
def test_a_rule_in_shadow_is_reported_apart_and_does_not_decide(make, sick):
    verdict = full(make, sick, SICK, {**SOUND, "id": "sound"}, shadow_rules=["nan"])
    assert (verdict.mode, verdict.decision, verdict.would_decide) == ("enforce", "ok", "block")
    assert verdict.blessed
    assert verdict.healthy
    assert [finding.id for finding in verdict.findings] == ["sound"]
    (shadow,) = verdict.shadow_findings
    assert (shadow.id, shadow.status, shadow.level) == ("nan", "fail", "block")
    assert (shadow.first_offence.step, shadow.first_offence.variable) == (37, "first/kernel")
    assert verdict.headline == "OK: 1 of 1 rules passed"


def test_nothing_in_shadow_leaves_no_trace_in_the_verdict(make, training):
    document = make.verdict(training, SOUND).document()
    assert not {"mode", "would_decide", "shadow_findings"} & set(document)


def test_a_rule_in_shadow_that_breaks_blocks_nothing(make, training, monkeypatch):
    broken = {**SOUND, "id": "broken", "signal": "no.signal"}
    policy = make.policy({**SOUND, "id": "sound"}, broken, shadow_rules=["broken"])
    verdict = make.verdict(training, policy=policy)
    assert verdict.decision == "ok"
    assert verdict.shadow_findings[0].status == "error"
    assert verdict.would_decide == "block"


def test_a_search_for_offences_that_breaks_in_shadow_blocks_nothing(make, sick):
    policy = make.policy(SICK, {**SOUND, "id": "sound"}, shadow_rules=["nan"])
    evidence = sick.evidence()
    passes = iter([True])

    def once():
        if not next(passes, False):
            raise OSError("gone")
        return sick.batches()

    evidence = dataclasses.replace(evidence, batches=once)
    verdict = judge(policy, evidence, model=None, as_of=make.as_of, training_only=True)
    assert verdict.decision == "ok"
    assert verdict.shadow_findings[0].status == "fail"


# --- What the loader says -------------------------------------------------------------------------
HEAD = """\
apiVersion: gradgate/v1
kind: TrainingHealthPolicy
metadata: {id: test, revision: 1, owner: tests}
"""
RULES = """\
rules:
  - {id: skips, signal: step.skipped, aggregate: {fn: mean}, expect: {op: "<=", value: 0.05}}
  - {id: nan, signal: loss.nonfinite, aggregate: {fn: sum}, expect: {op: "==", value: 0}}
"""


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ("mode: dry-run\n", "policy.yaml:4:1: mode: got 'dry-run'; use 'enforce' or 'shadow'"),
        (
            "shadow_rules: [skip]\n",
            (
                "policy.yaml:4:16: shadow_rules[0]: there is no rule skip; did you mean skips? the"
                " rules are skips, nan"
            ),
        ),
        (
            "shadow_rules: [nan, nan]\n",
            "policy.yaml:4:21: shadow_rules[1]: nan stands twice; keep one",
        ),
        (
            "shadow_rules: [nan, skips]\n",
            (
                "policy.yaml:1:1: rules: none but those in shadow_rules has severity block, so this"
                " policy could never block."
            ),
        ),
    ],
)
def test_what_shadow_must_not_say(extra, message):
    with pytest.raises(PolicyError) as caught:
        load_policy(HEAD + extra + RULES)
    assert str(caught.value) == message


def test_the_digest_of_a_policy_that_says_nothing_of_shadow_stays():
    policy = load_policy(HEAD + RULES)
    assert not {"mode", "shadow_rules"} & set(policy.document())
    assert policy_digest(load_policy(HEAD + "mode: enforce\n" + RULES)) == policy_digest(policy)
    assert policy_digest(load_policy(HEAD + "mode: shadow\n" + RULES)) != policy_digest(policy)


# --- Reports --------------------------------------------------------------------------------------
@pytest.mark.parametrize("form", [form for form in FORMATS if form != "json"])
def test_every_report_says_that_the_policy_is_in_shadow(make, sick, form):
    shown = render(full(make, sick, SICK, mode="shadow"), form)
    assert "would BLOCK nan" in shown
    assert "The policy is in shadow, so this model may be pushed, whatever the rules say." in shown


@pytest.mark.parametrize("form", ["text", "markdown", "html", "explain"])
def test_every_report_shows_the_rules_in_shadow_apart(make, sick, form):
    verdict = full(make, sick, SICK, {**SOUND, "id": "sound"}, shadow_rules=["nan"])
    shown = explain(verdict) if form == "explain" else render(verdict, form)
    assert "1 rule in shadow, deciding nothing: nan would block" in shown
    assert "step 37" in shown
    assert "block nan" in explain(verdict, "nan")


def test_the_tally_says_would_in_shadow(make, sick):
    warns = {**SICK, "id": "warned", "severity": "warn"}
    tally = view.tally(full(make, sick, SICK, warns, {**SOUND, "id": "ok"}, mode="shadow"))
    assert tally == "3 rules: 1 would block, 1 would warn, 1 passes"


def test_a_shadow_that_would_not_block_says_so(make, training):
    policy = make.policy(SICK, {**SOUND, "id": "sound"}, shadow_rules=["nan"])
    assert view.shadow_tally(make.verdict(training, policy=policy)).endswith(": none would block")
