"""How far steps move the weights, which way, and how the gradient changes with depth: by hand."""

import math

import numpy as np
import pytest

from gradgate.gate.check_policy import check_policy


def outcome(finding):
    return finding.status, finding.level


def sampled(make, training, signal, fn="max", op="<=", value=1, **fields):
    return make.finding(training, signal, fn, op, value, **{"min_samples": 1, **fields})


# --- Update-to-weight ratio ------------------------------------------------------------------
def test_a_variable_that_is_zero_has_no_ratio_and_that_is_no_fault(make, training):
    # A bias is 0 at the first sample: 5 of the 6 samples remain, of that variable alone.
    training.weight_norm[0, 1], training.update_ratio[0, 1] = 0, math.nan
    training.update_ratio[4, 1] = 0.5
    finding = sampled(make, training, "variable.update_ratio", "mean", "<", 0.01)
    assert outcome(finding) == ("fail", "block")
    assert finding.observed.variable == "first/bias"
    assert finding.observed.samples == 5
    # (4 x 0.001 + 0.5) / 5
    assert finding.observed.value == pytest.approx(0.1008)
    assert [(seen.variable, seen.samples) for seen in finding.worst[1:]] == [
        ("first/kernel", 6),
        ("head/kernel", 6),
    ]
    # After samples at 50, 100, 150 the mean holds; at 200 it is (3 x 0.001 + 0.5) / 4.
    assert (finding.first_offence.step, finding.first_offence.value) == (200, 0.5)
    excerpt = [sample.step for sample in finding.first_offence.excerpt]
    assert excerpt == [50, 100, 150, 200, 250]


def test_gaps_of_one_variable_leave_the_offence_of_another_where_it_is(make, training):
    training.weight_norm[:3, 1], training.update_ratio[:3, 1] = 0, math.nan
    training.update_ratio[0, 2] = 7
    finding = sampled(make, training, "variable.update_ratio")
    offence = finding.first_offence
    assert (offence.step, offence.variable, offence.value) == (0, "head/kernel", 7)
    assert finding.variables_failed == 1


def test_a_variable_that_never_had_a_ratio_is_unknown_and_named(make, training):
    training.weight_norm[:, 1], training.update_ratio[:, 1] = 0, math.nan
    finding = sampled(make, training, "variable.update_ratio")
    assert outcome(finding) == ("unknown", "block")
    assert "0 samples of variable.update_ratio for first/bias in steps 0 to" in finding.message
    kernels = sampled(make, training, "variable.update_ratio", scope={"min_rank": 2})
    assert outcome(kernels) == ("pass", "ok")


@pytest.mark.parametrize("weights", [1.0, math.nan])
def test_an_update_that_is_not_finite_fails_and_is_not_left_out(make, training, weights):
    training.weight_norm[3, 0], training.update_ratio[3, 0] = weights, math.nan
    finding = sampled(make, training, "variable.update_ratio")
    assert outcome(finding) == ("fail", "block")
    assert finding.first_offence.step == 150


def test_how_large_a_weight_is(make, training):
    training.weight_norm[-1, 2] = 300
    finding = sampled(make, training, "variable.weight_norm", "last", "<", 100)
    assert outcome(finding) == ("fail", "block")
    assert finding.observed.value == 300


# --- Direction -------------------------------------------------------------------------------
def test_a_cosine_that_was_not_measured_is_left_out(make, training):
    # Of six: two not measured, three of the other four below 0.
    training.global_cosine[:] = [math.nan, 0.5, -0.1, -0.5, -0.9, math.nan]
    flips = sampled(make, training, "gradient.direction_flip", "mean", "<=", 0.6)
    assert (flips.observed.value, flips.observed.samples) == (0.75, 4)
    assert flips.message == "direction flipped on 75% of 4 steps; expected at most 60%"
    least = sampled(make, training, "gradient.cosine", "min", ">", -0.8)
    assert (least.status, least.first_offence.step) == ("fail", 200)


