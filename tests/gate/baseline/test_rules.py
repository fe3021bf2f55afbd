"""A rule that compares: its number against that of trainings before it, and what proves nothing."""

import math
import time

import numpy as np
import pytest

from gradgate.contracts import OptimizerRecord, Verdict
from gradgate.contracts.verdict import BaselineRef
from gradgate.gate import judge
from gradgate.gate.render import FORMATS, explain, render


# --- Numbers --------------------------------------------------------------------------------------
def test_a_norm_far_above_the_last_five_fails_with_all_numbers(before, training):
    # Sorted 0.5, 0.75, 0.8125, 0.875, 9: the median is 0.8125, and 41 / 0.8125 = 50.46...
    training.global_norm[:] = 41
    verdict = before.judge(training, before.each(0.75, 9, 0.875, 0.5, 0.8125))
    finding = before.finding(verdict)
    assert finding.message == (
        "0.5 quantile of gradient.global_norm is 41 over 300 samples; baseline 0.8125 (median of"
        " 5), ratio 50.46; expected from 0.2 to 5 times the baseline"
    )
    assert verdict.headline == (
        "BLOCK drift: global gradient norm 50.46 times the baseline (expected from 0.2 to 5) at"
        " step 0"
    )
    assert (finding.status, finding.level) == ("fail", "block")
    assert finding.observed.value == 41
    assert finding.observed.baseline == 0.8125
    assert finding.observed.compared == 41 / 0.8125
    assert finding.compare == {"to": "baseline", "as": "ratio", "of": 5}


def test_what_to_change_is_what_changed(before, training):
    training.global_norm[:] = 41
    finding = before.finding(before.judge(training, before.each(1)))
    assert finding.prescription.startswith("Something is not as it was in the trainings that this")
    training.global_norm[:] = math.nan
    finding = before.finding(before.judge(training, before.each(1)))
    assert finding.prescription.startswith("This is a number that a NaN or an infinity went into")


def test_many_variables_take_no_time(before, make):
    paths = tuple(f"layer_{i}/kernel" for i in range(1000))
    policy = before.policy(before.layers)
    was = [make.Training(steps=20, paths=paths) for _ in range(3)]
    last = [before.verdict(day, training=t, policy=policy) for day, t in enumerate(was, start=1)]
    begin = time.process_time()
    before.judge(make.Training(steps=20, paths=paths), last, policy=policy)
    assert time.process_time() - begin < 5


@pytest.mark.parametrize(
    ("norm", "status"), [(0.2, "pass"), (0.1, "fail"), (5, "pass"), (6, "fail")]
)
def test_it_passes_within_its_limits(before, training, norm, status):
    training.global_norm[:] = norm
    finding = before.finding(before.judge(training, before.each(1, 1, 1)))
    # 0.2 is no float32: the nearest, as float64, is a little above it.
    assert finding.status == status


def test_one_odd_training_does_not_swing_the_baseline(before, training):
    training.global_norm[:] = 1
    odd = before.judge(training, before.each(1, 1, 1000, 1, 1))
    assert before.finding(odd).observed.baseline == 1


def test_only_so_many_count_as_the_policy_says(before, training):
    training.global_norm[:] = 1
    policy = before.policy(baseline={"last": 1})
    verdict = before.judge(training, before.each(100, 100, 1), policy=policy)
    assert before.finding(verdict).observed.baseline == 1
    assert len(verdict.inputs.baselines) == 1


