"""Under a MirroredStrategy: aggregated first, then measured and clipped, and all replicas agree.

The trainings run in `replicas.py`, once for all tests. By hand, for its `line` with a row for each
replica, at w = 0, b = 0, where the loss of a row is (w.x + b - y)^2:

    replica 0: x = [2, 3], y = 6:  loss 36, dL/dw = -2 * 6 * x = [-24, -36], dL/db = -12
    replica 1: x = [1, -1], y = 2: loss 4,  dL/dw = -2 * 2 * x = [-4, 4],    dL/db = -4
    mean:                          loss 20, g = [-14, -16, -8], norm sqrt(196 + 256 + 64)
"""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from gradgate.gradients import CLIPS

HERE = Path(__file__).resolve().parent
OWN_NORMS = [12 * np.sqrt(14), 4 * np.sqrt(3)]  # of each replica, before the mean
NORM = np.sqrt(516)
CLIPPED = np.array([14, 16, 8]) / NORM  # the weights after one step of SGD, rate 1, limit 1


def _run(folder, replicas):
    """Runs the script, and returns its folder; minutes, where the machine does much else."""
    components = str(HERE.parents[1] / "components")
    path = os.pathsep.join([components, *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, HERE / "replicas.py", folder, str(replicas)],
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:]
    return folder


@pytest.fixture(scope="session")
def two_replicas(tmp_path_factory):
    return _run(tmp_path_factory.mktemp("two_replicas"), 2)


@pytest.fixture(scope="session")
def one_replica(tmp_path_factory):
    return _run(tmp_path_factory.mktemp("one_replica"), 1)


class Cases:
    """What a run of the script found."""

    def __init__(self, folder, read):
        self._folder, self._read = folder, read

    def __call__(self, name):
        place = self._folder / name
        assert not (place / "error.txt").exists(), (place / "error.txt").read_text()
        with np.load(place / "found.npz") as found:
            numbers = [found[key] for key in sorted(found) if key.isdigit()]
            rest = {key: found[key] for key in found if not key.isdigit()}
        record, steps = (None, None)
        if (place / "record").exists():
            record, steps = self._read(place / "record")
        return SimpleNamespace(numbers=numbers, record=record, steps=steps, **rest)

    def error(self, name):
        """Returns how a case failed."""
        return (self._folder / name / "error.txt").read_text()

    def refusal(self, name):
        """Returns what it said."""
        return self.error(name).splitlines()[-1].removeprefix("ValueError: instrument: ")


@pytest.fixture
def case(two_replicas, read):
    return Cases(two_replicas, read)


@pytest.fixture
def lone(one_replica, read):
    return Cases(one_replica, read)


def _flat(variables):
    return np.concatenate([variable.ravel() for variable in variables])


def _assert_same(one, other):
    assert len(one.numbers) == len(other.numbers)
    for a, b in zip(one.numbers, other.numbers, strict=True):
        np.testing.assert_array_equal(a, b)


def _assert_near(one, other):
    """Within 1e-6, relative to the norm of each variable."""
    for a, b in zip(one.numbers, other.numbers, strict=True):
        assert np.linalg.norm(a - b) <= 1e-6 * np.linalg.norm(b)


# Order


@pytest.mark.parametrize("name", ["order", "loop", "eager"])
def test_gradients_are_averaged_over_replicas_then_measured_then_clipped(case, name):
    found = case(name)
    np.testing.assert_allclose(found.steps.loss, [20.0], rtol=1e-6)
    np.testing.assert_allclose(found.steps.replica_loss, [[36.0, 4.0]], rtol=1e-6)
    np.testing.assert_allclose(found.steps.replica_norm, [OWN_NORMS], rtol=1e-6)
    np.testing.assert_allclose(found.steps.norms, [[np.sqrt(14**2 + 16**2), 8.0]], rtol=1e-6)
    np.testing.assert_allclose(found.steps.global_norm, [NORM], rtol=1e-6)
    np.testing.assert_allclose(found.steps.clipped_norm, [1.0], rtol=1e-6)
    np.testing.assert_allclose(found.steps.clip_scale, [1 / NORM], rtol=1e-6)
    np.testing.assert_allclose(_flat(found.numbers[:2]), CLIPPED, rtol=1e-6)