def test_no_cosine_at_all_is_unknown(make, training):
    training.global_cosine[:] = math.nan
    finding = sampled(make, training, "gradient.direction_flip", "mean", "<=", 1)
    assert outcome(finding) == ("unknown", "block")
    assert "it takes two finite steps in a row" in finding.message


# --- Depth -----------------------------------------------------------------------------------
def ratio(make, training, op=">=", value=1e-3, fn="min"):
    return sampled(make, training, "gradient.first_last_ratio", fn, op, value)


def test_the_first_kernel_over_the_last(make, training):
    training.norms[:, 0], training.norms[:, 1], training.norms[:, 2] = 0.001, 9, 4
    finding = ratio(make, training)
    assert outcome(finding) == ("fail", "block")
    assert finding.observed.value == pytest.approx(0.001 / 4)


def test_the_order_is_that_of_the_forward_pass_where_it_is_known(make, training):
    training.norms[:, 0], training.norms[:, 2] = 0.001, 4
    depths = (5, 5, 2)
    variables = [
        variable.model_copy(update={"depth": depth})
        for variable, depth in zip(training.card.variables, depths, strict=True)
    ]
    training.replace(variables=tuple(variables))
    assert ratio(make, training).observed.value == pytest.approx(4 / 0.001)
    variables[0] = variables[0].model_copy(update={"depth": None})
    training.replace(variables=tuple(variables))
    assert ratio(make, training).observed.value == pytest.approx(0.001 / 4)


@pytest.mark.parametrize(("first", "last"), [(0, 0), (1, 0), (math.nan, 1), (math.inf, 1)])
def test_a_ratio_that_is_no_number_fails_whichever_way_the_rule_points(make, training, first, last):
    training.norms[:, 0], training.norms[:, 2] = first, last
    for op, value in ((">=", 0), ("<=", 1e30)):
        assert ratio(make, training, op, value).status == "fail"


def test_one_kernel_has_no_ratio(make, training):
    finding = ratio(make, training.without_gradient(2))
    assert outcome(finding) == ("unknown", "block")
    assert "it takes two kernels with a gradient, and there are 1" in finding.message


# --- The data-loss gradient ------------------------------------------------------------------
MAGNITUDES = {
    "variable.mean_abs": "data_mean_abs",
    "variable.max_abs": "data_max_abs",
    "variable.zero_fraction": "data_zero_fraction",
}


@pytest.mark.parametrize("name", MAGNITUDES)
def test_a_penalty_does_not_hide_what_the_data_say(make, training, name):
    training.with_data_loss()
    getattr(training, MAGNITUDES[name])[:, 0] = 1e-9
    finding = sampled(make, training, name, "min", ">=", 1e-9, scope={"include": ["first/kernel"]})
    assert finding.observed.value == pytest.approx(1e-9)
    assert finding.message.endswith(
        "; of the data-loss gradient, that of the weight regularisers taken out"
    )


def test_the_ratio_too_is_of_the_data_loss(make, training):
    training.with_data_loss()
    training.data_norm[:, 0] = 1e-6
    finding = ratio(make, training)
    assert finding.observed.value == pytest.approx(1e-6 / 0.5)
    assert "of the data-loss gradient" in finding.message


def test_without_regularisers_nothing_is_said_of_them(make, training):
    message = sampled(make, training, "variable.mean_abs").message
    assert message.endswith("expected at most 1")


def test_regularisers_that_were_not_taken_out_are_said_to_be_in_it(make, training):
    training.with_data_loss().replace(data_loss_gradient=False)
    for name in ("data_mean_abs", "data_max_abs", "data_zero_fraction", "data_norm"):
        setattr(training, name, None)
    finding = sampled(make, training, "variable.mean_abs")
    assert outcome(finding) == ("pass", "ok")
    assert finding.message.endswith(
        "; of the total gradient, which may hide a data-loss gradient that vanishes: that of the"
        " weight regularisers was not taken out"
    )


