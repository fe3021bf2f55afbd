"""What of a training's steps becomes points in MLflow: few enough, never smoothed, never twice."""

import dataclasses
import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradgate.contracts import EpochSummary, Tracking
from gradgate.telemetry.sinks.buckets import Buckets, live_buckets
from gradgate.telemetry.sinks.extremes import Extremes
from gradgate.telemetry.sinks.mlflow_budget import share_out
from gradgate.telemetry.sinks.mlflow_epochs import epoch_points
from gradgate.telemetry.sinks.mlflow_series import all_points, final_series, live_series

EVERY = Tracking(layers=100, most_series=1000, total_points=250_000)


def final(card, batches, steps, tracking=EVERY, planned=None):
    return all_points(final_series(card, tracking, planned, steps), batches)


def walk(buckets, values, cuts=()):
    """The points of one series, given in pieces."""
    extremes, points = Extremes(["x"], buckets), []
    for piece in np.split(np.arange(len(values)), sorted(cuts)):
        if len(piece):
            points += extremes.add(piece, piece * 0.5, values[piece, None])
            points += extremes.pass_over(int(piece[-1]) + 1)
    return points, extremes.close()


@st.composite
def trainings(draw):
    """Values of a series, how it came in pieces, and what was planned."""
    steps = draw(st.integers(1, 3000))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    values = rng.integers(0, 50, steps).astype(np.float64)  # with ties
    values[rng.random(steps) < draw(st.sampled_from([0, 0.3, 1]))] = np.nan
    cuts = draw(st.lists(st.integers(0, steps), max_size=5))
    planned = draw(st.sampled_from([None, steps, steps // 3 + 1, steps * 4]))
    return values, cuts, planned


@given(trainings(), st.sampled_from([64, 100, 500]))
def test_what_was_sent_live_is_part_of_the_final_series_and_both_are_few(training, most):
    values, cuts, planned = training
    live = live_buckets(most, planned)
    sent, _ = walk(live, values, cuts)
    told, rest = walk(live.filled_in(len(values), most), values)
    points = told + rest
    assert set(sent) <= set(points)
    assert len(set(points)) == len(points) <= most
    assert len(set(sent)) == len(sent)
    finite = np.flatnonzero(np.isfinite(values))
    if len(finite):
        found = {point.step: point.value for point in points}
        assert max(found.values()) == values[finite].max()
        assert min(found.values()) == values[finite].min()
        assert found[finite[-1]] == values[finite[-1]]
        if len(values) <= most:
            assert sorted(found) == finite.tolist()
    else:
        assert points == []


@given(trainings())
def test_points_do_not_depend_on_how_the_steps_came(training):
    values, cuts, planned = training
    buckets = live_buckets(100, planned)
    assert walk(buckets, values, cuts) == walk(buckets, values)


@pytest.mark.parametrize("planned", [None, 1_000, 2_000_000, 100_000_000])
@pytest.mark.parametrize("steps", [1_000, 2_000_000, 100_000_000])
def test_no_length_of_a_training_breaks_the_budget(planned, steps):
    buckets = live_buckets(500, planned).filled_in(steps, 500)
    assert 60 <= buckets.points(steps) <= 500 or planned == 1_000 < steps
    assert buckets.points(steps) <= 700  # planned 1,000 and took 100,000,000


def test_buckets_get_wider_where_nobody_knows_how_long_it_takes():
    numbers = live_buckets(64, None).of(np.arange(40))
    widths = list(Counter(numbers.tolist()).values())
    assert widths == [1] * 16 + [2, 4, 8, 10]  # the last one is not full


def test_a_bucket_is_told_when_it_is_over():
    extremes = Extremes(["x"], Buckets([(0, 2)]))
    assert extremes.add(np.arange(3), np.arange(3.0), np.array([[5.0], [1.0], [7.0]])) == []
    assert extremes.pass_over(3) == []
    (low, high) = extremes.pass_over(4)
    assert (low.step, low.value, high.step, high.value) == (1, 1.0, 2, 7.0)
    assert extremes.close() == []


def test_a_long_series_keeps_its_spike(card, batch):
    steps = batch(0, 10_000)
    steps.global_norm[:] = 1.0
    steps.global_norm[7321] = 99.0
    points = final(card, [steps], 10_000, Tracking(series_points=100))
    norm = [point for point in points if point.key == "grad/global_norm"]
    assert len(norm) <= 100
    assert (7321, 99.0) in [(point.step, point.value) for point in norm]
    assert points == sorted(points)


def test_series_over_many_batches_equal_those_of_one(card, batch):
    steps = [batch(first, 10) for first in range(0, 300, 10)]
    whole = batch(0, 300)
    for name in ("loss", "global_norm", "clipped_norm", "clip_scale", "clipped", "applied"):
        getattr(whole, name)[:] = np.concatenate([getattr(one, name) for one in steps])
    whole.norms[:] = np.concatenate([one.norms for one in steps])
    keys = ("grad/", "train/", "grad_l2")
    tracking = Tracking(series_points=64, layers=2)
    found, wanted = (
        [point for point in final(card, b, 300, tracking) if point.key.startswith(keys)]
        for b in (steps, [whole])
    )
    assert found == wanted


def test_non_finite_values_are_left_out_and_counted(card, batch):
    steps = batch(0, 20)
    steps.loss[[3, 7]] = np.nan, np.inf
    steps.norms[5, 1] = np.nan
    points = final(card, [steps], 20)
    assert all(np.isfinite(point.value) for point in points)
    last = {point.key: point.value for point in points}
    assert last["train/nonfinite_loss_steps_total"] == 2
    assert last["grad/nonfinite_steps_total"] == 1
    assert Counter(point.key for point in points)["train/loss"] == 18


def test_what_more_was_measured_has_series_and_what_was_not_has_none(full_card, full_batch):
    card = full_card.model_copy(update={"loss_scaled": True, "data_loss_gradient": True})
    steps = full_batch(0, 13)  # sampled at 0, 4, 8, 12; activations at 0, 6, 12
    found = {}
    for point in final(card, [steps], 13):
        found.setdefault(point.key, []).append((point.step, point.value))
    assert found["grad/loss_scale"] == [(step, 2.0**15) for step in range(13)]
    assert found["grad/loss_scale_skips_total"][-1] == (12, steps.loss_scale_skips.sum())
    assert [step for step, _ in found["grad/cosine"]] == [4, 8, 12]
    assert found["grad_cosine/00_dense.kernel"][0] == (4, steps.statistics.cosine[1, 0])
    ratio = steps.statistics.update_ratio[0, 0]
    assert found["update_ratio_log10/00_dense.kernel"][0] == (0, pytest.approx(np.log10(ratio)))
    assert len(found["grad_data_mean_abs_log10/02_head.kernel"]) == 4
    assert [step for step, _ in found["layer_saturated_fraction/01_head"]] == [0, 6, 12]
    for absent in ("update_ratio_log10/01_dense.bias", "layer_dead_fraction/01_head"):
        assert absent not in found


def test_the_variables_with_series_are_spread_and_have_gradients(card):
    many = card.model_copy(update={"variables": card.variables[:1] * 101})
    assert share_out(many, Tracking(layers=3)).variables == (0, 50, 100)
    unused = card.variables[0].model_copy(update={"has_gradient": False})
    few = card.model_copy(update={"variables": (unused, *card.variables[1:])})
    assert share_out(few, Tracking()).variables == (1, 2)


def wide(full_card, variables):
    """A model of many variables, all with activations to look at."""
    return full_card.model_copy(
        update={
            "variables": tuple(
                full_card.variables[0].model_copy(update={"path": f"m/dense_{i}/kernel"})
                for i in range(variables)
            ),
            "activations": full_card.activations[:1] * variables,
            "data_loss_gradient": True,
        }
    )


@pytest.mark.parametrize("variables", [1, 14, 100, 2_000])
@pytest.mark.parametrize("total", [2_500, 50_000, 250_000])
def test_no_model_is_too_wide_for_the_budget(full_card, variables, total):
    card = wide(full_card, variables)
    for points, series in itertools.product([64, 500, 5_000], [20, 150, 1_000]):
        tracking = Tracking(
            series_points=points, total_points=total, most_series=series, layers=variables
        )
        budget = share_out(card, tracking)
        count = len(budget.variables) * (1 + len(budget.sections)) + 2 * len(budget.layers)
        assert len(budget.run_keys) + count <= series
        assert len(budget.run_keys) * budget.run_points + count * budget.points <= total
        assert 64 <= budget.run_points <= points
        assert 64 <= budget.points <= points or not count


def test_few_points_a_series_come_before_few_variables(full_card):
    budget = share_out(wide(full_card, 100), Tracking(layers=100, most_series=1000))
    # 13 series of the run take 6,500 points, 43,500 are left: 64 each for 679 series.
    assert (len(budget.variables), budget.points) == (75, 64)
    assert str(budget) == (
        "688 series, of 75 variables and 75 layers; at most 500 points a series of the run, 64 of a"
        " variable"
    )


def test_a_run_of_many_layers_and_steps_is_within_the_budget(full_card, full_batch):
    card, tracking = wide(full_card, 40), Tracking(total_points=5_000)
    batches = [
        dataclasses.replace(full_batch(first, 500, variables=40, layers=40), seconds=np.zeros(500))
        for first in range(0, 3_000, 500)
    ]
    points = final(card, batches, 3_000, tracking, planned=3_000)
    assert len(set(points)) == len(points) <= 5_000
    assert len({point.key for point in points}) <= 150
    live = live_series(card, tracking, 3_000)
    sent = [point for batch in batches for point in live.add(batch)]
    assert set(sent) <= set(points)
    assert len(sent) > len(points) / 2


def test_epochs_are_series_that_keep_extremes_and_count_what_is_not_finite():
    logs = [{"loss": 1.0 / (n + 1), "val_loss": 2.0, "top 5": 0.5} for n in range(2000)]
    logs[700]["val_loss"], logs[701]["val_loss"] = 1e6, float("nan")
    epochs = tuple(
        EpochSummary(epoch=n, last_step=10 * n + 9, logs=log) for n, log in enumerate(logs)
    )
    points = epoch_points(epochs, 500, 1234)
    assert points == sorted(points)
    found = {}
    for key, step, at_ms, value in points:
        assert at_ms == 1234
        found.setdefault(key, {})[step] = value
    assert set(found) == {"epoch/loss", "epoch/val_loss", "epoch/top_5", "epoch/nonfinite_total"}
    assert all(len(series) <= 500 for series in found.values())
    assert found["epoch/val_loss"][7009] == 1e6
    assert 7019 not in found["epoch/val_loss"]
    assert found["epoch/nonfinite_total"][19_999] == 1
    assert {9, 19_999} <= set(found["epoch/loss"])
    few = epoch_points(epochs[:3], 500, 0)
    assert [step for key, step, _, _ in few if key == "epoch/val_loss"] == [9, 19, 29]
    assert epoch_points((), 500, 0) == []
