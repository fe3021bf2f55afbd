"""Row 33: what earlier versions left is read, or refused in words; it is kept for ever.

`tests/golden/released/VERSION` is never made anew: `tests/golden/make_released.py` wrote it once.
"""

import json
import shutil
from pathlib import Path

import jsonschema
import pytest

from gradgate.cli.exits import Exit
from gradgate.contracts import parse_json
from gradgate.contracts.health import SCHEMA_VERSION, manifest_digest
from gradgate.gate import Evidence, load_policy, policy_digest
from gradgate.gate.read_verdict import read_verdict
from gradgate.gate.render import FORMATS, explain, render
from gradgate.gate.schemas import verdict_schema
from gradgate.telemetry.reader import RecordError, open_record

RELEASED = sorted((Path(__file__).parents[1] / "golden" / "released").iterdir())
IDS = [path.name for path in RELEASED]
# Verdict and policy are named by their content: a field that came later must not change that.
NAMES = {
    "1.1": {
        "policy": "sha256:bb04adfa18779976ffdd15bcf6c362435f6b3f9199bc577013b542ac9d7aa221",
        "verdict": "sha256:95a54c8a549599508111230b9579504bf046f20c0352eb6131c561d581cc1891",
        "record": "sha256:1c7f82975bcd18060427ffbc9bb69839238ffd1f2ecc205f5de85a33d468ae43",
    },
    "1.2": {
        "policy": "sha256:48e4d4c6ee32d6be13a6f9d79b4e4d08c0b27dce372f1ce43cecdd699ba00173",
        "verdict": "sha256:e10d14268d41d28ebd500fdad889bd160c6eca26533d5431b9682571715865df",
        "record": "sha256:4f487de526438d5d78a01d6ffe6c07dc39ee9041723e07bfc1d6d1dfe5e84b69",
    },
}


@pytest.fixture(params=RELEASED, ids=IDS)
def folder(request):
    return request.param


def test_the_record_of_today_is_among_them():
    """Whoever raises the version runs `python tests/golden/make_released.py` once."""
    assert SCHEMA_VERSION in IDS
    assert set(NAMES) == set(IDS)


def test_every_record_is_read(folder):
    record = open_record(folder / "record")
    assert record.manifest.schema_version == folder.name
    assert sum(len(batch) for batch in record.batches()) == record.manifest.observed_steps
    assert record.digest == NAMES[folder.name]["record"]


def test_every_policy_has_the_digest_that_it_had(folder):
    policy = load_policy((folder / "policy.yaml").read_bytes())
    assert policy_digest(policy) == NAMES[folder.name]["policy"]


def test_every_verdict_has_the_id_that_it_had_and_is_shown_and_verified(folder, call):
    verdict = read_verdict(folder / "verdict.json")
    assert verdict.verdict_id == NAMES[folder.name]["verdict"]
    jsonschema.Draft202012Validator(verdict_schema()).validate(verdict.document())
    assert all(render(verdict, form) for form in FORMATS)
    assert explain(verdict)
    done = call("verify", "--model", folder / "model", "--verdict", folder / "verdict.json")
    assert done.returncode == Exit.OK, done.stdout


def test_it_is_judged_as_it_was(folder, verdict_on):
    policy = load_policy((folder / "policy.yaml").read_bytes())
    was = read_verdict(folder / "verdict.json")
    verdict = verdict_on(folder / "record", folder / "model", policy, as_of=was.as_of)
    assert (verdict.decision, verdict.blessed) == (was.decision, was.blessed)
    assert verdict.subject == was.subject
    assert [(f.id, f.status, f.observed.value) for f in verdict.findings] == [
        (f.id, f.status, f.observed.value) for f in was.findings
    ]


@pytest.mark.parametrize(
    ("version", "code"),
    [("2.0", "T-SCHEMA-NEW"), ("99.1", "T-SCHEMA-NEW"), ("1.99", None), ("0.9", None), ("", None)],
)
def test_a_version_of_tomorrow_is_refused_in_words_and_a_minor_one_is_judged(
    released, verdict_on, not_milder, version, code
):
    clean = verdict_on(released.record, released.model, released.policy)
    path = released.record / "manifest.json"
    document = parse_json(path.read_bytes()) | {"schema_version": version, "of_tomorrow": {"a": 1}}
    document["digest"] = manifest_digest(document)
    path.write_text(json.dumps(document))
    faulted = verdict_on(released.record, released.model, released.policy)
    not_milder(clean, faulted)
    if code:
        with pytest.raises(RecordError, match="newer one"):
            open_record(released.record)
        assert faulted.headline.startswith(f"BLOCK {code}: ")
    else:
        assert Evidence.of(open_record(released.record)).manifest.schema_version == version
        expected = {"1.99": ("warn", "T-SCHEMA-MINOR")}.get(version, ("block", "T-SCHEMA-OLD"))
        assert faulted.decision == expected[0]
        assert expected[1] in faulted.headline


def test_the_record_of_the_first_version_is_read(tmp_path, verdict_on):
    shutil.copytree(Path(__file__).parents[1] / "telemetry/record_1_0", tmp_path / "record")
    assert verdict_on(tmp_path / "record").inputs.record_schema == "1.0"
