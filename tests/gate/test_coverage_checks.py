"""How much of a training must have been seen."""

import dataclasses

import numpy as np
import pytest


def failed(make, training, **coverage):
    policy = make.policy(make.rule("step.skipped"), coverage=coverage)
    verdict = make.verdict(training, policy=policy)
    return {check.code: check.message for check in verdict.integrity if check.status == "fail"}


def test_a_whole_training_passes(make, training):
    assert failed(make, training, min_steps=300) == {}


@pytest.mark.parametrize(
    ("change", "code", "message"),
    [
        ({"instrumented": False}, "T-NOT-INSTRUMENTED", "never called gradgate.instrument"),
        ({"status": "failed", "status_message": "OOM"}, "T-TRAINER-FAILED", "training failed: OOM"),
        ({"status": "failed"}, "T-TRAINER-FAILED", "no message was kept"),
        ({"status": "stopped"}, "T-STOPPED", "a step was not finite"),
        (
            {"observed_steps": 301},
            "T-TRUNCATED",
            "the manifest speaks of 301 steps and the record holds 300",
        ),
        (
            {"planned_steps": 307},
            "T-COVERAGE",
            "300 of 307 planned steps were observed (97.7%), and at least 98% must be",
        ),
        (
            {"lost_steps": 1},
            "T-COVERAGE",
            "1 steps in a row are missing, and at most 0 may be",
        ),
    ],
)
def test_what_the_manifest_says(make, training, change, code, message):
    found = failed(make, training.replace(**change))
    assert list(found) == [code]
    assert message in found[code]


def test_an_early_end_within_the_policy_passes(make, training):
    assert failed(make, training.replace(planned_steps=306)) == {}
    assert failed(make, training.replace(planned_steps=None)) == {}


def test_without_a_plan_the_check_says_what_it_could_not_see(make, training):
    verdict = make.verdict(training.replace(planned_steps=None), make.rule("step.skipped"))
    coverage = next(check for check in verdict.integrity if check.code == "T-COVERAGE")
    assert coverage.status == "pass"
    assert coverage.message.startswith("nobody said how many steps were planned")


def test_too_few_steps(make, training):
    found = failed(make, training, min_steps=301)
    assert found == {"T-COVERAGE": "300 steps were observed, and at least 301 must be"}


def test_a_gap_is_seen_wherever_it_is(make, training):
    training.keep(np.r_[0:100, 103:300]).replace(observed_steps=297)
    assert failed(make, training) == {
        "T-COVERAGE": "3 steps in a row are missing, and at most 0 may be"
    }
    assert failed(make, training, max_gap_steps=3) == {}


def test_a_missing_beginning_is_a_gap(make, training):
    training.keep(np.r_[2:300]).replace(observed_steps=298)
    assert "2 steps in a row" in failed(make, training)["T-COVERAGE"]


def test_lost_steps_that_show_as_gaps_count_once(make, training):
    training.keep(np.r_[0:100, 103:300]).replace(observed_steps=297, lost_steps=3)
    assert failed(make, training, max_gap_steps=3) == {}
    training.replace(lost_steps=7)
    assert "4 steps in a row" in failed(make, training, max_gap_steps=3)["T-COVERAGE"]


def test_no_step_at_all(make, training):
    training.keep(slice(0, 0)).replace(observed_steps=0, planned_steps=0)
    found = failed(make, training)
    assert found["T-ZERO-STEPS"].startswith("no optimizer step was observed")


def test_no_step_that_was_applied(make, training):
    training.applied[:] = False
    assert failed(make, training) == {
        "T-ZERO-STEPS": "none of the 300 observed steps was applied, so nothing was learned"
    }


def coverage_of(make, training):
    checks = make.verdict(training, make.rule("step.skipped")).integrity
    return next(check for check in checks if check.code == "T-COVERAGE")


