"""`gradgate explain`, from the verdict that `check` wrote."""

import json
import os

import numpy as np

from gradgate.cli.exits import Exit


def nan_gradient(steps):
    steps.norms[77, 1] = np.nan


def test_a_blocked_model_is_explained(run_cli, make_record, tmp_path):
    record = make_record(spoil=nan_gradient)
    run_cli("check", record, "--training-only", "--format", "json", "--out", "verdict.json")
    for place in (tmp_path, tmp_path / "verdict.json"):
        done = run_cli("explain", place)
        assert done.returncode == 0, done.stderr
        for part in (
            "nonfinite-gradient",
            "step 77",
            "m/dense/bias",
            "what to change",
            "gradgate check",
        ):
            assert part in done.stdout


def test_an_edited_verdict_is_not_explained(run_cli, make_record, tmp_path):
    run_cli("check", make_record(), "--training-only", "--format", "json", "--out", "verdict.json")
    document = json.loads((tmp_path / "verdict.json").read_text())
    (tmp_path / "verdict.json").write_text(json.dumps(document | {"headline": "all is well"}))
    done = run_cli("explain", "verdict.json")
    assert done.returncode == Exit.CANNOT_JUDGE
    assert "damaged or edited" in done.stderr


def test_what_is_no_verdict_is_refused(run_cli, tmp_path):
    (tmp_path / "a.json").write_text("{}")
    (tmp_path / "b.json").write_text("{")
    for name, reason in (("a.json", "Field required"), ("b.json", "no verdict"), ("c", "No such")):
        done = run_cli("explain", name)
        assert done.returncode == Exit.CANNOT_JUDGE
        assert reason in done.stderr
        assert "Traceback" not in done.stderr


def test_what_is_no_plain_file_is_refused_at_once(run_cli, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for name in ("pipe", "/dev/zero"):
        done = run_cli("explain", name)
        assert done.returncode == Exit.CANNOT_JUDGE
        assert "is not a plain file" in done.stderr
