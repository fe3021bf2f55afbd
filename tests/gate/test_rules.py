"""Outcomes of single rules on trainings small enough to judge by hand."""

import math

import numpy as np
import pytest

from gradgate.gate.check_policy import check_policy


def outcome(finding):
    return finding.status, finding.level


# --- The user's own rule: clip saturation ----------------------------------------------------
# 300 steps, burn-in is 10, so 290 count: 145 of them clipped is exactly 0.5.
@pytest.mark.parametrize(("clipped", "expected"), [(145, ("pass", "ok")), (146, ("fail", "block"))])
def test_clip_saturation_is_a_share_of_steps_after_burn_in(make, training, clipped, expected):
    training.clipped[:10] = True  # within burn-in: does not count
    training.clipped[300 - clipped :] = True
    finding = make.finding(
        training, "clip.saturation", "mean", "<=", 0.5, window={"skip_first": "burn-in"}
    )
    assert outcome(finding) == expected
    assert finding.observed.value == clipped / 290
    assert finding.observed.samples == 290


def test_saturation_names_the_step_since_which_it_never_held_again(make, training):
    # From step 100 on all clipped. After step n (n >= 100) the share is (n - 99) / (n + 1), above
    # one half first at n = 200: 101 / 201.
    training.clipped[100:] = True
    finding = make.finding(training, "clip.saturation", "mean", "<=", 0.5)
    assert finding.first_offence.step == 200
    assert [sample.step for sample in finding.first_offence.excerpt] == list(range(180, 221))
    assert finding.message == "clipped on 66.67% of 300 steps; expected at most 50%"


# --- Non-finite numbers ----------------------------------------------------------------------
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_one_non_finite_gradient_blocks_and_is_named(make, training, bad):
    training.norms[184, 2] = bad
    training.norms[190, 0] = bad
    finding = make.finding(training, "gradient.nonfinite_applied")
    assert outcome(finding) == ("fail", "block")
    assert (finding.first_offence.step, finding.first_offence.epoch) == (184, 1)
    assert finding.first_offence.variable == "head/kernel"
    assert finding.variables_failed == 2


def test_of_several_at_once_the_first_in_layer_order_is_named(make, training):
    training.norms[50] = math.nan
    finding = make.finding(training, "gradient.nonfinite_applied")
    assert finding.first_offence.variable == "first/kernel"


def test_a_skipped_bad_step_was_not_applied(make, training):
    training.norms[50] = math.nan
    training.applied[50] = False
    assert outcome(make.finding(training, "gradient.nonfinite_applied")) == ("pass", "ok")
    assert outcome(make.finding(training, "gradient.nonfinite_skipped", severity="warn")) == (
        "fail",
        "warn",
    )


def test_a_nan_fails_a_magnitude_rule_whichever_way_it_points(make, training):
    training.norms[100, 1] = math.nan
    for op, value in (("<", 1e30), (">", -1.0)):
        finding = make.finding(training, "variable.norm", "max", op, value)
        assert outcome(finding) == ("fail", "block")
        assert math.isnan(finding.observed.value)
        assert finding.first_offence.step == 100


def test_a_loss_that_nobody_showed_neither_passes_nor_fails(make, training):
    training.loss[:] = math.nan
    training.replace(loss_measured=False)
    finding = make.finding(training, "loss.nonfinite")
    assert outcome(finding) == ("unknown", "block")
    assert finding.message.startswith("not measured: the training loop never showed its loss")


# --- Too large -------------------------------------------------------------------------------
def test_one_large_gradient_is_noise_and_two_running_are_an_explosion(make, training):
    asked = {"signal": "variable.norm", "fn": "sustained_max", "op": "<", "value": 1e3}
    training.norms[[40, 42], 0] = 5e3
    assert outcome(make.finding(training, **asked, aggregate={"steps": 2})) == ("pass", "ok")
    training.norms[43, 0] = 2e3
    finding = make.finding(training, **asked, aggregate={"steps": 2})
    assert outcome(finding) == ("fail", "block")
    assert finding.observed.value == 2e3  # reached in both 42 and 43
    assert finding.first_offence.step == 43


# --- Too small -------------------------------------------------------------------------------
def vanishing(make, training, tail=3, **fields):
    return make.finding(
        training,
        "variable.mean_abs",
        "persistence",
        "<",
        0.5,
        aggregate={"op": "<", "value": 1e-7, "tail": tail},
        min_samples=3,
        **fields,
    )


def test_vanishing_on_half_of_the_samples_fails(make, training):
    # Samples at 0, 50, ..., 250: the last three of six are one half, and all of the tail.
    training.mean_abs[3:, 0] = 1e-9
    finding = vanishing(make, training)
    assert outcome(finding) == ("fail", "block")
    assert finding.observed.value == 0.5
    assert finding.first_offence.step == 250
    assert finding.first_offence.variable == "first/kernel"


def test_recovery_forgives(make, training):
    training.mean_abs[:4, 0] = 1e-9  # two thirds of all, but one third of the last three
    assert vanishing(make, training).observed.value == pytest.approx(1 / 3)


