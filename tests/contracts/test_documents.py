"""What people write is closed, what programs write is open, and neither hides a number."""

import json
import math

import pytest
from pydantic import ValidationError

from gradgate.contracts import Finding, Manifest, ModelCard, Policy, VariableCard, Verdict
from gradgate.contracts.verdict import Inputs, Sample, Subject


def policy(**fields):
    rule = {
        "id": "r",
        "signal": "loss",
        "aggregate": {"fn": "mean"},
        "expect": {"op": "<", "value": 1},
    }
    return {
        "apiVersion": "gradgate/v1",
        "kind": "TrainingHealthPolicy",
        "metadata": {"id": "p", "revision": 1, "owner": "o"},
        "rules": [{**rule, **fields}],
    }


def load(document):
    return Policy.model_validate_json(json.dumps(document))


def test_defaults_of_a_policy_are_filled_in():
    loaded = load(policy())
    (rule,) = loaded.rules
    assert loaded.severity_of(rule) == "block"
    assert loaded.min_samples_of(rule) == 20
    assert load(loaded.document()) == loaded


def test_a_rule_may_differ_from_the_defaults():
    document = policy(min_samples=3)
    document["defaults"] = {"severity": "block", "min_samples": 7}
    loaded = load(document)
    assert loaded.min_samples_of(loaded.rules[0]) == 3


@pytest.mark.parametrize(
    "fields",
    [
        {"unknown": 1},
        {"expect": {"op": "<", "value": True}},
        {"expect": {"op": "<", "value": "1"}},
        {"window": {"first": 1, "last": 1}},
        {"window": {"first": "101%"}},
        {"window": {"first": "5.%"}},
        {"scope": {"include": []}},
        {"aggregate": {"fn": "tail_median", "portion": 0}},
        {"id": "Upper"},
        {"id": "x" * 64},
        {"severity": "warn"},
        {"severity": "block", "on_missing": "warn"},
    ],
)
def test_what_a_policy_must_not_say(fields):
    with pytest.raises(ValidationError):
        load(policy(**fields))


@pytest.mark.parametrize("text", ["0%", "5%", "99.9%", "100%"])
def test_percentages(text):
    assert load(policy(window={"last": text})).rules[0].window.last == text


def test_nothing_can_be_changed_afterwards():
    with pytest.raises(ValidationError):
        load(policy()).require_evaluator = False


def test_a_newer_field_in_a_record_is_ignored():
    document = {
        "training_uid": "u",
        "status": "completed",
        "instrumented": True,
        "observed_steps": 1,
        "started_at": "",
        "finished_at": "",
        "from_the_future": 1,
    }
    manifest = Manifest.model_validate_json(json.dumps(document))
    assert not hasattr(manifest, "from_the_future")
    with pytest.raises(ValidationError):
        Manifest.model_validate_json(json.dumps({**document, "finalized": False}))


@pytest.mark.parametrize(
    ("value", "text"),
    [(math.nan, '"NaN"'), (math.inf, '"Infinity"'), (-math.inf, '"-Infinity"'), (0.5, "0.5")],
)
def test_a_non_finite_number_is_a_word(value, text):
    written = Sample(step=1, value=value).model_dump_json()
    assert written == f'{{"step":1,"value":{text}}}'
    again = Sample.model_validate_json(written).value
    assert again == value or (math.isnan(again) and math.isnan(value))


def test_no_other_word_is_a_number():
    with pytest.raises(ValidationError):
        Sample.model_validate_json('{"step": 1, "value": "nan"}')


def test_parameters_of_a_variable():
    variable = VariableCard(path="k", layer="l", shape=(3, 4), dtype="float32")
    assert variable.parameters == 12
    assert variable.model_copy(update={"shape": ()}).parameters == 1
    assert ModelCard(model_name="m", variables=(variable,), optimizer="SGD").loss_measured


def verdict(**fields):
    return Verdict(
        **{
            "decision": "ok",
            "blessed": True,
            "healthy": True,
            "headline": "OK",
            "subject": Subject(),
            "inputs": Inputs(gate_version="1"),
            "as_of": "2026-01-01T00:00:00Z",
            **fields,
        }
    )


def test_an_edited_verdict_has_another_id():
    sealed = verdict(decision="block", blessed=False).sealed()
    assert sealed.computed_id() == sealed.verdict_id
    edited = sealed.model_copy(update={"blessed": True})
    assert edited.computed_id() != edited.verdict_id


def test_the_time_of_judgement_is_not_in_the_id():
    assert verdict().computed_id() == verdict(as_of="2027-01-01T00:00:00Z").computed_id()


def test_a_verdict_with_non_finite_numbers_has_an_id():
    finding = Finding(
        id="r",
        signal="loss",
        status="fail",
        level="block",
        severity="block",
        evidence="reported",
        observed={"value": math.nan},
        message="m",
    )
    assert verdict(findings=(finding,)).sealed().verdict_id.startswith("sha256:")
