"""`gradgate check --run-id`: MLflow says where the record lies, and is never evidence itself."""

import http.server
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from gradgate.cli.exits import Exit
from gradgate.contracts import Tracking
from gradgate.telemetry.sinks.mlflow_outbox import Job

pytest.importorskip("mlflow")


def nan_gradient(steps):
    steps.norms[77, 1] = np.nan
    steps.global_norm[77] = np.nan


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch):
    from gradgate.telemetry.sinks.mlflow import PATIENCE

    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_RUN_ID"):
        monkeypatch.delenv(name, raising=False)
    for name, value in PATIENCE.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("mlflow")


@pytest.fixture(scope="module")
def store_uri(folder):
    return f"sqlite:///{folder / 'mlflow.db'}"


@pytest.fixture
def client(store_uri):
    from mlflow import MlflowClient

    return MlflowClient(store_uri)


@pytest.fixture
def run_of(folder, client):
    """Mirrors a finished record as the sender does; returns the id of its run."""
    from gradgate.telemetry.sinks.mlflow_jobs import send

    def mirror(record, training_uid):
        for what in ("begin", "training"):
            job = Job(
                what=what,
                tracking=Tracking(experiment="e"),
                training_uid=training_uid,
                started_ms=1,
                record=str(record),
            )
            send(job, folder)
        (run,) = client.search_runs(
            [client.get_experiment_by_name("e").experiment_id],
            filter_string=f"tags.`gradgate.training_uid` = '{training_uid}'",
        )
        return run.info.run_id

    return mirror


@pytest.fixture
def check(call, store_uri):
    """Checks a run, with `--training-only` unless told otherwise."""

    def run(run_id, *arguments, uri=store_uri, alone=True):
        alone = ["--training-only"] if alone else []
        return call("check", "--run-id", run_id, "--tracking-uri", uri, *alone, *arguments)

    return run


def test_the_record_that_the_run_names_is_judged_as_by_its_directory(
    call, check, make_record, run_of
):
    record = make_record(spoil=nan_gradient, training_uid="same")
    arguments = ("--as-of", "2026-12-01T00:00:00Z", "--format", "json")
    done = check(run_of(record, "same"), *arguments)
    directly = call("check", record, "--training-only", *arguments)
    assert done.returncode == directly.returncode == Exit.BLOCKED
    assert done.stdout == directly.stdout


def test_the_model_beside_that_record_is_looked_for(check, make_record, run_of, tmp_path):
    record = make_record("Trainer/gradient_health/5", training_uid="beside")
    run_id = run_of(record, "beside")
    done = check(run_id, alone=False)
    assert done.stderr.startswith("no model lies beside the record")
    model = tmp_path / "Trainer" / "model" / "5" / "Format-Serving"
    model.mkdir(parents=True)
    (model / "saved_model.pb").write_bytes(b"graph")
    done = check(run_id, alone=False)
    assert done.stderr == ""
    assert "I-MODEL-UNBOUND" in done.stdout


@pytest.mark.parametrize(
    ("spoil", "status", "headline"),
    [
        (lambda steps: None, Exit.OK, "WARN S-MIRROR: the record is the copy that MLflow keeps"),
        (nan_gradient, Exit.BLOCKED, "BLOCK nonfinite-gradient"),
    ],
    ids=["sound", "sick"],
)
def test_a_copy_is_good_for_looking_and_never_blesses(
    check, make_record, run_of, tmp_path, spoil, status, headline
):
    uid = f"copy-{status}"
    record = make_record(spoil=spoil, training_uid=uid)
    run_id = run_of(record, uid)
    shutil.rmtree(record)
    model = tmp_path / "model"
    model.mkdir()
    (model / "saved_model.pb").write_bytes(b"graph")
    done = check(run_id, "--model", model, "--format", "json", alone=False)
    verdict = json.loads(done.stdout)
    assert done.returncode == status
    assert verdict["headline"].startswith(headline)
    assert (verdict["blessed"], verdict["subject"]["model_digest"]) == (False, None)
    assert "S-MIRROR" in [check["code"] for check in verdict["integrity"]]
    assert "it never blesses" in done.stderr
    assert "No model is looked at" in done.stderr
    assert check(run_id, "--fail-on-warn").returncode in {Exit.WARNED, Exit.BLOCKED}