def test_a_bias_is_out_of_scope_by_its_rank(make, training):
    training.mean_abs[:, 1] = 0.0
    assert outcome(vanishing(make, training)) == ("fail", "block")
    finding = vanishing(make, training, scope={"min_rank": 2})
    assert outcome(finding) == ("pass", "ok")
    assert finding.variables_judged == 2


def test_dead_kernel_by_exclusion_of_another(make, training):
    training.zero_fraction[:, 2] = 1.0
    asked = {
        "signal": "variable.zero_fraction",
        "fn": "persistence",
        "op": "<",
        "value": 0.5,
        "aggregate": {"op": ">=", "value": 1, "tail": 5},
        "min_samples": 3,
    }
    assert make.finding(training, **asked).first_offence.variable == "head/kernel"
    assert outcome(make.finding(training, **asked, scope={"exclude": ["head/**"]})) == (
        "pass",
        "ok",
    )


# --- Unused ----------------------------------------------------------------------------------
def test_an_unused_variable_is_named_and_not_judged_by_its_gradient(make, training):
    training.without_gradient(2)
    training.norms[:, 2] = 0
    unused = make.finding(training, "variable.unused", severity="warn")
    assert outcome(unused) == ("fail", "warn")
    assert unused.first_offence.variable == "head/kernel"
    assert unused.first_offence.step is None
    norm = make.finding(training, "variable.norm", "min", ">", 0)
    assert outcome(norm) == ("pass", "ok")
    assert norm.variables_judged == 2


# --- Does it learn? --------------------------------------------------------------------------
def test_improvement_by_hand(make, training):
    # 300 losses: medians of the first and last 30. Constant 1.0, then 0.99: fell by 1 %.
    training.loss[:] = 1.0
    training.loss[270:] = 0.99
    finding = make.finding(training, "loss", "improvement", ">=", 0.01)
    assert finding.observed.value == pytest.approx(0.01, rel=1e-5)
    training.loss[270:] = 0.98
    assert outcome(make.finding(training, "loss", "improvement", ">=", 0.01)) == ("pass", "ok")
    training.loss[270:] = 1.5
    finding = make.finding(training, "loss", "improvement", ">=", 0.01)
    assert outcome(finding) == ("fail", "block")
    assert finding.observed.value == pytest.approx(-0.5)


def test_no_better_than_a_constant(make, training):
    training.loss[:] = 0.69
    finding = make.finding(training, "loss.vs_constant", "tail_median", "<=", 0.97)
    assert outcome(finding) == ("fail", "block")
    assert finding.observed.value == pytest.approx(0.69 / 0.7, rel=1e-6)


# --- Not measured ----------------------------------------------------------------------------
def test_too_few_samples_are_unknown(make, training):
    finding = make.finding(
        training, "clip.saturation", "mean", "<=", 0.5, window={"last": 19}, severity="warn"
    )
    assert outcome(finding) == ("unknown", "warn")
    assert "19 samples of clip.saturation in steps 281 to before 300, and at least 20" in (
        finding.message
    )


@pytest.mark.parametrize(
    ("every", "remedy"),
    [
        (50, "set statistics_every of gradgate.instrument or gradgate.GuardSettings below 50, or"),
        (0, "set statistics_every of gradgate.instrument or gradgate.GuardSettings to 1 or more"),
        (1, "train for more steps, every one is sampled already"),
    ],
)
def test_too_few_sampled_steps_name_the_setting(make, every, remedy):
    training = make.Training(every=50)
    training.replace(statistics_every=every)
    finding = make.finding(training, "variable.mean_abs", "max", "<", 9, window={"last": 50})
    assert finding.message.startswith(
        "not measured: 1 sample of variable.mean_abs in steps 250 to before 300, and at least 20"
        f" are needed; {remedy}"
    )


def test_one_sample_is_said_in_the_singular(make, training):
    window = {"window": {"last": 1}, "min_samples": 1}
    for name, fn, said in (
        ("loss", "last", "over 1 sample;"),
        ("step.skipped", "sum", "on 0 of 1 step;"),
        ("step.skipped", "mean", "on 0% of 1 step;"),
    ):
        assert said in make.finding(training, name, fn, "<=", 1, **window).message
    often = {"aggregate": {"op": "<", "value": 1}, **window}
    finding = make.finding(training, "loss", "persistence", "<=", 1, **often)
    assert "on 100% of 1 sample;" in finding.message


def test_an_unknown_constant_loss_says_how_to_give_it(make, training):
    training.replace(constant_loss=None)
    finding = make.finding(training, "loss.vs_constant", "last", "<", 1)
    assert "give it as gradgate.instrument(..., constant_loss=...)" in finding.message


def test_missing_may_weigh_more_than_failing(make, training):
    finding = make.finding(
        training, "loss", "last", "<", 9, window={"last": 1}, severity="warn", on_missing="block"
    )
    assert outcome(finding) == ("unknown", "block")