def test_the_card_names_the_strategy_and_the_replicas(case):
    card = case("order").record.card
    assert (card.strategy, card.replicas) == ("MirroredStrategy", 2)


def test_opposing_gradients_do_not_stall_the_training(case):
    # The loss is w x, so dL/dw is the mean of 6 and -2, 2, clipped to 1. Keras clips each
    # replica's share first: 3 to 1 and -1 to -1, and the sum of those moves nothing.
    np.testing.assert_allclose(_flat(case("opposing").numbers[:1]), [-1.0], rtol=1e-6)
    np.testing.assert_allclose(_flat(case("opposing, Keras").numbers[:1]), [0.0], atol=1e-6)


def test_the_constant_loss_is_that_of_the_labels_of_all_replicas(case):
    # Labels 6 and 2: their mean is 4, their variance 4.
    assert case("order").record.summary.constant_loss == pytest.approx(4.0)


def test_statistics_and_update_ratio_are_those_of_the_aggregated_gradient(case):
    # At w = [1, 1], b = 0: errors 5 - 6 = -1 and 0 - 2 = -2, losses 1 and 4,
    #   g_0 = -2 * [2, 3, 1], g_1 = -4 * [1, -1, 1], mean [-4, -1, -3].
    # SGD adds 0.1 of it to weights of norm sqrt(2); the bias is 0, so it has no ratio.
    found = case("measured")
    statistics = found.steps.statistics
    np.testing.assert_allclose(found.steps.loss, [2.5], rtol=1e-6)
    np.testing.assert_allclose(statistics.mean_abs, [[2.5, 3.0]], rtol=1e-6)
    np.testing.assert_allclose(statistics.max_abs, [[4.0, 3.0]], rtol=1e-6)
    np.testing.assert_allclose(statistics.weight_norm, [[np.sqrt(2), 0.0]], rtol=1e-6)
    np.testing.assert_allclose(
        statistics.update_ratio, [[0.1 * np.sqrt(17) / np.sqrt(2), np.nan]], rtol=1e-6
    )
    assert statistics.histogram.sum(axis=2).tolist() == [[2, 1]]
    np.testing.assert_allclose(_flat(found.numbers[:2]), [1.4, 1.1, 0.3], rtol=1e-6)


@pytest.mark.parametrize("name", ["moments", "moments, skip"])
def test_adams_second_moment_is_that_of_the_aggregated_gradient(case, name):
    # At the first step it is the square of what was aggregated, whatever the replicas had.
    np.testing.assert_allclose(case(name).steps.statistics.adam_rms, [[1.0, 1.0]], rtol=1e-4)


def test_a_replica_without_rows_counts_with_a_loss_of_0_as_in_keras(case):
    # Rows of x = 1 and y = 1, 2, 6 in batches of 2: the last one leaves replica 1 without any.
    #   dL/dw = dL/db = -2 y, averaged over two replicas: -3, then -6.
    steps = case("uneven").steps
    np.testing.assert_allclose(steps.replica_loss, [[1.0, 4.0], [36.0, 0.0]], rtol=1e-6)
    np.testing.assert_allclose(steps.loss, [2.5, 18.0], rtol=1e-6)
    np.testing.assert_allclose(steps.norms, [[3.0, 3.0], [6.0, 6.0]], rtol=1e-6)


def test_without_a_clip_the_weights_are_bit_by_bit_those_of_plain_fit(case):
    guarded, plain = case("guarded"), case("plain")
    _assert_same(guarded, plain)
    np.testing.assert_array_equal(guarded.losses, plain.losses)
    assert guarded.record.manifest.planned_steps == len(guarded.steps) == 8


def test_every_transform_there_is_runs_here(two_replicas):
    ran = {place.name[: -len(" on both")] for place in two_replicas.glob("* on both")}
    assert ran == {*CLIPS, "none", "chain", "words"}


