"""The published schemas are fresh, valid, and accept what the contracts accept."""

import json
from pathlib import Path

import jsonschema
import pytest

from gradgate.contracts import Manifest, ModelCard, Summary
from gradgate.gate import load_policy, load_waivers
from gradgate.gate.read_yaml import read_yaml
from gradgate.gate.schemas import SCHEMAS, main, schema_files, stale

FOLDER = Path(__file__).resolve().parents[2] / "schemas"


def test_the_files_are_fresh():
    assert stale(FOLDER) == [], "run python -m gradgate.gate.schemas"


@pytest.mark.parametrize("name", SCHEMAS)
def test_each_is_a_schema_with_a_name_of_its_own(name):
    schema = json.loads(schema_files()[f"{name}.schema.json"])
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$id"] == f"urn:gradgate:{name}:v1"


def test_check_says_what_is_stale_and_writing_mends_it(tmp_path, capsys):
    assert main([str(tmp_path), "--check"]) == 1
    assert "policy.schema.json is stale; run" in capsys.readouterr().err
    assert main([str(tmp_path)]) == 0
    assert main([str(tmp_path), "--check"]) == 0
    (tmp_path / "old.schema.json").write_text("{}")
    assert stale(tmp_path) == ["old.schema.json"]


def validate(name, document):
    schema = json.loads((FOLDER / f"{name}.schema.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(document)


def test_an_editor_knows_every_signal_and_no_other():
    rule = {
        "id": "x",
        "signal": "loss",
        "aggregate": {"fn": "mean"},
        "expect": {"op": "<", "value": 1},
    }
    document = {
        "apiVersion": "gradgate/v1",
        "kind": "TrainingHealthPolicy",
        "metadata": {"id": "x", "revision": 1, "owner": "me"},
        "rules": [rule],
    }
    validate("policy", document)
    load_policy(json.dumps(document))
    for change in ({"signal": "lozz"}, {"aggregate": {"fn": "median"}}, {"extra": 1}):
        with pytest.raises(jsonschema.ValidationError):
            validate("policy", {**document, "rules": [{**rule, **change}]})


FULL = """
apiVersion: gradgate/v1
kind: TrainingHealthPolicy
metadata: {id: x, revision: 1, owner: me, review_by: 2027-01-01T00:00:00Z}
mode: shadow
required_signals: [loss, variable.norm]
staleness: {max_age_after_export: 24h, max_clock_skew: 5m}
max_waiver_days: 30
shadow_rules: [b]
rules:
  - {id: a, signal: variable.norm, aggregate: {fn: quantile, q: 0.99}, expect: {op: "<", value: 1},
     scope: {quantifier: {fraction: 0.05}}, window: {range: [10%, 50%]}, on_missing: warn}
  - {id: b, signal: clip.saturation, aggregate: {fn: rolling_max, over: 100},
     expect: {op: "<=", value: 0.5}, window: {range: [0, 100]}}
"""


def test_an_editor_takes_everything_that_the_loader_takes():
    policy = load_policy(FULL)
    written, _ = read_yaml(FULL)
    validate("policy", written)
    validate("policy", policy.document())
    for change in ({"mode": "dry"}, {"required_signals": ["lozz"]}, {"max_waiver_days": 91}):
        with pytest.raises(jsonschema.ValidationError):
            validate("policy", {**written, **change})


def test_an_editor_knows_the_fields_of_a_waiver():
    waiver = {
        "id": "w-1",
        "policy": "x",
        "rule": "a",
        "scope": {"layers": ["head/**"], "training_uid": None},
        "reason": "known",
        "owner": "alice",
        "approved_by": "bob",
        "created": "2026-01-01T00:00:00Z",
        "expires": "2026-01-02T00:00:00Z",
    }
    document = {"apiVersion": "gradgate/v1", "kind": "Waivers", "waivers": [waiver]}
    validate("waivers", document)
    load_waivers(json.dumps(document), load_policy(FULL))
    for change in ({"extra": 1}, {"expires": None}, {"scope": {"layers": []}}):
        with pytest.raises(jsonschema.ValidationError):
            validate("waivers", {**document, "waivers": [{**waiver, **change}]})


def test_what_is_recorded_fits_its_schema():
    manifest = Manifest(
        training_uid="u",
        status="completed",
        instrumented=True,
        observed_steps=0,
        started_at="2026-01-01T00:00:00Z",
        finished_at="2026-01-01T00:00:00Z",
    )
    card = ModelCard(model_name="m", variables=(), optimizer="SGD")
    summary = Summary(loss={"last": float("nan")})
    for name, document in (("manifest", manifest), ("model-card", card), ("summary", summary)):
        validate(name, json.loads(document.model_dump_json(by_alias=True)))
