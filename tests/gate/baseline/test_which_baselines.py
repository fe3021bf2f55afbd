"""What a rule is compared with: a first training, baselines that are not in order, the anchor."""

import math

import pytest


# --- No baseline ----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("on_absent", "decision", "status"),
    [
        ("warn", "warn", "unknown"),
        ("block", "block", "unknown"),
        ("absolute_only", "ok", "disabled"),
    ],
)
def test_a_first_training_is_as_the_policy_says(before, training, on_absent, decision, status):
    verdict = before.judge(training, policy=before.policy(baseline={"on_absent": on_absent}))
    finding = before.finding(verdict)
    assert (verdict.decision, verdict.bootstrap, finding.status) == (decision, True, status)
    assert finding.level == decision
    assert finding.message == (
        "not compared (B-ABSENT): there is no earlier healthy training of this pipeline to compare"
        " with"
    )
    assert finding.observed.value == pytest.approx(0.5 * math.sqrt(3))


def test_a_first_training_warns_at_best_unless_the_policy_says_otherwise(before, training):
    assert before.judge(training).decision == "warn"
    training.loss_scale_skips = None
    training.applied[:] = False
    training.norms[:] = math.nan
    strict = before.policy({**before.ratio}, {**before.absolute, "id": "strict"})
    strict = strict.model_copy(
        update={
            "rules": tuple(
                rule.model_copy(update={"expect": rule.expect.model_copy(update={"value": 0.1})})
                if rule.id == "strict"
                else rule
                for rule in strict.rules
            )
        }
    )
    assert before.judge(training, policy=strict).decision == "block"


def test_only_absolute_rules_are_counted_when_nothing_was_compared(before, training):
    policy = before.policy(baseline={"on_absent": "absolute_only"})
    assert before.judge(training, policy=policy).headline == "OK: 1 of 1 rules passed"


def test_a_rule_that_nobody_asked_before_has_no_baseline(before, training):
    other = before.policy({**before.ratio, "aggregate": {"fn": "mean"}})
    verdict = before.judge(training, [before.verdict(policy=other)])
    assert verdict.bootstrap
    assert before.finding(verdict).message == (
        "not compared (B-ABSENT): no baseline (of 1) measured this: the rule is new, or asks"
        " something else now"
    )


def test_another_scope_asks_the_same(before, training):
    narrow = {**before.layers, "scope": {"include": ["first/*"]}}
    wide = before.policy({**before.layers, "scope": {"include": ["first/kernel"]}})
    verdict = before.judge(training, [before.verdict(policy=before.policy(narrow))], policy=wide)
    assert before.finding(verdict, "layers").status == "pass"


@pytest.mark.parametrize(
    ("on_absent", "status", "level"),
    [("warn", "unknown", "warn"), ("block", "unknown", "block"), ("absolute_only", "pass", "ok")],
)
def test_a_new_layer_alone_has_no_baseline(before, training, on_absent, status, level):
    fields = {"on_absent": on_absent, "comparable_if": {"min_shared_variables": 0.5}}
    policy = before.policy(before.layers, baseline=fields)
    was = before.make.Training(paths=("first/kernel", "head/kernel"))
    last = [before.verdict(training=was, policy=before.policy(before.layers))]
    verdict = before.judge(training, last, policy=policy)
    finding = before.finding(verdict, "layers")
    assert (finding.status, finding.level, verdict.bootstrap) == (status, level, True)
    assert finding.message.endswith("; 1 variable not compared, since no baseline knows first/bias")
    # It is measured, so that the next training has one.
    (measurement,) = verdict.references[0].measurements
    assert [value.variable for value in measurement.values] == [
        variable.path for variable in training.card.variables
    ]
    training.norms[:, 2] = 50  # the head, which has a baseline, and is farther on than the bias
    failed = before.finding(before.judge(training, last, policy=policy), "layers")
    assert (failed.status, failed.level) == ("fail", "block")
    assert failed.first_offence.variable == "head/kernel"


def test_a_clock_that_was_set_back_makes_no_first_training(before, training):
    policy = before.policy(baseline={"on_absent": "absolute_only"})
    verdict = before.judge(training, policy=policy, as_of="2020-01-01T00:00:00Z")
    finding = before.finding(verdict)
    assert (finding.status, finding.level) == ("unknown", "block")
    assert "the clock is not right" in finding.message


