"""Shares of the norm, growth of weights, drift of activations, constant weights, and answers."""

import math

import numpy as np
import pytest

from gradgate.contracts import EpochSummary
from gradgate.gate.answers import Answers, OutputCount
from gradgate.gate.integrity.model import ModelCheck
from gradgate.gate.integrity.tensor_bundle import TensorCount
from gradgate.gate.signals import CATALOGUE, Unmeasured


def read(name, training):
    reader = CATALOGUE[name].reader()
    samples = [reader(batch, training.evidence()) for batch in training.batches(110)]
    return np.concatenate([s.value for s in samples]), np.concatenate(
        [np.ones(s.value.shape, bool) if s.measured is None else s.measured for s in samples]
    )


def test_shares_are_of_the_squares(training):
    training.norms[7] = [3, 0, 4]  # 9 and 16 of 25
    training.norms[8] = [0, 0, 0]
    training.norms[9] = [2e38, 0, 2e38]  # the sum of squares is beyond float32
    value, _ = read("variable.norm_share", training)
    np.testing.assert_allclose(value[7:10], [[0.36, 0, 0.64], [0, 0, 0], [0.5, 0, 0.5]])


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_share_of_a_norm_that_is_none_is_none(training, bad):
    training.norms[7, 2] = bad
    value, _ = read("variable.norm_share", training)
    assert not np.isfinite(value[7, 2])


def test_growth_is_against_the_first_sample(training):
    training.weight_norm[:, 0] = [2, 4, 6, 8, 10, 30]
    training.weight_norm[:, 1] = [0, 1, 2, 3, 4, 5]
    value, measured = read("variable.weight_growth", training)
    assert value[:, 0].tolist() == [1, 2, 3, 4, 5, 15]
    assert measured.all(axis=0).tolist() == [True, False, True]


def test_growth_of_a_weight_that_was_never_finite_is_not_finite(training):
    training.weight_norm[:, 0] = np.nan
    value, measured = read("variable.weight_growth", training)
    assert measured[:, 0].all()
    assert not np.isfinite(value[:, 0]).any()


def test_drift_is_against_the_first_look(training):
    training.spread[:, 0] = [2, 2, 3, 4, 5, 60]
    training.spread[:, 1] = [np.nan, 1, 2, 2, np.inf, 2]
    value, measured = read("activation.spread_ratio", training)
    assert value[:, 0].tolist() == [1, 1, 1.5, 2, 2.5, 30]
    assert measured[:, 0].all()
    # The second layer was not seen at first, so only an infinite output says something of it.
    assert measured[:, 1].tolist() == [False] * 4 + [True, False]
    assert value[4, 1] == np.inf


def test_drift_of_an_older_record_is_unknown(make, training):
    training.spread = None
    finding = make.finding(training, "activation.spread_ratio", "max", "<=", 10, min_samples=1)
    assert (finding.status, finding.level) == ("unknown", "block")
    assert "a record of an older gradgate does not hold it" in finding.message


def tensor(name, **fields):
    return TensorCount(
        **{
            "name": name,
            "key": name,
            "dtype": "float32",
            "shape": (4, 8),
            "nonfinite": 0,
            "sha256": f"sha256:of {name}",
            **fields,
        }
    )


def facts(name, training, model):
    found = CATALOGUE[name].facts(training.evidence(), model)
    columns = [column.variable for column in found.columns]
    return dict(zip(columns, found.value.tolist(), strict=True))


def test_constant_weights_are_found_by_content_and_by_name(training):
    weights = (
        tensor("renamed", sha256="sha256:of first/kernel", is_constant=True),
        tensor("head/kernel", sha256="sha256:changed"),
        tensor("a/momentum", is_constant=True),
    )
    found = facts("weights.constant", training, ModelCheck(tree=None, weights=weights))
    assert found == {"first/kernel": 1.0, "head/kernel": 0.0}


def test_constant_weights_of_another_model_are_unknown(training):
    other = ModelCheck(tree=None, weights=(tensor("other"),))
    with pytest.raises(Unmeasured, match="holds none of the trainable variables"):
        facts("weights.constant", training, other)


def test_answers_are_those_of_each_output(training):
    outputs = (
        OutputCount(name="logits", values=8, nonfinite=3, is_constant=False),
        OutputCount(name="score", values=8, nonfinite=0, is_constant=True),
    )
    model = ModelCheck(tree=None, answers=Answers(outputs=outputs, problem="", examples=4))
    assert facts("answers.nonfinite", training, model) == {"logits": 3.0, "score": 0.0}
    assert facts("answers.constant", training, model) == {"logits": 0.0, "score": 1.0}