@pytest.mark.parametrize("name", [*CLIPS, "none", "chain", "words"])
def test_two_replicas_give_the_weights_of_one(case, name):
    both, one = case(f"{name} on both"), case(f"{name} on one")
    _assert_near(both, one)
    np.testing.assert_allclose(both.steps.global_norm, one.steps.global_norm, rtol=1e-6)
    np.testing.assert_allclose(both.steps.clipped_norm, one.steps.clipped_norm, rtol=2e-6)
    np.testing.assert_array_equal(both.steps.clipped, one.steps.clipped)
    np.testing.assert_allclose(both.steps.loss, one.steps.loss, rtol=1e-6)


@pytest.mark.parametrize("name", [*CLIPS, "chain"])
def test_and_each_transform_did_something(case, name):
    with_it, without = case(f"{name} on both"), case("none on both")
    assert np.linalg.norm(with_it.numbers[0] - without.numbers[0]) > 1e-3


# Not finite: the NaN is in rows of replica 1 alone, of step 2.


def test_a_nan_of_one_replica_is_written_down_and_applied_as_keras_would(case):
    found = case("record")
    assert found.steps.applied.all()
    assert np.isfinite(found.steps.replica_loss[2]).tolist() == [True, False]
    assert np.isfinite(found.steps.replica_norm[2]).tolist() == [True, False]
    assert np.isnan(found.steps.loss[2])
    assert np.isnan(found.steps.norms[2]).all()
    assert found.steps.statistics.step.tolist()[:2] == [0, 2]
    assert found.steps.statistics.nonfinite[1].tolist() == [12, 3]  # all entries
    assert np.isnan(found.numbers[0]).all()
    assert int(found.iterations) == 8


def test_a_skipped_step_is_as_if_it_had_not_been(case):
    # Weights, momentum, moving average and iterations of AdamW, whose decay would move on too.
    found, without = case("skip"), case("skip, without")
    assert np.flatnonzero(~found.steps.applied).tolist() == [2]
    assert np.isfinite(found.steps.replica_loss[2]).tolist() == [True, False]
    assert np.isfinite(found.steps.replica_norm[2]).tolist() == [True, False]
    _assert_same(found, without)
    assert int(found.iterations) == 7


def test_nor_does_a_skipped_step_enter_the_memory_of_a_clip(case):
    found, without = case("skip and clip"), case("skip and clip, without")
    _assert_same(found, without)
    applied = found.steps.applied
    np.testing.assert_array_equal(found.steps.clipped_norm[applied], without.steps.clipped_norm)


def test_stop_ends_the_training_on_all_replicas(case):
    found, without = case("stop"), case("stop, without")
    assert found.steps.applied.tolist() == [True, True, False]
    assert len(found.losses) == 1
    assert found.record.manifest.status == "stopped"
    assert found.record.manifest.status_message == (
        "Stopped at step 2: the loss is nan; the gradient of model/three/kernel and of 1 more"
        " variables is not finite."
    )
    _assert_same(found, without)


def test_eagerly_too(case):
    found = case("eager skip")
    assert found.steps.applied.tolist() == [False]
    np.testing.assert_array_equal(found.steps.replica_loss, [[36.0, np.nan]])
    assert _flat(found.numbers[:2]).tolist() == [0.0, 0.0, 0.0]


# The loss scaled


def test_a_scaled_loss_changes_no_number_but_the_scale(case):
    steps = case("scaled").steps
    np.testing.assert_allclose(steps.loss, [20.0], rtol=1e-6)
    np.testing.assert_allclose(steps.replica_loss, [[36.0, 4.0]], rtol=1e-6)
    np.testing.assert_allclose(steps.global_norm, [NORM], rtol=1e-6)
    np.testing.assert_allclose(_flat(case("scaled").numbers[:2]), CLIPPED, rtol=1e-6)
    assert steps.loss_scale.tolist() == [1024.0]
    assert steps.loss_scale_skips.tolist() == [0]


