"""`gradgate ui` and the sender, against one real server, behind a door that asks who is there."""

import base64
import http.server
import threading
import time
import urllib.error
import urllib.request
from http.client import HTTPConnection

import psutil
import pytest

from gradgate.contracts import ModelCard, Tracking
from gradgate.telemetry.sinks.mlflow import MlflowSink, publish_push, publish_verdict
from gradgate.telemetry.sinks.mlflow_links import read_run
from gradgate.telemetry.sinks.mlflow_outbox import Outbox

pytestmark = pytest.mark.half("second")  # it asks MLflow and nothing of the stack

USER, PASSWORD, TOKEN = "hanna", "pass-Kx81vQ", "tok-Zz93pL0y"
SECRETS = (PASSWORD, TOKEN, "wJalrXUtnFEMI-K7", "sk-in-a-query-55")


class Door(http.server.BaseHTTPRequestHandler):
    """Lets pass who says user and password, or the token; may misbehave as it is told."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *words):
        pass

    def do_POST(self):
        self.pass_on()

    do_GET = do_PUT = do_PATCH = do_DELETE = do_POST  # noqa: N815 - the library's names

    def pass_on(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        server = self.server
        if server.busy > 0:
            server.busy -= 1
            return self.answer(503, b"{}")
        pair = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if self.headers.get("Authorization") not in {f"Basic {pair}", f"Bearer {TOKEN}"}:
            return self.answer(401, b"who is there?")
        upstream = HTTPConnection("127.0.0.1", server.behind, timeout=60)
        headers = {key: value for key, value in self.headers.items() if key != "Authorization"}
        if server.host:
            headers["Host"] = server.host
        upstream.request(self.command, self.path, body, headers)
        reply = upstream.getresponse()
        data = reply.read()
        upstream.close()
        for path in [path for path in server.losing if self.path.endswith(path)]:
            if self.command == "POST":
                server.losing.remove(path)
                server.lost.append(self.path)
                self.close_connection = True
                return self.connection.close()  # done, but nobody hears of it
        return self.answer(reply.status, data, reply.getheader("Content-Type") or "text/plain")

    def answer(self, status, data, kind="application/json"):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@pytest.fixture
def door(server, monkeypatch):
    """A proxy before the server, and the environment of somebody who may pass."""
    proxy = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Door)
    proxy.behind = int(server.address.rpartition(":")[2])
    proxy.busy, proxy.host, proxy.losing, proxy.lost = 0, "", [], []
    thread = threading.Thread(target=proxy.serve_forever)
    thread.start()
    proxy.address = f"127.0.0.1:{proxy.server_port}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://{proxy.address}")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    yield proxy
    proxy.shutdown()
    thread.join()
    proxy.server_close()


def test_the_links_that_are_said_lead_to_the_experiment(server, client):
    experiment = client.get_experiment_by_name("taxi").experiment_id
    assert server.said["taxi"].endswith(
        f"/#/experiments/{experiment}/runs?workflowType=machine_learning&viewStateShareKey=gradgate"
    )


def test_the_server_is_for_this_machine_only_with_one_worker(server):
    ours = psutil.Process(server.process.pid).children(recursive=True)
    places = {
        one.laddr.ip
        for process in ours
        for one in process.net_connections()
        if one.status == "LISTEN"
    }
    assert places == {"127.0.0.1"}
    assert len(ours) <= 2  # the command of MLflow, and its worker


@pytest.mark.parametrize("told", ["name and password", "token", "address"])
def test_credentials_of_mlflows_own_variables_open_the_door(
    door, monkeypatch, make_training, tmp_path, told
):
    from gradgate.telemetry.sinks.mlflow_errors import reason, remedy
    from gradgate.telemetry.sinks.mlflow_jobs import send

    training = make_training("auth", "healthy", folder=tmp_path)
    with pytest.raises(Exception, match="401") as refused:
        send(training.job("begin"), tmp_path)
    assert remedy(refused.value) == "address"
    assert "check MLFLOW_TRACKING_USERNAME" in reason(refused.value)
    if told == "token":
        monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", TOKEN)
    elif told == "address":
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://{USER}:{PASSWORD}@{door.address}")
    else:
        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", USER)
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", PASSWORD)
    send(training.job("begin"), tmp_path)
    run = read_run(training.record)
    assert run.link.startswith(f"http://{door.address}/#/experiments/")
    assert not run.needs_ui


def test_a_server_that_does_not_know_its_name_is_told_what_to_do(
    door, monkeypatch, make_training, tmp_path
):
    from gradgate.telemetry.sinks.mlflow_errors import reason, remedy
    from gradgate.telemetry.sinks.mlflow_jobs import send

    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", TOKEN)
    door.host = "mlflow.tracking.svc.cluster.local:5000"  # as in a cluster
    with pytest.raises(Exception, match="Invalid Host header") as refused:
        send(make_training("host", "healthy", folder=tmp_path).job("begin"), tmp_path)
    assert remedy(refused.value) == "address"  # the job stays until somebody mends it
    assert "--allowed-hosts NAME,NAME:PORT" in reason(refused.value)


def test_a_whole_training_by_a_sender_that_must_log_in_leaves_no_secret_anywhere(
    door, monkeypatch, make_training, tmp_path, place, client
):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://{USER}:{PASSWORD}@{door.address}")
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", USER)
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", PASSWORD)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI-K7")
    door.busy = 3  # so that the sender logs an error, which quotes the address
    door.losing = ["/registered-models/create", "/logged-models", "/model-versions/create"]
    folder = tmp_path / "mlflow"
    folder.mkdir()
    training = make_training("secret", "healthy", folder=folder)
    tracking = Tracking(experiment="private", run_name=f"run?token={TOKEN}",
                        registered_model="secret", wait_seconds=150)  # fmt: skip
    sink = MlflowSink(tracking, training.record, folder)
    card = ModelCard.model_validate_json((training.record / "model.json").read_bytes())
    sink.begin(card, training_uid="uid-secret", planned_steps=240)
    measured = wait_for_system_metrics(client, "private")
    sink.end(None)
    publish_verdict(training.record, training.verdict)
    destination = f"s3://AKIA:wJalrXUtnFEMI-K7@models/taxi?token={TOKEN}&api_key=sk-in-a-query-55"
    publish_push(training.verdict, destination, "77")
    outbox = Outbox(folder)
    log = (folder / "sender.log").read_text()
    assert outbox.paths() == [], log
    assert not (folder / "outbox-failed").exists(), log
    outbox.stop_sender()

    assert {"system/process_memory_megabytes", "system/cpu_utilization_percentage"} <= measured
    assert "503" in log
    assert "http://***@" in log
    assert len(door.lost) == 3  # and yet everything is there once
    (version,) = client.search_model_versions("name='secret'")
    assert version.tags["gradgate.pushed"].startswith("s3://***@models/taxi")
    assert client.get_model_version_by_alias("secret", "champion").version == version.version
    (run,) = client.search_runs([client.get_experiment_by_name("private").experiment_id])
    assert run.info.status == "FINISHED"
    assert len(client.search_logged_models([run.info.experiment_id])) == 1
    assert read_run(training.verdict).run_id == run.info.run_id
    assert secrets_in(folder, training.record, training.verdict, place) == []


def wait_for_system_metrics(client, experiment):
    for _ in range(600):
        found = client.get_experiment_by_name(experiment)
        for run in client.search_runs([found.experiment_id]) if found else ():
            names = {name for name in run.data.metrics if name.startswith("system/")}
            if names:
                return names
        time.sleep(0.2)
    return set()


def secrets_in(*folders):
    files = [file for folder in folders for file in folder.rglob("*") if file.is_file()]
    return [
        f"{file}: {secret}"
        for file in files
        for secret in SECRETS
        if secret.encode() in file.read_bytes()
    ]


def test_the_pages_end_by_pid_and_leave_no_process(server):
    # The last test of this server, which is started once for this folder and ended here.
    family = psutil.Process(server.process.pid).children(recursive=True)
    server.process.terminate()
    assert server.process.wait(30) == 0
    _, alive = psutil.wait_procs(family, 10)
    assert alive == []
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(server.address, timeout=5)