def test_a_data_loss_gradient_that_is_claimed_and_not_there_blocks(make, training):
    training.with_data_loss().data_mean_abs = None
    finding = sampled(make, training, "variable.mean_abs")
    assert outcome(finding) == ("error", "block")
    assert "no statistics of the data-loss gradient, and its model card says" in finding.message


# --- Activations -----------------------------------------------------------------------------
def test_layers_that_have_no_such_thing_are_left_out(make, training):
    training.dead_fraction[:2] = math.nan  # before there were 8 looks
    training.dead_fraction[3:, 0] = 0.6
    finding = sampled(
        make, training, "activation.dead_fraction", "persistence", "<", 0.5,
        aggregate={"op": ">", "value": 0.5, "tail": 2},
    )  # fmt: skip
    assert outcome(finding) == ("fail", "block")
    assert (finding.observed.value, finding.observed.samples) == (0.75, 4)
    assert (finding.first_offence.variable, finding.first_offence.step) == ("first", 150)
    assert finding.variables_judged == 1


def test_of_several_layers_each_must_pass(make, training):
    training.saturated_fraction[:] = [0.2, 0.9]
    finding = sampled(make, training, "activation.saturated_fraction", "max", "<=", 0.5)
    assert finding.first_offence.variable == "middle"
    assert "in middle (1 of 2 layers failed)" in finding.message
    first = {"scope": {"include": ["first"]}}
    finding = sampled(make, training, "activation.saturated_fraction", "max", "<=", 0.5, **first)
    assert outcome(finding) == ("pass", "ok")


def test_no_look_at_any_layer_is_unknown(make, training):
    training.dead_fraction[:] = math.nan
    finding = sampled(make, training, "activation.dead_fraction")
    assert outcome(finding) == ("unknown", "block")
    assert "it takes 8 looks at a ReLU" in finding.message
    finding = sampled(make, training, "activation.dead_fraction", scope={"include": ["x"]})
    assert "none of 2 layers is in scope (include x; exclude none; min_rank 0)" in finding.message
    training.replace(activations=())
    finding = sampled(make, training, "activation.dead_fraction")
    assert outcome(finding) == ("unknown", "block")
    assert "no activations were looked at; that takes a guard with statistics" in finding.message


def test_activations_of_other_layers_than_those_of_the_card_break_the_rule(make, training):
    training.replace(activations=training.card.activations[:1])
    finding = sampled(make, training, "activation.dead_fraction")
    assert outcome(finding) == ("error", "block")
    assert "has 1 layers in model.json, and activations of shape (6, 2)" in finding.message


def test_an_infinite_fraction_is_a_number_that_fails(make, training):
    training.dead_fraction[2, 0] = math.inf
    assert outcome(sampled(make, training, "activation.dead_fraction")) == ("fail", "block")


def test_layers_have_no_rank(make):
    rule = make.rule("activation.dead_fraction", "max", "<", 1, scope={"min_rank": 2})
    assert check_policy(make.policy(rule)) == [
        (
            ("rules", 0, "scope", "min_rank"),
            "activation.dead_fraction is of layers, which have no rank; remove it",
        )
    ]


# --- The loss scale --------------------------------------------------------------------------
def test_steps_left_out_by_the_loss_scale_are_a_share_of_those_tried(make, training):
    training.replace(loss_scale_skips=100)
    finding = make.finding(training, "loss_scale.skipped", "last", "<=", 0.2)
    assert outcome(finding) == ("fail", "block")
    assert finding.observed.value == 100 / 400
    training.loss_scale_skips = np.zeros(300, np.int64)
    training.replace(loss_scale_skips=0)
    assert outcome(make.finding(training, "loss_scale.skipped", "last", "<=", 0)) == ("pass", "ok")
