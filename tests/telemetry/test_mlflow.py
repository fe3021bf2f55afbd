"""The MLflow mirror, against a real SQLite store."""

import contextlib
import json
import logging
import shutil
import sqlite3
import time

import numpy as np
import psutil
import pyarrow.parquet as pq
import pytest
from mlflow import MlflowClient

from gradgate.contracts import Tracking, Verdict
from gradgate.telemetry.reader import open_record
from gradgate.telemetry.sinks.mlflow import MlflowSink, publish_push, publish_verdict
from gradgate.telemetry.sinks.mlflow_outbox import Outbox
from gradgate.telemetry.sinks.mlflow_page import note
from gradgate.telemetry.sinks.mlflow_place import read_place, write_place
from gradgate.telemetry.sinks.mlflow_series import all_points, final_series
from gradgate.telemetry.sinks.mlflow_store import open_store
from gradgate.telemetry.writer import RecordWriter

pytestmark = pytest.mark.half("second")  # it asks MLflow and nothing of the stack


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
    name, model = """Anna's "taxi" 100%""", "taxi.v2"  # letters that MLflow's filters stumble over
    tracking = Tracking(experiment="e", run_name=name, registered_model=model)
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
    assert run.info.run_name == f"{name} #1"
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
    series = client.download_artifacts(run.info.run_id, "gradgate/record/series.parquet")
    assert pq.read_table(series).column("step").to_pylist() == list(range(20))

    (version,) = client.search_model_versions(f"name='{model}'")
    assert version.tags["gradgate.model_digest"] == "sha256:" + "1" * 64
    assert client.get_model_version_by_alias(model, "champion").version == version.version
    runs = open_store(tracking, store)
    for start, (uid, called) in enumerate([("t2", name.replace("'", '"')), ("t3", name)]):
        runs.run(run.info.experiment_id, uid, called, start)
    names = {one.info.run_name for one in client.search_runs([run.info.experiment_id])}
    assert names == {f"{name} #1", f"{name} #2", """Anna"s "taxi" 100% #1"""}
    found = client.search_runs([run.info.experiment_id])
    assert len({one.data.tags["mlflow.runColor"] for one in found}) == 3


def test_a_store_that_another_process_holds_gets_everything_later(tmp_path, card, batch):
    store, record = tmp_path / "mlflow", tmp_path / "record"
    tracking = Tracking(experiment="e", wait_seconds=0.0, artifact_megabytes=0.001)
    writer, sink = RecordWriter(record), MlflowSink(tracking, record, store)
    writer.begin_training("t1")
    writer.begin(card)
    sink.begin(card, training_uid="t1", planned_steps=600)
    assert Outbox(store).wait_until_empty(90)
    with contextlib.closing(sqlite3.connect(store / "mlflow.db")) as other:
        other.execute("BEGIN EXCLUSIVE")
        writer.append(batch(0, 600))
        start = time.perf_counter()
        sink.end(writer.finalize(training_uid="t1", status="stopped", instrumented=True))
        assert time.perf_counter() - start < 1.5
        until = time.monotonic() + 90
        while "not sent for" not in (store / "sender.log").read_text():  # after 20 s
            assert time.monotonic() < until
            time.sleep(0.2)
        other.rollback()
    assert Outbox(store).wait_until_empty(90)
    client = MlflowClient(f"sqlite:///{store / 'mlflow.db'}")
    (run,) = client.search_runs([client.get_experiment_by_name("e").experiment_id])
    assert run.info.status == "FAILED"
    wanted = all_points(final_series(card, tracking, 600, 600), open_record(record).batches())
    for key in {point.key for point in wanted}:
        found = client.get_metric_history(run.info.run_id, key)
        assert sorted((point.step, point.value) for point in found) == sorted(
            (point.step, point.value) for point in wanted if point.key == key
        )
    assert "series.parquet is larger than artifact_megabytes" in run.data.tags["gradgate.series"]
    files = client.list_artifacts(run.info.run_id, "gradgate/record")
    assert "gradgate/record/series.parquet" not in [file.path for file in files]


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


def test_a_job_that_can_never_be_sent_blocks_no_other(tmp_path, finished, card, caplog):
    folder = tmp_path / "mlflow"
    sink = MlflowSink(Tracking(experiment="e"), finished, folder)
    sink.begin(card, training_uid="t1", planned_steps=None)
    with caplog.at_level(logging.WARNING):
        publish_verdict(finished, tmp_path)  # there is no verdict.json
    assert "mlflow: the verdict cannot be sent: FileNotFoundError" in caplog.text
    assert "gradgate sync --retry-failed" in caplog.text
    sink.end(None)
    gone = MlflowSink(Tracking(experiment="e"), tmp_path / "gone", folder)
    (tmp_path / "gone").mkdir()
    gone.begin(card, training_uid="t2", planned_steps=None)
    shutil.rmtree(tmp_path / "gone")
    gone.end(None)
    outbox = Outbox(folder)
    assert outbox.paths() == []
    whys = {outbox.read(path).what: outbox.read(path).why for path in outbox.failed()}
    assert whys["verdict"].startswith("FileNotFoundError: ")
    assert whys["training"].endswith(f"{tmp_path / 'gone'}: there is no health record.")
    client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    runs = client.search_runs([client.get_experiment_by_name("e").experiment_id])
    found = {run.data.tags["gradgate.training_uid"]: run for run in runs}
    assert found["t1"].info.status == "FINISHED"
    assert found["t2"].info.status == "FAILED"
    assert "there is no health record" in found["t2"].data.tags["gradgate.record"]


def test_without_tracking_nothing_is_mirrored(tmp_path):
    publish_verdict(tmp_path, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_description_is_escaped_and_says_what_to_change():
    text = note(verdict())
    assert "**What to change:** Impute &lt;missing> values." in text
    assert "| gradient.nonfinite | **blocks** | 1 | == 0 |" in text


def test_a_refusal_by_another_judge_is_not_called_blocked():
    assert note(verdict(decision="ok")).startswith("## NOT BLESSED: another judge refused")
