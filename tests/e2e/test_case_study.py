"""A small cut of the case study through the real pipeline: a run that breaks, and one that holds.

Fewer reviews and a higher learning rate than on the page, so that it breaks within seconds.
"""

import pytest

from gradgate.telemetry.reader import open_record
from pipeline.configs import Training, load
from pipeline.scoring import majority, score

pytestmark = [pytest.mark.e2e, pytest.mark.half("first")]

STEPS = 60


def cut(name, **model):
    config = load(name)
    return config.model_copy(
        update={
            "data": config.data.model_copy(update={"reviews": 900, "vocabulary": 1000}),
            "model": config.model.model_copy(update=model),
            "training": Training(batch_size=32, epochs=4, steps_per_epoch=STEPS // 4),
            "guard": config.guard.model_copy(update={"statistics_every": 10}),
            "evaluation": config.evaluation.model_copy(update={"min_accuracy": 0.0}),
        }
    )


@pytest.fixture(scope="module")
def broken(run_pipeline):
    return run_pipeline(cut("reviews-broken", learning_rate=0.03))


@pytest.fixture(scope="module")
def mended(run_pipeline, broken):
    return run_pipeline(cut("reviews-sound", learning_rate=0.01))


def test_the_lstm_that_breaks_is_blocked_where_it_broke(broken):
    result, _ = broken
    assert result.decision == "block"
    first = result.first_offence
    assert result.pushed_version is None
    assert 0 < first.step < STEPS


def test_the_gradients_exploded_before_they_were_nan(broken):
    result, _ = broken
    summary = open_record(result.record).summary
    by_name = {variable.path: variable for variable in summary.variables}
    recurrent = by_name["reviews/lstm/lstm_cell/recurrent_kernel"]
    assert recurrent.norm.greatest > 1e6
    assert recurrent.norm.greatest_step < recurrent.first_nonfinite_step


def test_the_mended_one_is_pushed_and_answers_raw_texts(mended, broken):
    result, outcomes = mended
    assert result.is_pushed, result.headline
    assert {stage for stage, outcome in outcomes.items() if outcome == "cached"} >= {
        "CsvExampleGen",
        "Transform",
    }
    found = score(
        result.serving / str(result.served_version), result.examples, split="test", label="positive"
    )
    assert found.nonfinite == 0
    assert found.examples == majority(result.examples, split="test", label="positive").examples


def test_the_broken_ones_answers_are_nan(broken):
    result, _ = broken
    found = score(result.model, result.examples, split="test", label="positive")
    assert found.nonfinite == found.examples > 100
