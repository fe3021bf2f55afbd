"""A training without TFX in MLflow and TensorBoard, its verdict on the page of its run."""

import importlib.util
import json

import keras
import numpy as np
import pytest
from typer.testing import CliRunner

import gradgate
from gradgate.cli import app
from gradgate.cli.exits import Exit
from gradgate.training.context import TrainingContext
from gradgate.training.settings import GuardSettings


@pytest.fixture
def model():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)], name="net")
    model.compile("sgd", "mse")
    return model


@pytest.mark.half("first")  # it asks MLflow and nothing of the stack
def test_a_training_without_tfx_is_a_run_with_its_verdict_on_top(tmp_path, model, monkeypatch):
    from mlflow import MlflowClient

    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    x = np.random.default_rng(0).normal(size=(256, 4)).astype("float32")
    record, verdict = tmp_path / "record", tmp_path / "verdict"
    with gradgate.instrument(
        model,
        record,
        statistics_every=2,
        tracking=gradgate.Tracking(experiment="alone"),
        tensorboard=tmp_path / "logs",
    ):
        model.fit(x, x.sum(1), batch_size=16, epochs=4, verbose=0)
    (log,) = (tmp_path / "logs").iterdir()
    assert b"gradgate/global_norm" in log.read_bytes()
    command = ["check", str(record), "--training-only", "--verdict-dir", str(verdict)]
    done = CliRunner().invoke(app, command)
    assert done.exit_code in {Exit.OK, Exit.BLOCKED}, done.output
    names = {str(path.relative_to(verdict)) for path in verdict.rglob("*")}
    assert {"verdict.json", "policy.yaml", "report.html", "plots/loss.svg"} <= names
    client = MlflowClient(f"sqlite:///{tmp_path / 'mlflow' / 'mlflow.db'}")
    (run,) = client.search_runs([client.get_experiment_by_name("alone").experiment_id])
    assert run.info.status == "FINISHED"
    decision = json.loads((verdict / "verdict.json").read_text())["decision"]
    assert run.data.tags["gradgate.decision"] == decision
    assert len(client.get_metric_history(run.info.run_id, "grad/global_norm")) == 64


def test_in_a_tfx_pipeline_the_trainer_says_what_shows_it(tmp_path, model):
    context = TrainingContext(tmp_path / "record", GuardSettings(), "t")
    with pytest.raises(ValueError, match=r"Here say gradgate\.Trainer\(tracking=\.\.\.\)"):
        gradgate.instrument(model, context, tracking=gradgate.Tracking())


def test_what_is_not_installed_is_said_at_once(tmp_path, model, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r"needs mlflow, which is not installed"):
        gradgate.instrument(model, tmp_path / "record", tracking=gradgate.Tracking())
    assert not (tmp_path / "record").exists()