def test_a_copy_that_somebody_edited_is_not_judged(check, make_record, run_of, client):
    record = make_record(training_uid="edited")
    run_id = run_of(record, "edited")
    part = record / "parts" / "00000.parquet"
    data = bytearray(part.read_bytes())
    data[len(data) // 2] ^= 1
    part.write_bytes(data)
    client.log_artifact(run_id, str(part), "gradgate/record/parts")
    shutil.rmtree(record)
    done = check(run_id)
    assert done.returncode == Exit.CANNOT_JUDGE
    assert done.stdout.startswith("BLOCK T-CORRUPT")


def test_a_large_record_is_not_copied(check, make_record, run_of, monkeypatch):
    from gradgate.telemetry.sinks import mlflow_jobs

    monkeypatch.setattr(mlflow_jobs, "_MOST_BYTES", 1000)
    record = make_record(training_uid="large")
    run_id = run_of(record, "large")
    shutil.rmtree(record)
    done = check(run_id)
    assert done.returncode == Exit.CANNOT_JUDGE
    assert done.stdout.startswith(
        f"BLOCK S-RUN: run {run_id} is of a training whose record cannot be reached: its record is"
        f" at {record}, which is not to be found from here"
    )


def test_a_record_of_another_training_at_that_place_is_refused(check, make_record, run_of):
    record = make_record(training_uid="before")
    run_id = run_of(record, "before")
    shutil.rmtree(record)
    make_record(training_uid="after")
    done = check(run_id)
    assert done.returncode == Exit.CANNOT_JUDGE
    assert done.stdout.startswith(
        f"BLOCK I-RUN-MISMATCH: run {run_id} is of training before, and the record at {record} of"
        " after"
    )


@pytest.mark.parametrize("status", ["RUNNING", "FAILED", "KILLED", "SCHEDULED"])
def test_a_run_that_did_not_finish_is_not_judged(check, make_record, run_of, client, status):
    run_id = run_of(make_record(training_uid=status), status)
    client.update_run(run_id, status=status)
    done = check(run_id)
    assert done.returncode == Exit.CANNOT_JUDGE
    assert done.stdout.startswith(f"BLOCK S-RUN: run {run_id} is {status}; only that of a training")


def test_a_run_that_is_deleted_or_not_ours_or_not_there_is_not_judged(
    check, make_record, run_of, client
):
    run_id = run_of(make_record(training_uid="deleted"), "deleted")
    client.delete_run(run_id)
    other = client.create_run(client.get_experiment_by_name("e").experiment_id).info.run_id
    client.set_terminated(other)
    for given, reason in (
        (run_id, "was deleted"),
        (other, "has no tag gradgate.training_uid, so gradgate did not make it"),
        ("0" * 32, "is not there at sqlite:///"),
        ("../..", "is not there at sqlite:///"),
    ):
        done = check(given)
        assert done.returncode == Exit.CANNOT_JUDGE
        assert done.stdout.startswith(f"BLOCK S-RUN: run {given} {reason}")


class Overloaded(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_error(503)

    def log_message(self, *_):
        pass


class Dripping(Overloaded):
    """Sends its answer a byte at a time, so no timeout of one read ever ends it."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "100000")
        self.end_headers()
        try:
            for _ in range(600):
                self.wfile.write(b" ")
                self.wfile.flush()
                time.sleep(0.05)
        except OSError:
            pass


@pytest.fixture
def stub():
    servers = []

    def start(handler):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("kind", ["refuses", "overloaded", "drips", "never answers"])
def test_a_server_that_does_not_answer_costs_the_timeout_and_never_passes(check, stub, kind):
    silent = socket.create_server(("127.0.0.1", 0))
    uri = {
        "refuses": lambda: "http://127.0.0.1:9",  # nobody listens there
        "overloaded": lambda: stub(Overloaded),
        "drips": lambda: stub(Dripping),
        "never answers": lambda: f"http://127.0.0.1:{silent.getsockname()[1]}",
    }[kind]()
    begin = time.monotonic()
    with silent:
        done = check("0" * 32, "--timeout", "1.5", uri=uri)
    assert time.monotonic() - begin < 10
    assert done.returncode == Exit.CANNOT_JUDGE
    assert done.stdout.startswith(
        f"BLOCK S-MLFLOW: {uri} gave no answer within 1.5 s. Judge the record itself"
    )


@pytest.mark.parametrize("name", ["nowhere.db", "other.db"])
def test_no_store_is_made_where_there_is_none(check, tmp_path, name):
    (tmp_path / "other.db").write_bytes(b"")
    before = sorted(tmp_path.iterdir())
    for uri in (f"sqlite:///{tmp_path / name}", f"sqlite:///{name}"):
        done = check("0" * 32, uri=uri)
        assert done.returncode == Exit.CANNOT_JUDGE
        assert done.stdout.startswith("BLOCK S-MLFLOW: ")
        assert "no store" in done.stdout
    assert sorted(tmp_path.iterdir()) == before
    assert (tmp_path / "other.db").read_bytes() == b""


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ("check", "name either the directory of a record, or a run by --run-id"),
        ("check record --run-id 1", "name either the directory of a record, or a run by --run-id"),
        ("check --run-id 1", "--run-id needs the address of the tracking server"),
        ("check --run-id 1 --tracking-uri workspace/mlflow", "got 'workspace/mlflow'"),
        ("check --run-id 1 --timeout 61", "Invalid value for '--timeout': "),
    ],
)
def test_what_cannot_be_asked_is_wrong_usage(call, arguments, reason):
    done = call(*arguments.split())
    assert done.returncode == 2
    assert reason in " ".join(done.stderr.replace("│", " ").split())
    assert done.stdout == ""


def test_without_mlflow_a_directory_is_judged_and_a_run_is_not(
    call, check, make_record, monkeypatch
):
    monkeypatch.setitem(sys.modules, "mlflow", None)
    for name in [name for name in sys.modules if name.startswith("gradgate.telemetry.sinks.mlf")]:
        monkeypatch.delitem(sys.modules, name)
    assert call("check", make_record(), "--training-only").returncode == Exit.OK
    done = check("1")
    assert done.returncode == 2
    assert "--run-id needs MLflow" in done.stderr
    assert "install gradgate[mlflow]" in done.stderr


@pytest.fixture
def server(folder, store_uri):
    """A tracking server on the store of this file."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    artifacts = (folder / "artifacts").as_uri()
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", store_uri]
    command += ["--artifacts-destination", artifacts, "--workers", "1"]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    environment = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    for _ in range(1200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        assert process.poll() is None
        time.sleep(0.1)
    yield f"http://127.0.0.1:{port}"
    os.killpg(process.pid, 9)
    process.wait(10)


def test_a_run_on_a_server_is_found_and_its_copy_fetched(
    check, make_record, run_of, server, tmp_path
):
    record = make_record(spoil=nan_gradient, training_uid="served")
    run_id = run_of(record, "served")
    reached = check(run_id, "--timeout", "60", uri=server)
    assert reached.returncode == Exit.BLOCKED, reached.stdout
    shutil.move(record, tmp_path / "elsewhere")
    copied = check(run_id, "--timeout", "60", uri=server)
    assert copied.returncode == Exit.BLOCKED, copied.stdout
    assert "S-MIRROR" in copied.stdout
    assert "step 77" in copied.stdout
    unknown = check("0" * 32, "--timeout", "60", uri=server)
    assert unknown.stdout.startswith(f"BLOCK S-RUN: run {'0' * 32} is not there at {server}")
