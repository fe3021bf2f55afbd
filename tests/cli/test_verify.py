"""`gradgate verify`: what the Pusher asks, on the command line."""

import json

import pytest

from gradgate.cli.exits import Exit
from gradgate.contracts import Verdict, bind_tree
from gradgate.contracts.verdict import Finding, Inputs, Subject
from gradgate.gate.render import render

WEIGHTS = "variables/variables.data-00000-of-00001"


@pytest.fixture
def judged(tmp_path):
    """Writes a model and a verdict about it; changes are those of the verdict."""

    def make(**changes):
        model = tmp_path / "model"
        (model / "variables").mkdir(parents=True)
        (model / "saved_model.pb").write_bytes(b"graph")
        (model / WEIGHTS).write_bytes(b"weights")
        bound = bind_tree(model)
        finding = Finding(
            id="nan",
            signal="loss.nonfinite",
            status="pass",
            level="ok",
            severity="block",
            evidence="reported",
            message="0 of 20 steps",
        )
        fields = {
            "decision": "ok",
            "blessed": True,
            "healthy": True,
            "headline": "OK: 1 of 1 rules passed",
            "subject": Subject(model_digest=bound.digest, model_files=bound.files),
            "inputs": Inputs(gate_version="0"),
            "as_of": "2026-11-23T05:40:00Z",
            "findings": (finding,),
        }
        verdict = Verdict(**fields | changes).sealed()
        (tmp_path / "verdict.json").write_text(render(verdict, "json"))
        return verdict

    return make


def test_the_bytes_that_were_judged_are_verified(run_cli, judged, tmp_path):
    verdict = judged()
    for place in ("verdict.json", "."):
        done = run_cli("verify", "--model", "model", "--verdict", place)
        assert done.returncode == Exit.OK, done.stderr
        assert done.stdout == (
            "verified: 2 files, as judged: OK: 1 of 1 rules passed\n"
            f"  model    {verdict.subject.model_digest}\n"
            f"  verdict  {verdict.verdict_id}\n"
        )


def test_one_byte_of_difference_is_14_and_the_file_is_named(call, judged, tmp_path):
    judged()
    (tmp_path / "model" / WEIGHTS).write_bytes(b"Weights")
    (tmp_path / "model" / "more").write_bytes(b"")
    done = call("verify", "--model", "model", "--verdict", "verdict.json")
    assert done.returncode == Exit.NOT_VERIFIED == 14
    assert done.stdout.startswith("not verified: these bytes are not those that were judged: more")
    assert done.stdout.splitlines()[1:] == ["  more (added)", f"  {WEIGHTS} (changed)"]
    as_json = call("verify", "--model", "model", "--verdict", "verdict.json", "--format", "json")
    assert as_json.returncode == 14
    document = json.loads(as_json.stdout)
    assert document["verified"] is False
    assert document["differing_files"] == ["more (added)", f"{WEIGHTS} (changed)"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"decision": "block", "headline": "BLOCK nan"}, "did not bless this model. BLOCK nan"),
        ({"blessed": False}, "the gate did not bless this model"),
        ({"subject": Subject()}, "the verdict names no model"),
        ({"findings": ()}, "the verdict has no finding"),
        ({"healthy": False}, "does not call this model healthy"),
        ({"schema_id": "gradgate.verdict/v2"}, "this gradgate reads gradgate.verdict/v1"),
    ],
)
def test_a_verdict_that_does_not_say_yes_is_14(call, judged, changes, reason):
    judged(**changes)
    done = call("verify", "--model", "model", "--verdict", "verdict.json")
    assert done.returncode == Exit.NOT_VERIFIED
    assert reason in done.stdout


def test_what_a_policy_in_shadow_let_by_is_verified(call, judged):
    judged(mode="shadow", decision="warn", would_decide="block", healthy=False)
    assert call("verify", "--model", "model", "--verdict", ".").returncode == Exit.OK


def test_an_edited_verdict_is_14(call, judged, tmp_path):
    judged(decision="block", blessed=False, healthy=False)
    document = json.loads((tmp_path / "verdict.json").read_text())
    document |= {"decision": "ok", "blessed": True, "healthy": True}
    (tmp_path / "verdict.json").write_text(json.dumps(document))
    done = call("verify", "--model", "model", "--verdict", "verdict.json")
    assert done.returncode == Exit.NOT_VERIFIED
    assert "was changed after it was given" in done.stdout


@pytest.mark.parametrize(
    ("model", "verdict", "reason"),
    [
        ("nowhere", "verdict.json", "nowhere: not a directory"),
        ("model", "nowhere", "nowhere: No such file or directory. Name a verdict.json"),
        ("model", "model/saved_model.pb", "is no verdict"),
    ],
)
def test_what_is_missing_is_14_and_no_traceback(call, judged, model, verdict, reason):
    judged()
    done = call("verify", "--model", model, "--verdict", verdict)
    assert done.returncode == Exit.NOT_VERIFIED
    assert reason in done.stdout
    assert done.stderr == ""


def test_both_must_be_named(call):
    assert call("verify", "--model", ".").returncode == 2