def test_a_scope_that_matches_nothing_is_unknown(make, training):
    finding = make.finding(training, "variable.norm", "max", "<", 9, scope={"include": ["x/*"]})
    assert outcome(finding) == ("unknown", "block")
    assert "none of 3 variables is in scope (include x/*; exclude none; min_rank 0)" in (
        finding.message
    )


def test_every_variable_must_pass(make, training):
    training.norms[:, 1] = 7
    finding = make.finding(training, "variable.norm", "max", "<", 5)
    assert outcome(finding) == ("fail", "block")
    assert [(w.variable, w.value) for w in finding.worst] == [
        ("first/bias", 7),
        ("first/kernel", 0.5),
        ("head/kernel", 0.5),
    ]
    assert (finding.variables_failed, finding.variables_judged) == (1, 3)


# --- Milder while it learns ------------------------------------------------------------------
def exploding(make, training):
    training.norms[200:210, 0] = 1e4
    return make.finding(training, "variable.norm", "max", "<", 1e3, when_improving="warn")


def test_a_symptom_is_a_warning_while_the_loss_improves(make, training):
    finding = exploding(make, training)
    assert outcome(finding) == ("fail", "warn")
    assert finding.message.endswith("a warning only, since the loss still improves")


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.loss.fill(0.5),  # does not fall
        lambda t: t.loss.__imul__(10),  # falls, and ends above a constant predictor
        lambda t: t.loss.__setitem__(5, math.nan),  # cannot be said
        lambda t: t.replace(constant_loss=None),
        lambda t: t.replace(loss_measured=False),
        lambda t: t.keep(np.arange(19)).replace(observed_steps=19, planned_steps=19),
    ],
    ids=["flat", "above chance", "nan", "no constant", "no loss", "too short"],
)
def test_it_is_no_warning_unless_improvement_is_proven(make, training, change):
    training.norms[:, 0] = 1e4
    change(training)
    finding = make.finding(
        training, "variable.norm", "max", "<", 1e3, when_improving="warn", min_samples=1
    )
    assert outcome(finding) == ("fail", "block")


def test_what_is_not_finite_is_never_a_warning(make, training):
    training.norms[200, 0] = math.inf
    finding = make.finding(training, "variable.norm", "max", "<", 1e3, when_improving="warn")
    assert outcome(finding) == ("fail", "block")


@pytest.mark.parametrize("signal", ["gradient.nonfinite_applied", "loss.nonfinite_applied"])
def test_a_non_finite_number_is_never_made_milder(make, training, signal):
    # Not by the judge, however well the loss falls; and the loader refuses to be asked for it.
    training.norms[40:, 0] = np.nan
    training.loss[40] = np.nan
    finding = make.finding(training, signal, when_improving="warn", min_samples=1)
    assert finding.level == "block"
    problems = check_policy(make.policy(make.rule(signal, when_improving="warn")))
    assert problems == [
        (
            ("rules", 0, "when_improving"),
            f"{signal} is never harmless, however well the loss falls; remove it",
        )
    ]


# --- Milder for some optimizers --------------------------------------------------------------
def starved(make, training, optimizer, scale=0.008, **fields):
    """What of a clip that leaves so much of every gradient, as the docs would have it judged."""
    training.replace(optimizer=optimizer)
    training.clipped[:], training.clip_scale[:] = True, scale
    rule = {"warn_for": ["Adam", "AdamW"], **fields}
    return make.finding(training, "clip.scale", "mean", ">=", 0.1, **rule)


def test_a_clip_that_starves_sgd_warns_of_adam(make, training):
    finding = starved(make, training, "Adam")
    assert outcome(finding) == ("fail", "warn")
    assert finding.message.endswith("expected at least 0.1; a warning only, under Adam")
    assert outcome(starved(make, training, "SGD")) == ("fail", "block")


@pytest.mark.parametrize("optimizer", ["", "adam", "Adam2", "MyAdam"])
def test_an_optimizer_that_is_not_named_is_judged_by_the_severity(make, training, optimizer):
    assert outcome(starved(make, training, optimizer)) == ("fail", "block")


def test_a_clip_scale_that_is_none_blocks_under_every_optimizer(make, training):
    assert outcome(starved(make, training, "Adam", scale=math.nan)) == ("fail", "block")


def test_what_was_not_measured_is_milder_for_nobody(make, training):
    assert outcome(starved(make, training, "Adam", min_samples=301)) == ("unknown", "block")


@pytest.mark.parametrize("signal", ["gradient.nonfinite_applied", "weights.nonfinite"])
def test_broken_numbers_are_harmless_to_no_optimizer(make, training, signal):
    training.norms[40:, 0] = np.nan
    first = training.summary.variables[0].model_copy(update={"final_weight_nonfinite": 3})
    variables = (first, *training.summary.variables[1:])
    training.summary = training.summary.model_copy(update={"variables": variables})
    finding = make.finding(training, signal, warn_for=["SGD"], min_samples=1)
    assert outcome(finding) == ("fail", "block")
    problems = check_policy(make.policy(make.rule(signal, warn_for=["SGD"])))
    text = f"{signal} is harmless to no optimizer; remove it"
    assert problems == [(("rules", 0, "warn_for"), text)]