def test_a_difference_is_what_was_seen_less_the_baseline(before, training):
    rule = {**before.ratio, "compare": {"to": "baseline", "as": "difference"}}
    rule["expect"] = {"op": "<=", "value": 3}
    training.global_norm[:] = 4.5
    verdict = before.judge(training, before.each(1, 1), policy=before.policy(rule))
    finding = before.finding(verdict)
    assert finding.observed.compared == 3.5
    assert finding.message.endswith(
        "; baseline 1 (median of 2), difference 3.5; expected to differ from the baseline by at"
        " most 3"
    )
    assert verdict.headline == (
        "BLOCK drift: global gradient norm 3.5 above the baseline (expected at most 3) at step 0"
    )
    assert before.finding(before.judge(training, before.each(2), policy=before.policy(rule))).status


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_number_that_is_none_fails_whatever_the_baseline(before, training, bad):
    training.global_norm[100] = bad
    finding = before.finding(before.judge(training, before.each(1, 1)))
    assert (finding.status, finding.level) == ("fail", "block")
    assert finding.first_offence.step == 100


def test_the_worst_layer_is_the_one_farthest_from_its_own_baseline(before, training):
    # The first kernel is ten times what it was, the head, though greater, three times.
    was = before.make.Training()
    was.norms[:] = [0.5, 0.5, 4]
    policy = before.policy(before.layers)
    training.norms[:] = [5, 0.5, 12]
    verdict = before.judge(training, [before.verdict(training=was, policy=policy)], policy=policy)
    finding = before.finding(verdict, "layers")
    worst = [(seen.variable, seen.baseline, seen.compared) for seen in finding.worst]
    assert worst == [("first/kernel", 0.5, 10), ("head/kernel", 4, 3), ("first/bias", 0.5, 1)]
    assert (finding.variables_failed, finding.first_offence.variable) == (2, "first/kernel")


def test_each_optimizer_is_compared_with_its_own(before, make):
    def gan(norm):
        generator, critic = make.Training(), make.Training()
        critic.global_norm[:] = norm
        generator.replace(
            optimizer_name="generator",
            optimizers=(
                OptimizerRecord(
                    name="critic", path="optimizers/critic", sha256="sha256:" + "0" * 64
                ),
            ),
        )
        critic.replace(optimizer_name="critic", activations=())
        return generator, critic

    def judged(norm, uid, last=()):
        generator, critic = gan(norm)
        generator.replace(training_uid=uid)
        from gradgate.gate import Baselines

        return judge(
            before.policy(),
            generator.evidence(optimizers=[("critic", critic)]),
            model=None,
            training_only=True,
            as_of=make.as_of,
            baselines=Baselines(last=tuple(last)),
        )

    first = judged(1, "first")
    assert [reference.optimizer for reference in first.references] == ["generator", "critic"]
    finding = before.finding(judged(8, "second", [first]))
    assert finding.message.startswith("critic: 0.5 quantile of gradient.global_norm is 8")
    assert (finding.observed.optimizer, finding.observed.compared) == ("critic", 8)
    alone = before.judge(make.Training(), [first])
    assert "has no optimizer of this name" in before.finding(alone).message


# --- What proves nothing --------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("norm", "reason"),
    [
        (0.0, "the baseline is 0, nearer to 0 than the floor 1e-12, so there is no ratio to it;"),
        (1e-13, "the baseline is 1e-13, nearer to 0 than the floor 1e-12"),
    ],
)
def test_there_is_no_ratio_to_next_to_nothing(before, training, norm, reason):
    finding = before.finding(before.judge(training, before.each(norm)))
    assert (finding.status, finding.level) == ("unknown", "block")
    assert finding.message.startswith(f"not measured: {reason}")


