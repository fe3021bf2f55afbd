"""`gradgate replay`: what a new policy would have decided of the past."""

import json
import os
import shutil

import numpy as np
import pytest

from gradgate.cli.exits import Exit
from gradgate.cli.fixtures import golden_runs

LOSS_ONLY = """\
apiVersion: gradgate/v1
kind: TrainingHealthPolicy
metadata: {id: loss-only, revision: 2, owner: me}
rules:
  - {id: loss, signal: loss.nonfinite, aggregate: {fn: sum}, expect: {op: "==", value: 0}}
"""
NO_CLIP = LOSS_ONLY.replace("loss-only", "no-clip").replace("loss.nonfinite", "clip.saturation")


def clipped(steps):
    steps.clipped[:] = True
    steps.clip_scale[:] = steps.clipped_norm[:] = 0.5


def nan_loss(steps):
    steps.loss[60] = np.nan


@pytest.fixture
def past(tmp_path, make_record, call):
    """Three trainings, the first two with verdicts of the policy `loss-only`."""
    (tmp_path / "loss-only.yaml").write_text(LOSS_ONLY)
    (tmp_path / "no-clip.yaml").write_text(NO_CLIP)
    for name, spoil in (("clipped", clipped), ("nan", nan_loss), ("unjudged", clipped)):
        make_record(f"past/records/{name}", spoil, training_uid=name)
        if name != "unjudged":
            folder = tmp_path / "past" / "verdicts" / name
            folder.mkdir(parents=True)
            arguments = ("--policy", "loss-only.yaml", "--format", "json", "--training-only")
            record = f"past/records/{name}"
            call("check", record, *arguments, "--out", folder / "verdict.json")


def test_what_would_have_been_blocked_is_counted(run_cli, past):
    done = run_cli("replay", "past", "--policy", "no-clip.yaml")
    assert done.returncode == Exit.OK, done.stderr
    assert done.stdout.splitlines() == [
        "   record                 was    would be",
        "+  past/records/clipped   ok     block     BLOCK loss: clipped at step 0",
        "-  past/records/nan       block  ok        OK: 1 of 1 rules passed",
        "   past/records/unjudged  ?      block     BLOCK loss: clipped at step 0",
        "",
        "rule  blocks  warns",
        "loss  2       0",
        "",
        "no-clip, revision 2: would have blocked 2 of 3, and warned of 0",
        "against 2 verdicts: 1 blocked that were not, 1 not blocked that were",
        "no verdict was found on 1",
    ]


def test_a_training_and_its_copies_are_one(call, past, tmp_path):
    # As TFX keeps it, the record beside its model, and as MLflow mirrors it.
    beside = tmp_path / "past" / "Trainer" / "gradient_health" / "7"
    shutil.copytree(tmp_path / "past" / "records" / "nan", beside)
    (beside.parent.parent / "model" / "7" / "Format-Serving").mkdir(parents=True)
    shutil.copytree(beside, tmp_path / "past" / "mlflow" / "record")
    done = call("replay", "past", "--policy", "loss-only.yaml", "--format", "json")
    document = json.loads(done.stdout)
    assert document["total"] == 3
    assert document["blocked"] == 1
    (nan,) = (one for one in document["records"] if one["training_uid"] == "nan")
    assert nan["record"] == "past/Trainer/gradient_health/7"
    assert done.stderr == "left out: 2 copies of these records\n"


def test_the_policy_that_judged_changes_nothing(call, past):
    done = call("replay", "past", "--policy", "loss-only.yaml", "--format", "json")
    document = json.loads(done.stdout)
    assert (document["newly_blocked"], document["no_longer_blocked"]) == (0, 0)
    assert [one["change"] for one in document["records"]] == ["none"] * 3
    assert [one["was"] for one in document["records"]] == ["ok", "block", None]
    assert document["records"][0]["verdict_id"].startswith("sha256:")
    assert document["records"][0]["training_uid"] == "clipped"
    assert document["without_verdict"] == 1
    assert document["rules"] == [{"rule": "loss", "blocks": 1, "warns": 0}]