# --- Baselines that are not in order --------------------------------------------------------------
@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"healthy": False}, "is of a model that is not healthy; remove it"),
        ({"decision": "block"}, "is of a model that is not healthy; remove it"),
        ({"mode": "shadow"}, "is of a model that is not healthy; remove it"),
        ({"schema_id": "gradgate.verdict/v2"}, "is of schema gradgate.verdict/v2; this gradgate"),
    ],
)
def test_one_that_is_not_fit_blocks(before, training, fields, reason):
    wrong = before.verdict(**fields)
    verdict = before.judge(training, [wrong, *before.each(1, 1)])
    (check,) = [check for check in verdict.integrity if check.code == "B-INVALID"]
    assert (check.status, verdict.decision) == ("fail", "block")
    assert check.message.startswith(f"baseline {wrong.verdict_id} {reason}")
    finding = before.finding(verdict)
    assert (finding.status, finding.message) == (
        "unknown",
        "not measured: the baselines are not in order, see B-INVALID",
    )


def test_one_that_was_edited_blocks(before, training):
    edited = before.verdict().model_copy(update={"headline": "OK: another"})
    verdict = before.judge(training, [edited])
    assert verdict.headline == (
        f"BLOCK B-INVALID: baseline {edited.verdict_id} was changed after it was given; restore it,"
        " or remove it"
    )


def test_a_training_is_no_baseline_of_its_own(before, training):
    own = before.verdict(uid=training.manifest.training_uid)
    verdict = before.judge(training, [own])
    assert "is of the very training that is judged" in verdict.headline


def test_it_cannot_be_waived(before, make, training):
    waivers = make.waivers({"rule": "drift"})
    verdict = before.judge(training, [before.verdict(healthy=False)], waivers=waivers)
    assert verdict.decision == "block"


def test_what_the_reader_found_blocks(before, training):
    verdict = before.judge(training, problems=["x.json: is no verdict"])
    assert verdict.headline == "BLOCK B-INVALID: x.json: is no verdict"


def test_a_policy_that_compares_nothing_looks_at_no_baseline(before, make, training):
    policy = make.policy(before.absolute)
    wrong = before.verdict(healthy=False)
    verdict = before.judge(training, [wrong], policy=policy, problems=["x"])
    assert verdict == make.verdict(training, policy=policy)
    assert not {"bootstrap", "references"} & set(verdict.document())


# --- The anchor -----------------------------------------------------------------------------------
@pytest.fixture
def anchored(before):
    """A rule on the anchor, beside one on the last trainings; and the anchor, of norm 1."""
    anchor = before.verdict(1, norm=1)
    rule = {**before.ratio, "id": "anchored", "compare": {"to": "anchor", "as": "ratio"}}
    policy = before.policy(before.ratio, rule, baseline={"anchor": anchor.verdict_id})
    return anchor, policy


def test_a_slow_drift_passes_the_last_ones_and_fails_the_anchor(before, training, anchored):
    anchor, policy = anchored
    training.global_norm[:] = 16
    verdict = before.judge(training, before.each(4, 8, 8, 8), policy=policy, anchor=anchor)
    assert before.finding(verdict).status == "pass"
    finding = before.finding(verdict, "anchored")
    assert finding.status == "fail"
    assert "; anchor 1, ratio 16; expected from 0.2 to 5 times the anchor" in finding.message
    roles = [(one.role, one.verdict_id) for one in verdict.inputs.baselines]
    assert roles[-1] == ("anchor", anchor.verdict_id)


def test_an_anchor_that_is_not_there_blocks(before, training, anchored):
    anchor, policy = anchored
    verdict = before.judge(training, before.each(1), policy=policy)
    assert verdict.headline == (
        f"BLOCK B-INVALID: the anchor {anchor.verdict_id} is not among the baselines; put its"
        " verdict there (gradgate baseline add), or pin another one in the policy"
    )


def test_another_verdict_is_no_anchor(before, training, anchored):
    _, policy = anchored
    other = before.verdict(3)
    verdict = before.judge(training, before.each(1), policy=policy, anchor=other)
    assert "is not the anchor that the policy pins" in verdict.headline


def test_an_anchor_that_measured_something_else_leaves_the_rule_unknown(before, training):
    anchor = before.verdict(policy=before.policy({**before.ratio, "aggregate": {"fn": "mean"}}))
    rule = {**before.ratio, "compare": {"to": "anchor"}}
    policy = before.policy(
        rule, baseline={"anchor": anchor.verdict_id, "on_absent": "absolute_only"}
    )
    finding = before.finding(before.judge(training, policy=policy, anchor=anchor))
    assert finding.status == "unknown"
    assert finding.message.endswith("the anchor did not measure this; pin one that did")
    training.replace(optimizer="Adam")
    finding = before.finding(before.judge(training, policy=policy, anchor=anchor))
    assert finding.message.endswith(
        "not comparable (B-INCOMPARABLE) with the anchor: the optimizer changed: SGD was, Adam is;"
        " pin another anchor"
    )
