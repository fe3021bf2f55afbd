"""The MLflow mirror, against a real SQLite store."""

import json
import logging
import os
import subprocess
import sys
import time

import numpy as np
import psutil
import pytest
from mlflow import MlflowClient

from gradgate.contracts import Tracking, Verdict
from gradgate.telemetry.sinks.mlflow import MlflowSink, publish_push, publish_verdict
from gradgate.telemetry.sinks.mlflow_outbox import Outbox
from gradgate.telemetry.sinks.mlflow_page import note
from gradgate.telemetry.sinks.mlflow_place import read_place, write_place
from gradgate.telemetry.sinks.mlflow_series import choose_variables, series
from gradgate.telemetry.writer import RecordWriter


@pytest.fixture(autouse=True)
def no_server(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)  # MLflow leaves an `mlruns` wherever it stands
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_RUN_ID"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def no_sender_left(tmp_path):
    yield
    for process in psutil.process_iter(["cmdline"]):
        if str(tmp_path / "mlflow") in (process.info["cmdline"] or ()):
            process.kill()
            process.wait(10)


def verdict(**changes):
    fields = {
        "decision": "block",
        "blessed": False,
        "healthy": False,
        "headline": "BLOCK gradient.nonfinite: first at step 2 in m/dense/bias",
        "subject": {"model_digest": "sha256:" + "1" * 64, "training_uid": "t1"},
        "inputs": {
            "gate_version": "0",
            "policy": {"id": "default", "revision": 3, "sha256": "sha256:abc"},
        },
        "as_of": "2026-11-23T00:00:00Z",
        "findings": [
            {
                "id": "gradient.nonfinite",
                "signal": "gradient.nonfinite_applied",
                "status": "fail",
                "level": "block",
                "severity": "block",
                "evidence": "reported",
                "observed": {"variable": "m/dense/bias", "value": 1.0, "samples": 20},
                "expect": {"op": "==", "value": 0},
                "first_offence": {"step": 2, "variable": "m/dense/bias", "value": "NaN"},
                "message": "1 step",
                "prescription": "Impute <missing> values.",
            }
        ],
    }
    return Verdict.model_validate_json(json.dumps(fields | changes)).sealed()


def write_verdict(folder, document):
    folder.mkdir()
    (folder / "verdict.json").write_text(json.dumps(document.document()))
    (folder / "report.html").write_text("<p>report</p>")
    return folder


def test_a_training_its_verdict_and_its_push_are_one_run(tmp_path, card, batch):
    store, record = tmp_path / "mlflow", tmp_path / "record"
    tracking = Tracking(experiment="e", run_name="taxi sound", registered_model="taxi")
    writer = RecordWriter(record)
    sink = MlflowSink(tracking, record, store)
    writer.begin(card)
    sink.begin(card, training_uid="t1", planned_steps=20)
    steps = batch(0, 20)
    steps.norms[2, 1] = np.nan
    steps.loss[3] = np.inf
    writer.append(steps)
    sink.end(writer.finalize(training_uid="t1", status="completed", instrumented=True))

    folder = write_verdict(tmp_path / "verdict", verdict())
    publish_verdict(record, folder)
    publish_push(folder, "/serving/taxi", "16")  # of a blocked model: nothing is registered
    blessed = verdict(decision="ok", blessed=True, healthy=True)
    blessed = write_verdict(tmp_path / "blessed", blessed)
    write_place(blessed, read_place(record))
    for _ in range(2):  # again, as after a lost answer: still one version
        publish_push(blessed, "/serving/taxi", "17")
    assert Outbox(store).paths() == []

    client = MlflowClient(f"sqlite:///{store / 'mlflow.db'}")
    (run,) = client.search_runs([client.get_experiment_by_name("e").experiment_id])
    assert run.info.run_name == "taxi sound #1"
    assert run.info.status == "FINISHED"
    assert run.data.params["optimizer.name"] == "Adam"
    assert run.data.metrics["grad/nonfinite_steps_total"] == 1
    history = client.get_metric_history(run.info.run_id, "grad_l2_log10/01_dense.bias")
    assert [point.step for point in history] == [step for step in range(20) if step != 2]
    loss = client.get_metric_history(run.info.run_id, "train/loss")
    assert [point.step for point in loss] == [step for step in range(20) if step != 3]
    assert all(np.isfinite(point.value) for point in loss)

    assert run.data.tags["gradgate.decision"] == "block"
    assert run.data.tags["gradgate.first_offence"] == "gradient.nonfinite, step 2, m/dense/bias"
    assert run.data.tags["mlflow.note.content"].startswith(
        "## BLOCKED\n\ngradient.nonfinite: first"
    )
    names = [file.path for file in client.list_artifacts(run.info.run_id, "gradgate")]
    assert {"gradgate/report.html", "gradgate/verdict.json", "gradgate/record"} <= set(names)

    (version,) = client.search_model_versions("name='taxi'")
    assert version.tags["gradgate.model_digest"] == "sha256:" + "1" * 64
    assert client.get_model_version_by_alias("taxi", "champion").version == version.version


