"""The judge needs no TensorFlow: the same decisions, in an environment that has none of it."""

import json
import os
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def check(base_python):
    """Runs `gradgate check` with the base package alone."""
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}

    def run(record, *arguments):
        return subprocess.run(
            [base_python, "-m", "gradgate", "check", record, *arguments],
            env=environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_there_is_no_tensorflow_tfx_or_mlflow_in_that_environment(base_python):
    names = "tensorflow", "tfx", "mlflow"
    code = f"import importlib.util as u; print([u.find_spec(name) for name in {names}])"
    done = subprocess.run([base_python, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[None, None, None]"


@pytest.mark.parametrize(
    ("config", "status"), [("sound", 0), ("silent_nan", 10), ("saturated", 10)]
)
def test_the_decision_and_its_evidence_are_the_same(check, request, workspace, config, status):
    from pipeline.configs import load
    from pipeline.workspace import Workspace

    result, _ = request.getfixturevalue(config)
    baselines = Workspace(workspace).baselines(load(result.config))
    place = "--baselines", baselines, "--as-of", result.verdict.as_of
    done = check(result.record, "--model", result.model, *place, "--format", "json")
    assert done.returncode == status, done.stderr
    verdict = json.loads(done.stdout)
    there = result.verdict.document()
    assert verdict["decision"] == there["decision"]
    assert verdict["findings"] == there["findings"]
    assert verdict["subject"] == there["subject"]
    assert verdict["integrity"] == there["integrity"]


def test_the_model_beside_the_record_is_found(check, sound):
    result, _ = sound
    assert check(result.record).returncode == 0


def test_another_runs_model_is_refused(check, sound, saturated):
    (good, _), (bad, _) = sound, saturated
    done = check(bad.record, "--model", good.model)
    assert done.returncode == 12
    assert "I-MODEL-DIGEST" in done.stdout


def test_a_record_that_is_cut_off_anywhere_never_passes(check, sound, tmp_path):
    """In this process, at many places; then once by the command, for its exit status."""
    import shutil

    from gradgate.gate import Evidence, RecordProblem, judge, load_policy
    from gradgate.telemetry.reader import RecordError, open_record

    result, _ = sound
    policy = load_policy((ROOT / "pipeline" / "policies" / "default.yaml").read_bytes())
    shutil.copytree(result.record, tmp_path / "record")
    for path in sorted((tmp_path / "record").rglob("*.*")):
        if path.name in {"tracking.json", "mlflow_run.json"}:  # where its mirror is, no evidence
            continue
        whole = path.read_bytes()
        for length in range(0, len(whole), max(1, len(whole) // 40)):
            path.write_bytes(whole[:length])
            try:
                evidence = Evidence.of(open_record(tmp_path / "record"))
            except RecordError as error:
                evidence = RecordProblem(code=error.code, message=error.message)
            verdict = judge(policy, evidence, model=None, as_of="", training_only=True)
            assert verdict.decision == "block", (path.name, length)
        path.write_bytes(whole)
    part = next((tmp_path / "record" / "parts").iterdir())
    part.write_bytes(part.read_bytes()[:-1])
    assert check(tmp_path / "record", "--model", result.model).returncode == 12
