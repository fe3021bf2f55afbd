"""`gradgate check`: every documented exit status, and what stands on the screen."""

import json
import re
import sys
from datetime import datetime, timedelta, timezone

import numpy as np
import pytest

from gradgate.cli.exits import Exit, exit_status
from gradgate.contracts import Verdict

STRICTER = """
apiVersion: gradgate/v1
kind: TrainingHealthPolicy
metadata: {id: mine, revision: 1, owner: me}
rules:
  - {id: loss, signal: loss.nonfinite, aggregate: {fn: sum}, expect: {op: "==", value: 0}}
  - {id: small, signal: gradient.global_norm, aggregate: {fn: max}, expect: {op: "<", value: 0.5},
     severity: warn}
"""


def nan_gradient(steps):
    steps.norms[77, 1] = np.nan
    steps.global_norm[77] = np.nan


def test_a_sound_training_is_ok(run_cli, make_record):
    done = run_cli("check", make_record(), "--training-only")
    assert done.returncode == Exit.OK, done.stdout + done.stderr
    assert done.stdout.startswith("OK")


def test_a_sick_training_is_blocked_with_step_and_variable(run_cli, make_record):
    done = run_cli("check", make_record(spoil=nan_gradient), "--training-only")
    assert done.returncode == Exit.BLOCKED
    headline = done.stdout.splitlines()[0]
    assert headline.startswith("BLOCK nonfinite-gradient")
    assert "step 77" in headline
    assert "m/dense/bias" in headline


def test_warnings_fail_only_when_asked(run_cli, make_record, tmp_path):
    (tmp_path / "p.yaml").write_text(STRICTER)
    arguments = ("check", make_record(), "--training-only", "--policy", "p.yaml")
    assert run_cli(*arguments).returncode == Exit.OK
    assert run_cli(*arguments, "--fail-on-warn").returncode == Exit.WARNED


@pytest.mark.parametrize("keep", ["nothing", "half a part", "no manifest"])
def test_a_record_that_is_not_whole_cannot_be_judged(run_cli, make_record, keep):
    record = make_record()
    if keep == "nothing":
        record = record / "nowhere"
    elif keep == "half a part":
        part = record / "parts" / "00000.parquet"
        part.write_bytes(part.read_bytes()[: part.stat().st_size // 2])
    else:
        (record / "manifest.json").unlink()
    done = run_cli("check", record, "--training-only")
    assert done.returncode == Exit.CANNOT_JUDGE
    assert "Traceback" not in done.stderr
    assert done.stdout.startswith("BLOCK T-")


def test_without_a_model_nothing_can_be_blessed(run_cli, make_record):
    done = run_cli("check", make_record())
    assert done.returncode == Exit.CANNOT_JUDGE
    assert "I-MODEL" in done.stdout
    assert done.stderr == (
        "no model lies beside the record: name it by --model, or give --training-only to judge the"
        " training alone\n"
    )


def test_a_model_of_another_training_is_refused(run_cli, make_record, tmp_path):
    model = tmp_path / "model"
    model.mkdir()
    (model / "saved_model.pb").write_bytes(b"another")
    done = run_cli("check", make_record(), "--model", model)
    assert done.returncode == Exit.CANNOT_JUDGE
    assert "I-MODEL-UNBOUND" in done.stdout


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("rules: [", "policy.yaml"),
        (STRICTER.replace("loss.nonfinite", "loss.nonfinit"), "did you mean"),
        (STRICTER.replace("value: 0.5", "value: .nan"), "policy.yaml"),
    ],
)
def test_a_wrong_policy_is_said_to_be_wrong(run_cli, make_record, tmp_path, text, reason):
    (tmp_path / "policy.yaml").write_text(text)
    done = run_cli("check", make_record(), "--training-only", "--policy", "policy.yaml")
    assert done.returncode == Exit.BAD_POLICY
    assert reason.lower() in done.stderr.lower()
    assert "Traceback" not in done.stderr


