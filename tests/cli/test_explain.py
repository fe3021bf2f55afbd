"""`gradgate explain`, from the verdict that `check` wrote."""

import json
import os
import shutil
from importlib import resources
from pathlib import Path

import numpy as np

import gradgate.gate
from gradgate.cli.exits import Exit

GOLDEN_RUNS = Path(gradgate.gate.__file__).parent / "golden_runs"


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


def test_a_verdict_is_explained_in_every_format(call, make_record):
    record = make_record(spoil=nan_gradient)
    call("check", record, "--training-only", "--format", "json", "--out", "verdict.json")
    for form, start in (
        ("json", "{"),
        ("html", "\n<!doctype html>"),
        ("junit", "<?xml"),
        ("sarif", "{"),
    ):
        done = call("explain", "verdict.json", "--format", form)
        assert done.returncode == Exit.OK, done.stderr
        assert done.stdout.lstrip().startswith(start.lstrip())
        assert "nonfinite-gradient" in done.stdout


def test_one_rule_can_be_asked_for(call, make_record):
    record = make_record(spoil=nan_gradient)
    call("check", record, "--training-only", "--format", "json", "--out", "verdict.json")
    done = call("explain", "verdict.json", "--rule", "clip-saturation")
    assert "ok clip-saturation" in done.stdout
    assert "what to change" not in done.stdout
    done = call("explain", "verdict.json", "--rule", "nothing")
    assert done.returncode == 2
    assert done.stderr.startswith(
        "cannot explain: The verdict has no rule 'nothing'; its rules are"
    )
    done = call("explain", "verdict.json", "--rule", "clip-saturation", "--format", "html")
    assert done.returncode == 2
    assert "--rule goes with --format text" in done.stderr


def test_last_nights_verdict_is_found_below_a_pipeline_root(call, make_record, tmp_path):
    record = make_record(spoil=nan_gradient)
    for night, as_of in (("7", "2026-01-07T05:00:00Z"), ("10", "2026-01-08T05:00:00Z")):
        folder = tmp_path / "root" / "GradientGate" / "verdict" / night
        folder.mkdir(parents=True)
        given = ("--training-only", "--format", "json", "--as-of", as_of)
        call("check", record, *given, "--out", folder / "verdict.json")
    (tmp_path / "root" / "other").mkdir()
    (tmp_path / "root" / "other" / "verdict.json").write_text("{}")
    done = call("explain", "root")
    assert done.returncode == Exit.OK
    left_out, found = done.stderr.splitlines()
    assert left_out.startswith("left out: root/other/verdict.json: is no verdict")
    assert found == "root/GradientGate/verdict/10/verdict.json, the newest of 2 found"
    assert "--as-of 2026-01-08T05:00:00Z" in done.stdout
    assert call("explain", "record").returncode == Exit.CANNOT_JUDGE


def test_the_command_that_judges_again_can_be_copied_as_it_is(
    run_cli, call, make_record, tmp_path, monkeypatch
):
    (tmp_path / "root" / "Trainer" / "model" / "5" / "Format-Serving").mkdir(parents=True)
    (tmp_path / "root" / "Trainer" / "model" / "5" / "Format-Serving" / "pb").write_bytes(b"x")
    record = make_record("root/Trainer/gradient_health/5", nan_gradient)
    make_record("root/Trainer/gradient_health/4", training_uid="another")
    folder = tmp_path / "root" / "GradientGate" / "verdict" / "7"
    folder.mkdir(parents=True)
    given = ("--as-of", "2026-01-07T05:00:00Z", "--format", "json")
    call("check", record, *given, "--out", folder / "verdict.json")
    (folder / "policy.yaml").write_bytes(default_policy())
    (folder / "report.html").write_text("")
    place = "root/GradientGate/verdict/7"
    shown = call("explain", "root").stdout
    assert f"the report, with charts\n  {place}/report.html\n" in shown
    (command,) = (line.strip() for line in shown.splitlines() if "gradgate check root" in line)
    assert command == (
        "gradgate check root/Trainer/gradient_health/5 --model"
        " root/Trainer/model/5/Format-Serving"
        f" --policy {place}/policy.yaml --as-of 2026-01-07T05:00:00Z"
    )
    again = run_cli(*command.split()[1:], "--format", "json")
    assert again.stdout == (folder / "verdict.json").read_text()
    monkeypatch.chdir(folder)
    command = f"gradgate check {record} --model {record.parents[1]}/model/5/Format-Serving"
    assert f"{command} --policy policy.yaml" in call("explain", ".").stdout