def test_an_overflow_on_replica_1_alone_is_a_loss_scale_skip(case):
    # y = 2^21 on replica 1: its scaled share of dL/db is 2^21 times the scale, beyond 2^128 at
    # scales 2^109, 2^108 and 2^107; at 2^106 all is finite. Replica 0 never overflows.
    found = case("scaled overflow")
    assert len(found.steps) == 1
    assert found.steps.applied.tolist() == [True]
    assert found.steps.loss_scale.tolist() == [2.0**106]
    assert found.steps.loss_scale_skips.tolist() == [3]
    assert found.record.manifest.loss_scale_skips == 3
    assert int(found.iterations) == 1
    # Replica 0 hardly matters: g = 2^21 * [-1, 1, -1], clipped to norm 1.
    np.testing.assert_allclose(_flat(found.numbers[:2]), np.array([1, -1, 1]) / np.sqrt(3), 1e-4)


def test_where_keras_itself_applies_it(case):
    assert not np.isfinite(_flat(case("scaled overflow, Keras").numbers[:2])).any()


@pytest.mark.parametrize("policy", ["record", "skip", "stop"])
def test_a_true_nan_of_replica_1_under_loss_scaling_is_a_fault(case, policy):
    found = case(f"scaled {policy}")
    expected = [True, True, False] if policy == "stop" else [True] * 2 + [False] + [True] * 5
    assert found.steps.applied.tolist() == expected
    assert np.isfinite(found.steps.replica_loss[2]).tolist() == [True, False]
    assert np.isfinite(found.steps.replica_norm[2]).tolist() == [True, False]
    assert found.record.manifest.loss_scale_skips == 0
    assert np.isfinite(_flat(found.numbers[:2])).all()
    assert (found.record.manifest.status == "stopped") == (policy == "stop")


# A machine with one device


@pytest.mark.parametrize("name", ["skip", "several a call"])
def test_one_device_skips_too(lone, name):
    found = lone(name)
    assert np.flatnonzero(~found.steps.applied).tolist() == [2]
    assert found.steps.replica_loss is None
    _assert_same(found, lone("skip, without"))


def test_one_device_stops_too(lone):
    found = lone("stop")
    assert found.steps.applied.tolist() == [True, True, False]
    _assert_same(found, lone("stop, without"))


def test_one_device_records_too(lone):
    found = lone("record")
    assert found.steps.applied.all()
    assert np.isnan(found.numbers[0]).all()


def test_one_device_scales_its_loss_too(lone):
    found = lone("scaled skip")
    assert np.flatnonzero(~found.steps.applied).tolist() == [2]
    assert found.record.manifest.loss_scale_skips == 0
    assert found.steps.loss_scale.tolist() == [1024.0] * 3 + [512.0] * 5


# What Keras itself cannot run


def test_keras_cannot_accumulate_gradients_here(case, lone):
    for cases in (case, lone):
        assert "merge_call" in cases.error("accumulation, Keras")
        assert cases.refusal("accumulation") == (
            "gradient_accumulation_steps=2 under MirroredStrategy: Keras itself fails there, with"
            " or without gradgate. Remove it, and use a larger batch or more replicas."
        )


def test_eagerly_it_can_on_one_device(lone):
    found, plain = lone("accumulation, eager"), lone("accumulation, without")
    _assert_near(found, plain)
    assert len(found.steps) == 4


def test_and_what_it_can_on_two_is_not_measured(case):
    assert case.refusal("accumulation, eager") == (
        "gradient_accumulation_steps=2 under MirroredStrategy: Keras runs that eagerly only, and"
        " there it is not measured. Remove it, and use a larger batch or more replicas."
    )


def test_keras_cannot_overwrite_weights_by_their_average_now_and_then_here(case):
    assert "merge_call" in case.error("average, Keras")
    assert case.refusal("average") == (
        "ema_overwrite_frequency=3 under MirroredStrategy: Keras itself fails there, with or"
        " without gradgate. Remove it: the average then replaces the weights once, at the end."
    )


def test_keras_cannot_run_several_steps_a_call_here(case):
    assert "InvalidArgumentError" in case.error("several a call, Keras")
    assert case.refusal("several a call") == (
        "steps_per_execution=4 under MirroredStrategy: Keras itself fails there, with or without"
        " gradgate. Compile with steps_per_execution=1."
    )


def test_eagerly_it_can(case):
    found, plain = case("eager several a call"), case("plain")
    assert found.steps.step.tolist() == list(range(8))
    _assert_near(found, plain)
