"""Which of several workers gave the numbers that spoiled the sum."""

import math

import numpy as np

from gradgate.gate.signals import CATALOGUE


def read(name, training):
    (batch,) = training.batches()
    return CATALOGUE[name].reader()(batch, training.evidence())


def test_a_replica_is_blamed_for_its_loss_or_its_gradient(make, training):
    training.replica_norm[40, 1] = math.nan
    training.replica_loss[200, 1] = math.inf
    found = make.finding(training, "replica.nonfinite", min_samples=1)
    assert (found.status, found.observed.value, found.observed.variable) == ("fail", 2, "worker 0")
    assert (found.first_offence.step, found.first_offence.variable) == (40, "worker 0")
    assert found.message == (
        "non-finite loss or gradient of a replica on 2 of 300 steps in worker 0 (1 of 2 replicas"
        " failed); expected exactly 0"
    )


def test_a_record_before_the_norms_knows_the_losses(training):
    training.replica_norm = None
    training.replica_loss[7, 0] = math.nan
    assert np.argwhere(read("replica.nonfinite", training).value).tolist() == [[7, 0]]


def test_a_loss_that_nobody_showed_is_no_fault_of_a_replica(training):
    training.replace(loss_measured=False)
    training.replica_loss[:] = math.nan
    assert not read("replica.nonfinite", training).value.any()
    assert "guard.observe_loss(loss)" in CATALOGUE["replica.loss_ratio"].unmeasured(
        training.evidence()
    )


def test_the_loss_ratio_is_to_the_median_of_the_others(make, training):
    training.replace(replicas=3, replica_names=("chief 0", "worker 0", "worker 1"))
    training.replica_norm = None
    training.replica_loss = np.tile(np.float32([2.0, 1.0, 3.0]), (300, 1))
    assert read("replica.loss_ratio", training).value[0].tolist() == [1.0, 0.4, 2.0]
    found = make.finding(
        training, "replica.loss_ratio", "quantile", "<=", 1.5, aggregate={"q": 0.5}
    )
    assert (found.status, found.observed.variable) == ("fail", "worker 1")


def test_a_replica_whose_others_have_no_loss_has_no_sample(training):
    training.replica_loss[3] = (1.0, math.nan)
    training.replica_loss[4] = (1.0, 0.0)
    samples = read("replica.loss_ratio", training)
    assert samples.measured[3].tolist() == [False, True]
    assert math.isnan(samples.value[3, 1])
    assert samples.measured[4].tolist() == [False, True]


def test_one_replica_has_neither(make, training):
    training.replace(replicas=1, replica_names=())
    training.replica_loss = training.replica_norm = None
    for name, fn in (("replica.nonfinite", "sum"), ("replica.loss_ratio", "max")):
        found = make.finding(training, name, fn, "<=", 1)
        assert found.status == "unknown"
        assert "the training ran on one replica; leave out this rule" in found.message


def test_columns_that_are_not_the_replicas_of_the_card_are_damage(make, training):
    training.replica_norm = training.replica_norm[:, :1]
    verdict = make.verdict(training, make.rule("step.skipped", "mean", "<=", 1))
    assert verdict.decision == "block"
    said = " ".join(each.message for each in verdict.integrity if each.status == "fail")
    assert "2 replicas in model.json, and [1, 2] in its steps" in said
