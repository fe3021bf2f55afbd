"""What people see of the three runs: MLflow's store and TensorBoard's log, both read back."""

import pytest

from pipeline.configs import load
from pipeline.workspace import Workspace

NAME = load("sound").example
pytestmark = [pytest.mark.e2e, pytest.mark.half("second")]


@pytest.fixture(scope="module")
def store(workspace, sound, silent_nan, saturated):
    """MLflow's client on the workspace's store, once everything was sent."""
    from mlflow import MlflowClient

    from gradgate.telemetry.sinks.mlflow_outbox import Outbox
    from gradgate.telemetry.sinks.mlflow_place import embedded_uri

    place = Workspace(workspace)
    outbox = Outbox(place.mlflow)
    assert outbox.wait_until_empty(120), (place.mlflow / "sender.log").read_text()
    outbox.stop_sender()
    assert not (place.mlflow / "outbox-failed").exists(), (place.mlflow / "sender.log").read_text()
    return MlflowClient(embedded_uri(place.mlflow))


@pytest.fixture(scope="module")
def runs(store):
    experiment = store.get_experiment_by_name(NAME).experiment_id
    return {run.info.run_name: run for run in store.search_runs([experiment])}


def test_each_run_is_named_after_pipeline_and_attempt(runs):
    assert {f"{NAME} {name} #1" for name in ("sound", "silent-nan", "saturated")} <= set(runs)


def test_the_verdict_is_on_the_runs_page(runs, silent_nan):
    result, _ = silent_nan
    tags = runs[f"{NAME} silent-nan #1"].data.tags
    assert tags["gradgate.decision"] == "block"
    assert tags["gradgate.verdict_id"] == result.verdict.verdict_id
    assert tags["gradgate.first_offence"] == "nonfinite-gradient, step 0, taxi/dense_1/kernel"
    assert tags["mlflow.note.content"].startswith("## BLOCKED\n\nnonfinite-gradient")
    assert "What to change" in tags["mlflow.note.content"]


def test_reports_policy_and_record_are_artifacts(store, runs):
    run_id = runs[f"{NAME} saturated #1"].info.run_id
    names = {file.path for file in store.list_artifacts(run_id, "gradgate")}
    assert {f"gradgate/{name}" for name in ("report.html", "report.md", "verdict.json")} <= names
    assert {"gradgate/policy.yaml", "gradgate/record"} <= names


def test_charts_are_grouped_and_finite(store, runs):
    run = runs[f"{NAME} silent-nan #1"]
    groups = {key.split("/")[0] for key in run.data.metrics}
    assert {"grad", "grad_l2_log10", "grad_mean_abs_log10", "train"} <= groups
    assert run.data.metrics["grad/nonfinite_steps_total"] == load("silent-nan").training.steps
    saturated = runs[f"{NAME} saturated #1"].info.run_id
    rate = store.get_metric_history(saturated, "grad/clip_rate_last_100")
    assert max(rate, key=lambda point: point.step).value > 0.95


def test_guard_and_optimizer_are_parameters(runs):
    params = runs[f"{NAME} sound #1"].data.params
    assert params["guard.clip"] == "clip_by_global_norm(max_norm=1.0)"
    assert params["optimizer.name"] == "Adam"
    assert params["run.seed"] == str(load("sound").training.seed)


def test_only_the_sound_model_is_registered(store, sound):
    result, _ = sound
    versions = store.search_model_versions(f"name='{NAME}'")
    digests = [version.tags["gradgate.model_digest"] for version in versions]
    assert result.verdict.subject.model_digest in digests
    assert len(digests) == len(set(digests))
    champion = store.get_model_version_by_alias(NAME, "champion")
    assert champion.tags["gradgate.decision"] != "block"


def test_tensorboard_finds_scalars_in_the_model_run(silent_nan):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    result, _ = silent_nan
    execution = result.model.parent.name
    folder = result.model.parents[2] / "model_run" / execution / "gradgate"
    events = EventAccumulator(str(folder))
    events.Reload()
    tags = events.Tags()["tensors"]
    assert "gradgate/global_norm" in tags
    assert "gradient_norm/dense_1/kernel" in tags
    assert "custom_scalars__config__" in tags