def test_steps_that_the_loss_scale_left_out_are_no_fault(make, training):
    training.replace(planned_steps=320, loss_scale_skips=20)
    assert failed(make, training) == {}
    assert coverage_of(make, training).message == (
        "20 of 320 planned steps were left out by the loss scale, which is no fault"
    )
    seen = make.verdict(training, make.rule("step.skipped")).coverage
    assert (seen.observed_steps, seen.loss_scale_skips) == (300, 20)


def test_what_is_missing_besides_them_is_one(make, training):
    # 300 + 10 of 320 are 96.9 %.
    training.replace(planned_steps=320, loss_scale_skips=10)
    assert failed(make, training) == {
        "T-COVERAGE": "300 of 320 planned steps were observed and 10 left out by the loss scale"
        " (96.9%), and at least 98% must be"
    }
    training.replace(planned_steps=None)
    assert failed(make, training) == {}


def test_more_of_them_in_the_steps_than_in_the_manifest(make, training):
    training.loss_scale_skips = np.ones(300, np.int64)
    training.replace(loss_scale_skips=299)
    assert failed(make, training) == {
        "T-TRUNCATED": "the manifest speaks of 299 steps that the loss scale left out, and the"
        " record of 300"
    }
    training.replace(loss_scale_skips=302)  # two more after the last step
    assert failed(make, training) == {}


def test_all_steps_left_out_by_the_loss_scale_is_nothing_learned(make, training):
    training.keep(slice(0, 0)).replace(observed_steps=0, planned_steps=40, loss_scale_skips=40)
    found = failed(make, training)
    assert found["T-ZERO-STEPS"] == (
        "all of 40 steps were left out by the loss scale, so the model is as it was before the"
        " training; lower the loss scale's first value, or train in bfloat16 or float32"
    )


def test_steps_out_of_order(make, training):
    training.step = np.r_[0:150, 149:299]
    assert failed(make, training)["T-OVERLAP"].startswith("step 149 comes after step 149; ")


def test_statistics_of_no_variable(make, training):
    training.sampled = training.sampled[:0]
    training.update_ratio = training.weight_norm = training.global_cosine = None
    for name in ("mean_abs", "max_abs", "zero_fraction", "nonfinite"):
        setattr(training, name, getattr(training, name)[:0])
    assert "statistics for 0 of 3 trainable variables" in failed(make, training)["T-COVERAGE"]


def test_variables_without_gradient_are_not_counted(make, training):
    training.without_gradient(1)
    policy = make.policy(make.rule("step.skipped"))
    seen = make.verdict(training, policy=policy).coverage
    assert (seen.variables_measured, seen.variables_trainable) == (2, 2)
    training.without_gradient(0, 1, 2)
    assert failed(make, training) == {"T-COVERAGE": "no trainable variable has a gradient"}


def test_columns_that_are_not_the_variables_of_the_card(make, training):
    training.card = training.card.model_copy(update={"variables": training.card.variables[:2]})
    assert "2 variables in model.json, and [3] columns" in failed(make, training)["T-CORRUPT"]


@pytest.mark.parametrize(
    "name", ["update_ratio", "adam_rms", "weight_norm", "data_mean_abs", "data_norm"]
)
def test_statistics_of_other_variables_than_those_of_the_card(make, training, name):
    training.with_data_loss()
    setattr(training, name, getattr(training, name)[:, :2])
    assert "3 variables in model.json, and [2, 3] columns" in failed(make, training)["T-CORRUPT"]


def test_an_empty_batch_is_no_gap(make, training):
    batches = list(training.batches(100))
    training.batches = lambda size: iter([batches[0], none_of(batches[0]), *batches[1:]])
    assert failed(make, training) == {}


def none_of(batch):
    """The batch without its rows."""
    fields = {}
    for field in dataclasses.fields(batch):
        value = getattr(batch, field.name)
        if isinstance(value, np.ndarray):
            fields[field.name] = value[:0]
        elif dataclasses.is_dataclass(value):
            fields[field.name] = none_of(value)
    return dataclasses.replace(batch, **fields)