def test_a_killed_training_is_shown_as_killed(tmp_path, finished):
    code = f"""
import pathlib
from gradgate.contracts import ModelCard, Tracking
from gradgate.telemetry.sinks.mlflow import MlflowSink
record = pathlib.Path({str(finished)!r})
card = ModelCard.model_validate_json((record / "model.json").read_bytes())
sink = MlflowSink(Tracking(experiment="e"), record, pathlib.Path({str(tmp_path / "mlflow")!r}))
sink.begin(card, training_uid="t9", planned_steps=None)
"""
    (finished / "manifest.json").unlink()
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
    assert Outbox(tmp_path / "mlflow").wait_until_empty(90)
    client = MlflowClient(f"sqlite:///{tmp_path / 'mlflow' / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("e").experiment_id
    for _ in range(300):
        (run,) = client.search_runs([experiment])
        if run.info.status != "RUNNING":
            break
        time.sleep(0.1)
    assert run.info.status == "KILLED"
    assert "the training was killed" in run.data.tags["gradgate.record"]


def test_a_training_that_goes_on_after_it_was_killed_is_one_run(tmp_path, card, batch):
    store, record = tmp_path / "mlflow", tmp_path / "record"
    sink = MlflowSink(Tracking(experiment="e"), record, store)
    writer = RecordWriter(record)
    writer.begin_training("t1")
    writer.begin(card)
    sink.begin(card, training_uid="t1", planned_steps=20)
    writer.append(batch(0, 8))
    writer.save_checkpoint(5, 5 + 3, {})
    assert Outbox(store).wait_until_empty(90)
    client = MlflowClient(f"sqlite:///{store / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("e").experiment_id
    (run,) = client.search_runs([experiment])
    client.set_terminated(run.info.run_id, "KILLED")  # as the sender does for a dead process

    writer = RecordWriter.resume(record)
    writer.rewind(8, "a test")
    sink.begin(card, training_uid="t1", planned_steps=20)
    assert Outbox(store).wait_until_empty(90)
    assert client.get_run(run.info.run_id).info.status == "RUNNING"
    writer.append(batch(8, 4))
    sink.end(writer.finalize(training_uid="t1", status="completed", instrumented=True))
    (run,) = client.search_runs([experiment])
    assert run.info.status == "FINISHED"
    assert run.data.tags["gradgate.record"] == "finished; the training was resumed 1x"
    assert len(client.get_metric_history(run.info.run_id, "train/loss")) == 12


def test_a_server_that_is_down_costs_no_more_than_the_wait(tmp_path, finished, card, caplog):
    tracking = Tracking(uri="http://127.0.0.1:9", wait_seconds=1.0)  # nobody listens there
    folder = tmp_path / "mlflow"
    sink = MlflowSink(tracking, finished, folder)
    sink.begin(card, training_uid="t1", planned_steps=None)
    with caplog.at_level(logging.WARNING):
        sink.end(None)
    assert "2 messages are not sent after 1 s; they stay in" in caplog.text
    assert [path.name.split("-")[-1] for path in Outbox(folder).paths()] == [
        "begin.json",
        "training.json",
    ]


def test_a_job_that_can_never_be_sent_blocks_no_other(tmp_path, finished, card):
    folder = tmp_path / "mlflow"
    sink = MlflowSink(Tracking(experiment="e"), finished, folder)
    sink.begin(card, training_uid="t1", planned_steps=None)
    publish_verdict(finished, tmp_path)  # there is no verdict.json
    sink.end(None)
    assert Outbox(folder).paths() == []
    assert len(list((folder / "outbox-failed").iterdir())) == 1
    client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    (run,) = client.search_runs([client.get_experiment_by_name("e").experiment_id])
    assert run.info.status == "FINISHED"


def test_without_tracking_nothing_is_mirrored(tmp_path):
    publish_verdict(tmp_path, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_long_series_keeps_its_spike(card, batch):
    steps = batch(0, 10_000)
    steps.global_norm[:] = 1.0
    steps.global_norm[7321] = 99.0
    points = series(card, [steps], total=10_000, most_points=100, layers=24)
    norm = [point for point in points if point.key == "grad/global_norm"]
    assert len(norm) <= 100
    assert (7321, 99.0) in [(point.step, point.value) for point in norm]
    assert points == sorted(points)


def test_series_over_many_batches_equal_those_of_one(card, batch):
    steps = [batch(first, 10) for first in range(0, 300, 10)]
    whole = batch(0, 300)
    for name in ("loss", "global_norm", "clipped_norm", "clip_scale", "clipped", "applied"):
        getattr(whole, name)[:] = np.concatenate([getattr(one, name) for one in steps])
    whole.norms[:] = np.concatenate([one.norms for one in steps])
    keys = ("grad/", "train/", "grad_l2")
    found, wanted = (
        [p for p in series(card, b, total=300, most_points=50, layers=2) if p.key.startswith(keys)]
        for b in (steps, [whole])
    )
    assert found == wanted


def test_what_more_was_measured_has_series_and_what_was_not_has_none(full_card, full_batch):
    card = full_card.model_copy(update={"loss_scaled": True})
    steps = full_batch(0, 13)  # sampled at 0, 4, 8, 12; activations at 0, 6, 12
    found = {}
    for point in series(card, [steps], total=13, most_points=100, layers=24):
        found.setdefault(point.key, []).append((point.step, point.value))
    assert found["grad/loss_scale"] == [(step, 2.0**15) for step in range(13)]
    assert found["grad/loss_scale_skips_total"][-1] == (12, steps.loss_scale_skips.sum())
    assert [step for step, _ in found["grad/cosine"]] == [4, 8, 12]
    assert found["grad_cosine/00_dense.kernel"][0] == (4, steps.statistics.cosine[1, 0])
    ratio = steps.statistics.update_ratio[0, 0]
    assert found["update_ratio_log10/00_dense.kernel"][0] == (0, pytest.approx(np.log10(ratio)))
    assert len(found["grad_data_mean_abs_log10/02_head.kernel"]) == 4
    assert [step for step, _ in found["activation_saturated_fraction/01_head"]] == [0, 6, 12]
    for absent in ("update_ratio_log10/01_dense.bias", "activation_dead_fraction/01_head"):
        assert absent not in found


def test_the_variables_with_series_are_spread_and_have_gradients(card):
    many = card.model_copy(update={"variables": card.variables[:1] * 101})
    assert choose_variables(many, 3) == [0, 50, 100]
    unused = card.variables[0].model_copy(update={"has_gradient": False})
    few = card.model_copy(update={"variables": (unused, *card.variables[1:])})
    assert choose_variables(few, 24) == [1, 2]


def test_the_description_is_escaped_and_says_what_to_change():
    text = note(verdict())
    assert "**What to change:** Impute &lt;missing> values." in text
    assert "| gradient.nonfinite | **blocks** | 1 | == 0 |" in text


def test_a_refusal_by_another_judge_is_not_called_blocked():
    assert note(verdict(decision="ok")).startswith("## NOT BLESSED: another judge refused")
