"""A rule that compares: its number against that of trainings before it, and what proves nothing."""

import math
import time

import numpy as np
import pytest

from gradgate.contracts import OptimizerRecord
from gradgate.gate import judge


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
    assert finding.prescription.startswith(
        "Something changed since the earlier trainings: See what"
    )
    training.global_norm[:] = math.nan
    finding = before.finding(before.judge(training, before.each(1)))
    assert finding.prescription.startswith("A square root, logarithm or division meets 0: Look in")


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
            "the records are of versions 1.2 and 2.0",
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