def test_a_model_that_could_not_be_asked_is_unknown_and_says_why(training):
    model = ModelCheck(tree=None, answers=Answers(problem="the model could not be asked: KeyError"))
    with pytest.raises(Unmeasured, match="could not be asked: KeyError"):
        facts("answers.constant", training, model)


def told(training, **series):
    """Gives the training an epoch for each value of the series."""
    lengths = {len(values) for values in series.values()}
    epochs = tuple(
        EpochSummary(epoch=i, last_step=i, logs={name: v[i] for name, v in series.items()})
        for i in range(*lengths)
    )
    return training.replace(epochs=epochs)


def test_overfitting_is_the_gap_of_the_last_epoch(training):
    told(training, loss=[1.0, 0.5], val_loss=[1.0, 0.7])
    assert facts("epoch.overfit", training, None) == {None: pytest.approx(0.4)}


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_gap_of_no_number_is_none(training, value):
    told(training, loss=[0.5], val_loss=[value])
    assert not np.isfinite(facts("epoch.overfit", training, None)[None])


def test_overfitting_needs_validation(training):
    told(training, loss=[0.5])
    with pytest.raises(Unmeasured, match="pass validation_data to `fit`"):
        facts("epoch.overfit", training, None)


def test_swings_are_counted_where_a_metric_turns_far_enough(training):
    # Extremes 0.5, 0.7, 0.6, 0.8, 0.79: turns 0.7 to 0.6 and 0.6 to 0.8 are large, 0.01 is not.
    acc, auc = [0.5, 0.7, 0.6, 0.8, 0.79, 0.81], [0.5, 0.6, 0.6, 0.5, 0.5, 0.5]
    told(training, loss=[1.0] * 6, acc=acc, auc=auc)
    found = facts("epoch.metric_swings", training, None)
    assert found == {"acc": pytest.approx(2 / 6), "auc": 0.0}  # one turn alone is no swing


def test_agreement_is_the_correlation_with_the_loss(training):
    loss = [5.0, 4.0, 3.0, 2.0, 1.0]
    told(training, loss=loss, acc=[1.0, 2.0, 3.0, 4.0, 5.0], flat=[1.0] * 5, val_acc=loss)
    found = facts("epoch.loss_agreement", training, None)
    assert found["acc"] == pytest.approx(1.0)
    assert math.isnan(found["flat"])
    assert "val_acc" not in found


def test_few_epochs_and_no_metric_say_so(training):
    told(training, loss=[1.0] * 4, acc=[0.1] * 4)
    with pytest.raises(Unmeasured, match="4 epochs told their metrics, and at least 5 are needed"):
        facts("epoch.metric_swings", training, None)
    told(training, loss=[1.0] * 5)
    with pytest.raises(Unmeasured, match="no metric but its loss; compile one"):
        facts("epoch.loss_agreement", training, None)


def test_each_variable_has_a_cosine_of_its_own(training):
    training.cosine[:, 0] = [-0.5, 0.5, -0.25, 0, np.nan, -1]
    value, measured = read("variable.cosine", training)
    assert measured[:, 0].tolist() == [True, True, True, True, False, True]
    assert value[measured[:, 0], 0].tolist() == [-0.5, 0.5, -0.25, 0, -1]
    flips, measured = read("variable.direction_flip", training)
    assert flips[measured[:, 0], 0].tolist() == [1, 0, 1, 0, 1]
    assert not flips[:, 1:].any()


def test_one_layer_that_steps_back_and_forth_is_named(make, training):
    training.cosine[:, 2] = -0.9
    training.global_cosine[:] = 0.5  # the rest of the gradient outweighs it
    whole = make.finding(training, "gradient.direction_flip", "mean", "<=", 0.6, min_samples=3)
    each = make.finding(training, "variable.direction_flip", "mean", "<=", 0.6, min_samples=3)
    assert (whole.status, each.status) == ("pass", "fail")
    assert each.first_offence.variable == "head/kernel"


def test_a_loss_scale_that_fell_to_its_minimum_is_seen(make, training):
    training.loss_scale[200:] = 1
    finding = make.finding(training, "loss_scale.value", "min", ">", 1)
    assert (finding.status, finding.first_offence.step) == ("fail", 200)
    training.replace(loss_scaled=False)
    finding = make.finding(training, "loss_scale.value", "min", ">", 1)
    assert finding.status == "unknown"
    assert "this training does not scale its loss; leave out this rule" in finding.message