def test_a_policy_in_shadow_is_replayed_as_if_it_were_enforced(call, past, tmp_path):
    (tmp_path / "shadow.yaml").write_text(NO_CLIP + "mode: shadow\n")
    done = call("replay", "past", "--policy", "shadow.yaml", "--format", "json")
    document = json.loads(done.stdout)
    assert (document["blocked"], document["newly_blocked"]) == (2, 1)
    assert document["rules"] == [{"rule": "loss", "blocks": 2, "warns": 0}]


def test_what_was_waived_when_the_training_ended_warns(call, past, write_waivers):
    arguments = ("replay", "past", "--policy", "no-clip.yaml", "--format", "json")
    write_waivers("now.yaml", policy="no-clip", rule="loss")
    write_waivers("later.yaml", policy="no-clip", rule="loss", first_day=1, last_day=20)
    for name, numbers in (("now", (0, 2)), ("later", (2, 0))):
        document = json.loads(call(*arguments, "--waivers", f"{name}.yaml").stdout)
        assert (document["blocked"], document["warned"]) == numbers
    write_waivers("other.yaml", policy="other", rule="loss")
    done = call(*arguments, "--waivers", "other.yaml")
    assert done.returncode == Exit.BAD_POLICY
    assert done.stderr.startswith("cannot use the waivers: other.yaml:")


def test_only_the_newest_can_be_asked_for(call, past):
    document = json.loads(call("replay", "past", "--last", "1", "--format", "json").stdout)
    assert [one["record"] for one in document["records"]] == ["past/records/unjudged"]


def test_the_last_of_several_verdicts_counts(call, past, tmp_path):
    call(
        "check", "past/records/clipped", "--training-only", "--policy", "no-clip.yaml", "--format",
        "json", "--as-of", "2199-01-01T00:00:00Z", "--out", "past/verdict.json",
    )  # fmt: skip
    document = json.loads(call("replay", "past", "--format", "json").stdout)
    assert document["records"][0]["was"] == "block"


def test_a_verdict_that_was_edited_is_left_out_and_named(call, past, tmp_path):
    file = tmp_path / "past" / "verdicts" / "nan" / "verdict.json"
    file.write_text(file.read_text().replace("BLOCK loss", "OK loss"))
    done = call("replay", "past", "--format", "json")
    assert done.stderr.startswith("left out: past/verdicts/nan/verdict.json: the verdict was")
    assert json.loads(done.stdout)["without_verdict"] == 2


def test_records_are_found_wherever_they_lie_and_however_damaged(call, tmp_path):
    shutil.copytree(golden_runs(), tmp_path / "runs")
    (tmp_path / "runs" / "healthy" / "record" / "manifest.json").unlink()
    manifest = tmp_path / "runs" / "vanishing" / "record" / "manifest.json"
    manifest.write_text(manifest.read_text().replace("golden-run", "golden-hen"))
    (tmp_path / "runs" / "manifest.json").write_text('{"name": "of something else"}')
    (tmp_path / "runs" / "pipe").mkdir()
    os.mkfifo(tmp_path / "runs" / "pipe" / "manifest.json")
    os.mkfifo(tmp_path / "runs" / "pipe" / "verdict.json")
    document = json.loads(call("replay", "runs", "runs/resume/..", "--format", "json").stdout)
    assert document["total"] == 13
    would_be = {one["record"]: one for one in document["records"]}
    assert would_be["runs/healthy/record"]["headline"].startswith("BLOCK T-UNFINALIZED")
    assert would_be["runs/vanishing/record"]["headline"].startswith("BLOCK T-CORRUPT")
    assert would_be["runs/amp-skips/record"]["would_be"] == "ok"


def test_no_record_is_12(call, tmp_path):
    (tmp_path / "empty").mkdir()
    for name in ("empty", "nowhere"):
        done = call("replay", name)
        assert done.returncode == Exit.CANNOT_JUDGE == 12
        assert done.stderr.startswith(f"cannot replay: {name}: holds no health record")


def test_a_wrong_policy_is_13(call, past, tmp_path):
    (tmp_path / "wrong.yaml").write_text("rules: 1")
    assert call("replay", "past", "--policy", "wrong.yaml").returncode == Exit.BAD_POLICY