def default_policy():
    return (resources.files("gradgate.gate") / "policies" / "default.yaml").read_bytes()


def test_what_is_not_found_is_for_the_reader_to_put_in(call, make_record, tmp_path):
    record = make_record(spoil=nan_gradient)
    folder = tmp_path / "a" / "b" / "c"
    folder.mkdir(parents=True)
    policy = tmp_path / "own.yaml"
    policy.write_bytes(default_policy().replace(b"revision: 1", b"revision: 7"))
    given = ("--training-only", "--policy", policy, "--format", "json")
    call("check", record, *given, "--out", folder / "verdict.json")
    record.rename(tmp_path / "a" / "moved")
    shown = call("explain", folder).stdout
    assert "gradgate check RECORD --training-only --policy POLICY --as-of" in shown
    assert "  (write where it lies, for RECORD, POLICY)\n" in shown
    assert "the report" not in shown


def test_a_verdict_beside_its_record_and_baselines_is_judged_again_by_the_copied_command(
    call, tmp_path
):
    shutil.copytree(GOLDEN_RUNS / "baseline-drift" / "record", tmp_path / "runs" / "record")
    shutil.copytree(GOLDEN_RUNS / "baseline-drift" / "baselines", tmp_path / "baselines" / "ranker")
    given = ("--as-of", "2026-11-23T05:40:00Z", "--baselines", "baselines/ranker")
    out = ("--format", "json", "--out", "runs/verdict.json")
    told = call("check", "runs/record", "--training-only", *given, *out)
    cause = "possible cause: Something changed since the earlier trainings"
    assert told.stderr.splitlines()[1] == cause
    shown = call("explain", "runs").stdout
    assert cause in shown.split("\n\n")[0]
    assert "write where it lies" not in shown
    (command,) = (line.strip() for line in shown.splitlines() if "gradgate check" in line)
    assert command.startswith("gradgate check runs/record --training-only --policy ")
    again = call(*command.split()[1:], "--format", "json")
    assert again.stderr == ""
    assert again.stdout == (tmp_path / "runs" / "verdict.json").read_text()


def test_a_copy_of_a_verdict_counts_once_and_its_own_place_is_named(call, make_record, tmp_path):
    folder = tmp_path / "root" / "GradientGate" / "verdict" / "7"
    copy = tmp_path / "root" / "mlflow" / "artifacts" / "8f2a" / "artifacts" / "gradgate"
    folder.mkdir(parents=True)
    record = make_record(spoil=nan_gradient)
    call("check", record, "--training-only", "--format", "json", "--out", folder / "verdict.json")
    copy.mkdir(parents=True)
    shutil.copy(folder / "verdict.json", copy)
    assert call("explain", "root").stderr == (
        "root/GradientGate/verdict/7/verdict.json, the newest of 1 found\n"
    )


def test_a_record_that_nobody_judged_says_what_to_do(run_cli, make_record):
    record = make_record()
    done = run_cli("explain", record)
    assert done.returncode == Exit.CANNOT_JUDGE
    assert done.stderr == (
        f"cannot explain: {record} is a health record, which nobody judged yet. Judge it first:"
        f" gradgate check {record} --training-only --format json --out verdict.json\n"
    )