def test_the_floor_is_the_policys(before, training):
    rule = {**before.ratio, "compare": {**before.ratio["compare"], "floor": 0.9}}
    policy = before.policy(rule)
    assert (
        before.finding(before.judge(training, before.each(0.5), policy=policy)).status == "unknown"
    )
    assert (
        before.finding(before.judge(training, before.each(0.9375), policy=policy)).status == "pass"
    )


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_one_baseline_that_is_no_number_leaves_the_rule_unknown(before, training, bad):
    # A warning alone let it through, so it is healthy, and its number is none.
    policy = before.policy({**before.ratio, "severity": "warn"})
    spoilt = before.make.Training()
    spoilt.global_norm[7] = bad
    odd = before.verdict(9, training=spoilt, policy=policy)
    assert odd.healthy
    finding = before.finding(before.judge(training, [odd, *before.each(1, 1)]))
    assert (finding.status, finding.level) == ("unknown", "block")
    assert f"in verdict {odd.verdict_id}, and no number compares with that" in finding.message


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            lambda t, make: t.replace(optimizer="Adam"),
            "the optimizer changed: SGD was, Adam is",
        ),
        (
            lambda t, make: t.replace(schema_version="2.0"),
            "the records are of versions 1.1 and 2.0",
        ),
        (
            lambda t, make: t.replace(
                variables=tuple(
                    v.model_copy(update={"path": f"new_{i}" if i else v.path})
                    for i, v in enumerate(t.card.variables)
                )
            ),
            "architecture changed: 1 of 5 variables matched",
        ),
    ],
)
def test_what_is_not_alike_is_not_compared(before, make, training, change, reason):
    change(training, make)
    verdict = before.judge(training, before.each(1, 1))
    finding = before.finding(verdict)
    assert (finding.status, finding.level, verdict.bootstrap) == ("unknown", "block", False)
    assert finding.message == (
        f"not measured: not comparable (B-INCOMPARABLE) with any of 2 baselines: {reason}; to begin"
        " anew set baseline.since in the policy, by a commit that somebody reviews"
    )


def test_the_policy_says_how_alike_is_alike(before, training):
    training.replace(optimizer="Adam")
    mild = before.policy(baseline={"comparable_if": {"same_optimizer": False}})
    assert before.finding(before.judge(training, before.each(1), policy=mild)).status == "pass"


def test_those_that_are_alike_count_and_the_others_do_not(before, training):
    other = before.make.Training().replace(optimizer="Adam")
    other.global_norm[:] = 100
    last = (before.verdict(9, training=other), *before.each(1, 1))
    finding = before.finding(before.judge(training, last))
    assert (finding.status, finding.compare["of"]) == ("pass", 2)


def test_what_cannot_be_compared_can_be_waived(before, make, training):
    training.replace(optimizer="Adam")
    waivers = make.waivers({"rule": "drift"})
    verdict = before.judge(training, before.each(1), waivers=waivers)
    assert (verdict.decision, before.finding(verdict).status) == ("warn", "waived")
    assert verdict.healthy


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


# --- The verdict ----------------------------------------------------------------------------------
def test_it_names_what_it_was_compared_with(before, training):
    last = before.each(1, 1)
    verdict = before.judge(training, last)
    assert verdict.inputs.baselines[0] == BaselineRef(
        role="last",
        verdict_id=last[0].verdict_id,
        training_uid="earlier-2",
        as_of="2026-11-02T06:00:00Z",
    )
    again = Verdict.model_validate_json(render(verdict, "json"))
    assert again.computed_id() == verdict.verdict_id
    other = before.judge(training, before.each(1, 2))
    assert other.verdict_id != verdict.verdict_id


def test_it_keeps_what_was_measured_for_those_to_come_even_if_it_blocks(before, training):
    training.global_norm[:] = 100
    verdict = before.judge(training, before.each(1))
    (reference,) = verdict.references
    (measurement,) = reference.measurements
    assert verdict.decision == "block"
    assert (reference.kind, reference.variables) == (
        "SGD",
        ("first/kernel", "first/bias", "head/kernel"),
    )
    assert measurement.signal == "gradient.global_norm"
    assert measurement.aggregate == {"fn": "quantile", "q": 0.5}
    assert measurement.window == {}
    assert [(v.variable, v.value, v.samples) for v in measurement.values] == [(None, 100, 300)]


def test_a_rule_in_shadow_measures_and_decides_nothing(before, training):
    policy = before.policy(shadow_rules=["drift"], baseline={"on_absent": "block"})
    first = before.judge(training, policy=policy)
    assert (first.decision, first.bootstrap, first.would_decide) == ("ok", False, "block")
    assert first.references[0].measurements
    wrong = before.judge(training, [before.verdict(healthy=False)], policy=policy)
    assert wrong.decision == "ok"
    assert before.finding(wrong).status == "unknown"