def test_a_missing_policy_is_said_to_be_missing(run_cli, make_record):
    done = run_cli("check", make_record(), "--training-only", "--policy", "nowhere.yaml")
    assert done.returncode == Exit.BAD_POLICY
    assert "nowhere.yaml" in done.stderr


WAIVERS = """
apiVersion: gradgate/v1
kind: Waivers
waivers:
  - id: w-1
    policy: mine
    rule: loss
    reason: a batch of broken sensors
    owner: alice
    approved_by: bob
    created: 2026-01-01T00:00:00Z
    expires: 2026-03-01T00:00:00Z
"""


def nan_loss(steps):
    steps.loss[7] = np.nan


def test_a_waiver_turns_a_block_into_a_warning_until_it_ends(run_cli, make_record, tmp_path):
    (tmp_path / "p.yaml").write_text(STRICTER)
    now = datetime.now(timezone.utc)
    created, in_time, end = (
        (now + timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ") for days in (-1, 10, 20)
    )
    text = WAIVERS.replace("2026-01-01T00:00:00Z", created).replace("2026-03-01T00:00:00Z", end)
    (tmp_path / "w.yaml").write_text(text)
    arguments = ("check", make_record(spoil=nan_loss), "--training-only")
    arguments = (*arguments, "--policy", "p.yaml", "--as-of")
    given = ("--waivers", "w.yaml")
    assert run_cli(*arguments, in_time).returncode == Exit.BLOCKED
    done = run_cli(*arguments, in_time, *given)
    assert done.returncode == Exit.OK, done.stdout
    assert f"waived by w-1 until {end}: a batch of broken sensors" in done.stdout
    done = run_cli(*arguments, end, *given)
    assert done.returncode == Exit.BLOCKED
    assert f"waiver w-1 expired on {end}" in done.stdout


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (WAIVERS.replace("rule: loss", "rule: los"), "did you mean loss?"),
        (WAIVERS.replace("approved_by: bob", "approved_by: Alice"), "somebody else must approve"),
        (None, "cannot be read"),
    ],
)
def test_wrong_waivers_are_said_to_be_wrong(run_cli, make_record, tmp_path, text, reason):
    (tmp_path / "p.yaml").write_text(STRICTER)
    if text:
        (tmp_path / "w.yaml").write_text(text)
    arguments = ("check", make_record(), "--training-only", "--policy", "p.yaml")
    done = run_cli(*arguments, "--waivers", "w.yaml")
    assert done.returncode == Exit.BAD_POLICY
    assert done.stderr.startswith("cannot judge: w.yaml")
    assert reason in done.stderr


def test_a_policy_that_is_not_the_pinned_one_judges_nothing(run_cli, make_record):
    arguments = ("check", make_record(), "--training-only")
    done = run_cli(*arguments, "--policy-sha256", "sha256:0")
    assert done.returncode == Exit.BAD_POLICY
    digest = re.search(r"sha256:[0-9a-f]{64}", done.stdout)[0]
    assert run_cli(*arguments, "--policy-sha256", digest).returncode == Exit.OK


def test_wrong_usage_is_no_judgement(run_cli):
    assert run_cli("check").returncode == 2


def test_the_same_inputs_give_the_same_bytes(run_cli, make_record):
    record = make_record(spoil=nan_gradient)
    arguments = (
        "check",
        record,
        "--training-only",
        "--format",
        "json",
        "--as-of",
        "2026-01-01T00:00:00Z",
    )
    first = run_cli(*arguments)
    again = run_cli(*arguments, PYTHONHASHSEED="7", TZ="Asia/Tokyo", LC_ALL="C", PYTHONOPTIMIZE="2")
    assert first.stdout == again.stdout
    document = json.loads(first.stdout)
    assert document["decision"] == "block"
    assert Verdict.model_validate_json(first.stdout).computed_id() == document["verdict_id"]


