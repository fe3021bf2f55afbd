"""Spikes of loss and gradient against their own past, by hand and across any cut into batches."""

import math

import numpy as np
import pytest

from gradgate.gate.signals import CATALOGUE


def marked(name, training, size=1 << 30):
    """The steps that were looked at, and those that are spikes."""
    reader = CATALOGUE[name].reader()
    found = [reader(batch, training.evidence()) for batch in training.batches(size)]
    steps = np.concatenate([samples.step for samples in found])
    value = np.concatenate([samples.value[:, 0] for samples in found])
    return steps.tolist(), steps[value == 1].tolist()


sizes = pytest.mark.parametrize("size", [1, 33, 100, 300])


@sizes
def test_a_loss_of_twice_the_mean_before_it_is_a_spike(training, size):
    training.loss[:] = 0.5
    training.loss[[40, 200]] = [1.0, 0.99]
    # Step 40: 2 x 0.5. Step 200: 0.99 is below it, step 40 being out of the window by then.
    assert marked("loss.spike", training, size) == (list(range(20, 300)), [40])


@sizes
def test_the_mean_is_of_the_last_hundred(training, size):
    # 100 losses of 8, then 1. A loss of 2 at step 199 is below twice (8 + 99) / 100, that of
    # steps 99 to 198; at step 200 it is twice 1.
    training.loss[:100], training.loss[100:] = 8, 1
    training.loss[199] = 2
    assert marked("loss.spike", training, size)[1] == []
    training.loss[199], training.loss[200] = 1, 2
    assert marked("loss.spike", training, size)[1] == [200]


@sizes
def test_a_norm_above_ten_times_the_median_before_it_is_a_spike(training, size):
    # Norms 1 and 3 in turn: the median of 64 is 2. 20 is not above 20, and 20.5 is.
    training.global_norm[:] = np.where(training.step % 2, 3, 1)
    training.global_norm[64] = 20
    training.global_norm[290] = 20.5
    steps, spikes = marked("gradient.spike", training, size)
    assert steps == list(range(64, 300))
    assert spikes == [290]
    training.global_norm[64] = 20.5
    assert marked("gradient.spike", training, size)[1] == [64, 290]


@sizes
def test_the_median_is_of_the_last_128(training, size):
    # 1 until step 99, 30 after: 64 of the last 128 are 30 from step 164 on, when the median is
    # (1 + 30) / 2; so steps 100 to 163 are spikes, the 65th being the first that is none.
    training.global_norm[:100], training.global_norm[100:] = 1, 30
    assert marked("gradient.spike", training, size)[1] == list(range(100, 164))


@sizes
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_number_that_is_none_is_a_spike_and_never_the_past(training, size, bad):
    training.loss[:] = 0.5
    training.loss[[10, 150]] = bad
    # 20 finite losses are before step 21 only, and the one at step 10 is never looked at.
    assert marked("loss.spike", training, size) == (list(range(21, 300)), [150])


def test_what_was_skipped_is_neither_a_spike_nor_the_past(training):
    training.loss[:] = 0.5
    training.loss[100:150] = 50
    training.applied[100:150] = False
    assert marked("loss.spike", training)[1] == []


def test_without_a_past_above_zero_there_is_no_spike_to_speak_of(make, training):
    training.loss[:] = -1
    finding = make.finding(training, "loss.spike")
    assert (finding.status, finding.level) == ("unknown", "block")
    assert "0 samples of loss.spike" in finding.message
    assert "whose mean is above 0" in finding.message
    training.global_norm[:] = 0
    assert make.finding(training, "gradient.spike").status == "unknown"


def test_a_short_training_has_no_spikes_and_does_not_pass(make):
    training = make.Training(steps=64)
    assert make.finding(training, "gradient.spike").status == "unknown"
    assert make.finding(training.replace(loss_measured=False), "loss.spike").status == "unknown"


@sizes
def test_the_first_offence_is_found_by_reading_anew(make, training, size):
    training.loss[:] = 0.5
    training.loss[[120, 260]] = 3
    asked = make.rule("loss.spike", "sum", "<=", 1, id="asked")
    finding = make.verdict(training, asked, size=size).findings[0]
    assert finding.observed.value == 2
    assert finding.first_offence.step == 260
    values = {sample.step: sample.value for sample in finding.first_offence.excerpt}
    assert values == {step: float(step == 260) for step in range(240, 281)}


def test_no_rule_of_two_on_one_signal_disturbs_the_other(make, training):
    training.loss[:] = 0.5
    training.loss[120] = 3
    rules = [make.rule("loss.spike", "sum", "<=", limit) for limit in (0, 1)]
    statuses = {finding.status for finding in make.verdict(training, *rules).findings}
    assert statuses == {"pass", "fail"}


@sizes
def test_the_score_is_in_deviations_of_the_norms_before_it(training, size):
    # Norms 1, 2, 3, 2 in turn: median 2; distances from it 1, 0, 1, 0 in turn, whose median is 0.5,
    # so a deviation is 0.7413. 6.4478 is 6 of them above the median.
    training.global_norm[:] = np.tile(np.float32([1, 2, 3, 2]), 75)
    training.global_norm[290] = 2 + 6 * 0.7413
    reader = CATALOGUE["gradient.spike_score"].reader()
    found = [reader(batch, training.evidence()) for batch in training.batches(size)]
    steps = np.concatenate([samples.step for samples in found])
    score = np.concatenate([samples.value[:, 0] for samples in found])
    assert steps.tolist() == list(range(64, 300))
    np.testing.assert_allclose(score[290 - 64], 6, rtol=1e-6)
    np.testing.assert_allclose(score[:4], [-1 / 0.7413, 0, 1 / 0.7413, 0], rtol=1e-6)


def test_norms_that_hardly_differ_have_a_deviation_of_a_hundredth(training):
    training.global_norm[:] = 2
    training.global_norm[290] = 2.1  # 5 hundredths above
    reader = CATALOGUE["gradient.spike_score"].reader()
    (batch,) = training.batches()
    score = reader(batch, training.evidence()).value[:, 0]
    assert np.count_nonzero(score) == 1
    np.testing.assert_allclose(score[290 - 64], 5, rtol=1e-5)