@pytest.mark.parametrize("form", [form for form in FORMATS if form != "json"])
def test_every_report_shows_baseline_and_ratio(before, training, form):
    training.global_norm[:] = 41
    shown = render(before.judge(training, before.each(0.75, 0.8125, 0.875)), form)
    assert ("\u00d7 0.8125" if form == "markdown" else "baseline 0.8125") in shown
    assert "50.46" in shown


def test_the_table_shows_them_in_short(before, training):
    training.global_norm[:] = 41
    verdict = before.judge(training, before.each(0.75, 0.8125, 0.875))
    assert "41 (50.46 \u00d7 0.8125)</td>" in render(verdict, "html")
    assert "0.2 to 5 \u00d7 baseline</td>" in render(verdict, "html")
    short = verdict.inputs.baselines[0].verdict_id[:23]
    assert f'Baselines</dt><dd class="mono">{short}, ' in render(verdict, "html")
    assert "--baselines BASELINES --as-of" in explain(verdict)


@pytest.mark.parametrize("form", [form for form in FORMATS if form != "json"])
@pytest.mark.parametrize("on_absent", ["warn", "absolute_only"])
def test_every_report_says_that_there_was_no_baseline(before, training, form, on_absent):
    policy = before.policy(baseline={"on_absent": on_absent})
    shown = render(before.judge(training, policy=policy), form)
    assert form == "junit" or "Bootstrap: there was no baseline to compare with yet." in shown
    assert form == "text" or "none yet" in shown


def test_the_limit_is_drawn_where_the_samples_lie(before, training):
    from gradgate.gate.render.sparkline import draw

    rule = {**before.ratio, "expect": {"op": "<=", "value": 5}}
    training.global_norm[:] = 20
    verdict = before.judge(training, before.each(2), policy=before.policy(rule))
    drawing = draw(before.finding(verdict))
    # Samples are 20 and the limit is 5 * 2 = 10: at the lower edge, 22 above the bottom of 132.
    assert drawing.limit == 110.0


# --- The first offence ----------------------------------------------------------------------------
def test_it_is_the_step_from_which_on_the_ratio_never_held_again(before, training):
    # Of values 1, 1, ..., 1, 30, 30, ... from step 150 on, the maximum is 30 from there on.
    rule = {**before.ratio, "aggregate": {"fn": "max"}}
    policy = before.policy(rule)
    training.global_norm[:] = 1
    training.global_norm[150:] = 30
    was = before.make.Training()
    was.global_norm[:] = 2
    last = [before.verdict(training=was, policy=policy)]
    offence = before.finding(before.judge(training, last, policy=policy)).first_offence
    assert (offence.step, offence.value) == (150, 30)


def test_it_is_that_of_the_same_rule_with_the_limit_worked_out(before, make, training):
    rng = np.random.default_rng(3)
    training.norms[:] = rng.choice([0.25, 0.5, 1, 2], training.norms.shape)
    training.norms[200:] *= 2
    rule = {**before.layers, "aggregate": {"fn": "mean"}, "expect": {"op": "<=", "value": 1.5}}
    policy = before.policy(rule)
    was = make.Training()
    was.norms[:] = [0.5, 0.75, 1.5]
    last = [before.verdict(training=was, policy=policy)]
    found = before.finding(before.judge(training, last, policy=policy), "layers")
    places = []
    for path, reference in zip(
        ("first/kernel", "first/bias", "head/kernel"), (0.5, 0.75, 1.5), strict=True
    ):
        absolute = make.rule(
            "variable.norm", "mean", "<=", 1.5 * reference, id="asked", scope={"include": [path]}
        )
        (finding,) = make.verdict(training, absolute).findings
        if finding.first_offence:
            places.append((finding.first_offence.step, path))
    assert (found.first_offence.step, found.first_offence.variable) == min(
        places, key=lambda place: place[0]
    )