@pytest.mark.parametrize(
    "text",
    [
        "yesterday",
        "",
        "2026-01-01",
        "2026-01-01T00:00:00",
        "2026-13-01T00:00:00Z",
        "2026-01-01T00:00:00+25:00",
    ],
)
def test_a_time_without_a_zone_is_wrong_usage(run_cli, text):
    done = run_cli("check", "nowhere", "--training-only", "--as-of", text)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == (
        "--as-of must be an RFC 3339 time with a zone, such as 2026-01-31T12:00:00Z; got"
        f" {text!r}\n"
    )


@pytest.mark.parametrize("text", ["2026-01-01t00:00:00.123456789z", "2026-01-01T00:00:00-05:30"])
def test_every_rfc_3339_time_is_taken_as_it_is(run_cli, make_record, text):
    done = run_cli("check", make_record(), "--training-only", "--as-of", text, "--format", "json")
    assert json.loads(done.stdout)["as_of"] == text


@pytest.mark.parametrize("out", [".", "no/such/folder/report", "record/manifest.json/report"])
def test_a_report_that_cannot_be_written_is_one_line(run_cli, make_record, out):
    done = run_cli("check", make_record(), "--training-only", "--out", out)
    assert done.returncode == 2
    assert done.stderr.startswith(f"cannot write --out {out}: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("form", ["html", "markdown", "text", "json", "junit", "sarif"])
def test_every_format_can_be_written_to_a_file(run_cli, make_record, tmp_path, form):
    out = tmp_path / "report"
    done = run_cli("check", make_record(), "--training-only", "--format", form, "--out", out)
    assert done.returncode == Exit.OK
    assert out.stat().st_size > 500
    assert "written to" in done.stderr
    assert done.stdout == ""


def test_damage_comes_before_what_the_rules_say():
    fields = {
        "decision": "block",
        "blessed": False,
        "healthy": False,
        "headline": "",
        "subject": {},
        "inputs": {"gate_version": "0"},
        "as_of": "",
    }

    def status(**changes):
        return exit_status(Verdict.model_validate_json(json.dumps(fields | changes)))

    assert status() == Exit.BLOCKED
    assert status(integrity=[{"code": "T-CORRUPT", "status": "fail"}]) == Exit.CANNOT_JUDGE
    assert status(integrity=[{"code": "P-SCHEMA", "status": "fail"}]) == Exit.BAD_POLICY
    assert status(integrity=[{"code": "T-CORRUPT", "status": "pass"}]) == Exit.BLOCKED


def test_two_worker_processes_say_what_one_says(run_cli, make_record):
    """The only test that starts Beam's workers: they take ten seconds to come up."""
    record = make_record(spoil=nan_gradient)
    arguments = ("check", record, "--training-only", "--as-of", "2099-01-01T00:00:00Z")
    arguments += ("--format", "json")
    workers = "--runner=DirectRunner --direct_num_workers=2 --direct_running_mode=multi_processing"
    on_beam = ("--engine", "beam", "--beam-pipeline-args", workers)
    done = run_cli(*arguments, *on_beam, timeout=400)
    assert done.returncode == Exit.BLOCKED, done.stderr
    assert done.stdout == run_cli(*arguments).stdout


def test_arguments_for_no_pipeline_are_refused(call, make_record):
    done = call("check", make_record(), "--training-only", "--beam-pipeline-args", "--x=1")
    assert done.returncode == Exit.USAGE
    assert done.stderr == "--beam-pipeline-args is for --engine beam alone: add that\n"


def test_arguments_that_are_no_shell_words_are_refused(call, make_record):
    arguments = ("--engine", "beam", "--beam-pipeline-args", "--x='")
    done = call("check", make_record(), "--training-only", *arguments)
    assert done.returncode == Exit.USAGE
    assert done.stderr == '--beam-pipeline-args "--x=\'": No closing quotation\n'


def test_without_beam_its_engine_is_refused(call, make_record, monkeypatch):
    monkeypatch.setitem(sys.modules, "gradgate.gate.engines.beam", None)
    done = call("check", make_record(), "--training-only", "--engine", "beam")
    assert done.returncode == Exit.USAGE
    assert done.stderr.startswith("--engine beam needs Apache Beam, which cannot be imported")
