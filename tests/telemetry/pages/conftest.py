"""Three trainings told to one store, MLflow's pages on it, and a browser that looks at them.

The trainings are golden runs, judged by the default policy: one sound and pushed, one blocked, one
that warns. The server is the one of `gradgate ui`. Both are made once for this folder.
"""

import contextlib
import dataclasses
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from importlib import resources
from pathlib import Path

import pytest

from gradgate.contracts import DataSource, Tracking
from gradgate.gate import judge, load_policy
from gradgate.telemetry.reader import open_record
from gradgate.telemetry.sinks.mlflow_outbox import Job
from gradgate.telemetry.sinks.mlflow_place import Place, embedded_uri, write_place

ROOT = Path(__file__).resolve().parents[3]
RUNS = {
    # name: golden run, whether its policy only warns
    "sound": ("spike-and-recovery", False),
    "blocked": ("nan-mid-run", False),
    "warned": ("clip-saturation", True),
}
DIGEST = "sha256:" + hashlib.sha256(b"the model").hexdigest()
DATA = {
    name: "sha256:" + hashlib.sha256(name.encode()).hexdigest()
    for name in ("examples/train", "examples/eval (names and sizes)")
}


@dataclasses.dataclass(frozen=True)
class Told:
    """A training that was told to MLflow.

    Attributes:
        record, verdict: Their folders, with `mlflow_run.json` in each.
        job: Makes a job of this training.
    """

    record: Path
    verdict: Path
    job: object


@pytest.fixture(scope="session")
def place(tmp_path_factory):
    """Folder of the embedded store."""
    folder = tmp_path_factory.mktemp("pages") / "mlflow"
    folder.mkdir()
    return folder


@pytest.fixture(scope="session")
def make_training(tmp_path_factory):
    """Makes record and verdict of a golden run, and what makes jobs of them."""
    from gradgate.gate.evidence import Evidence
    from gradgate.gate.report_files import report_files

    def make(name, golden, *, warns=False, folder, blessed=None, digest=DIGEST, **tracking):
        home = tmp_path_factory.mktemp(name)
        record, verdict = home / "record", home / "verdict"
        source = resources.files("gradgate.gate") / "golden_runs" / golden / "record"
        shutil.copytree(str(source), record)
        _with_data(record)
        text = (resources.files("gradgate.gate") / "policies" / "default.yaml").read_text()
        if warns:
            text = text.replace("severity: block", "severity: warn")
            blocks = "- id: nonfinite-gradient\n"
            text = text.replace(blocks, f"{blocks}    severity: block\n")
        decided = judge(
            load_policy(text.encode()),
            Evidence.of(open_record(record)),
            model=None,
            as_of="2026-01-31T12:00:00Z",
            training_only=True,
        )
        blessed = decided.decision != "block" if blessed is None else blessed
        subject = decided.subject.model_copy(update={"model_digest": digest})
        decided = decided.model_copy(update={"blessed": blessed, "subject": subject}).sealed()
        verdict.mkdir()
        for file, data in report_files(decided, policy=text):
            (verdict / file).write_bytes(data)
        (verdict / "gradient-flow.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg"/>')
        settings = Tracking(folder=str(folder), experiment="taxi", run_name=f"taxi {name}",
                            registered_model="taxi", **tracking)  # fmt: skip
        started = 1769860800000  # when the golden runs began

        def job(what, **more):
            fields = {"record": str(record)} if what in {"begin", "training"} else {}
            fields |= {} if what in {"begin", "training"} else {"verdict": str(verdict)}
            fields |= {"planned_steps": 240} if what in {"begin", "training"} else {}
            return Job(what=what, tracking=settings, training_uid=f"uid-{name}",
                       started_ms=started, **(fields | more))  # fmt: skip

        written = Place(
            tracking=settings, folder=str(folder), training_uid=f"uid-{name}", started_ms=started
        )
        write_place(record, written)
        write_place(verdict, written)
        return Told(record, verdict, job)

    return make


def _with_data(record):
    """Gives the record the digests of its data, as the Trainer does."""
    manifest = open_record(record).manifest
    data = tuple(DataSource(name=name, digest=digest) for name, digest in DATA.items())
    more = {"data": data, "finished_at": "2026-01-31T12:01:00Z"}
    changed = manifest.model_copy(update=more).sealed()
    (record / "manifest.json").write_text(json.dumps(changed.model_dump(mode="json")))


@pytest.fixture(scope="session")
def no_tracking_uri(place):
    """MLflow's own environment variables would come before what the tests say."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)  # MLflow leaves an `mlruns` or an `mlflow.db` wherever it stands
        for name in ("MLFLOW_TRACKING_URI", "MLFLOW_RUN_ID"):
            patch.delenv(name, raising=False)
        yield patch


@pytest.fixture(scope="session")
def story(place, make_training, no_tracking_uri):
    """The three trainings, told to the embedded store by what the sender runs."""
    from gradgate.telemetry.sinks.mlflow_jobs import send

    told = {}
    for name, (golden, warns) in RUNS.items():
        told[name] = one = make_training(name, golden, warns=warns, folder=place)
        for what in ("begin", "training", "verdict"):
            send(one.job(what), place)
    send(told["sound"].job("push", destination="/serving/taxi/1000", version="1000"), place)
    return told


@dataclasses.dataclass
class Server:
    """What `gradgate ui` runs.

    Attributes:
        address: Of MLflow's pages.
        said: The links that it printed, by the experiment's name.
        process: Of the command.
    """

    address: str
    said: dict[str, str]
    process: subprocess.Popen


@pytest.fixture(scope="session")
def client(place, story):
    from mlflow import MlflowClient

    return MlflowClient(embedded_uri(place))


@pytest.fixture(scope="session")
def server(place, story):
    with gradgate_ui(place) as running:
        yield running


@contextlib.contextmanager
def gradgate_ui(place):
    environment = os.environ | {"PYTHONPATH": str(ROOT / "components"), "COLUMNS": "400"}
    process = subprocess.Popen(
        [sys.executable, "-m", "gradgate", "ui", str(place), "--port", "0", "--format", "json"],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        line = process.stdout.readline()
        assert line, (place / "ui.log").read_text()
        said = json.loads(line)
        yield Server(said["address"], said["experiments"], process)
    finally:
        process.terminate()  # an interrupt is not heard where the suite runs in the background
        process.wait(30)
        process.stdout.close()


class Browser:
    """A headless Chromium, driven through its DevTools protocol."""

    def __init__(self, endpoint):
        import websocket

        request = urllib.request.Request(f"http://{endpoint}/json/new?about:blank", method="PUT")
        with urllib.request.urlopen(request, timeout=30) as answer:
            page = json.load(answer)["webSocketDebuggerUrl"]
        self._socket = websocket.create_connection(page, timeout=60, suppress_origin=True)
        self._number = 0
        self._ask("Page.enable")

    def _ask(self, method, **params):
        self._number += 1
        self._socket.send(json.dumps({"id": self._number, "method": method, "params": params}))
        while True:
            answer = json.loads(self._socket.recv())
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return answer["result"]

    def evaluate(self, script):
        result = self._ask("Runtime.evaluate", expression=script, returnByValue=True)
        return result["result"].get("value")

    def open(self, address, *wanted, seconds=90):
        """Opens a page and returns its text once everything wanted is on it."""
        self._ask("Page.navigate", url="about:blank")  # a new fragment alone loads nothing
        self._ask("Page.navigate", url=address)
        return self.wait_for(*wanted, seconds=seconds)

    def wait_for(self, *wanted, seconds=90):
        until = time.monotonic() + seconds
        text = ""
        while time.monotonic() < until:
            text = self.evaluate("document.body ? document.body.innerText : ''") or ""
            text = text.replace("\u00a0", " ")
            if all(one in text for one in wanted):
                return text
            time.sleep(0.3)
        missing = [one for one in wanted if one not in text]
        raise AssertionError(f"not on the page after {seconds} s: {missing}\n{text[:3000]}")

    def wait_for_lines(self, charts, seconds=90):
        """Waits until so many charts have a line in them."""
        script = """[...document.querySelectorAll('.js-plotly-plot')]
            .filter(chart => chart.querySelector('.scatterlayer .trace path')).length"""
        until = time.monotonic() + seconds
        while (drawn := self.evaluate(script) or 0) < charts:
            assert time.monotonic() < until, f"{drawn} charts have lines after {seconds} s"
            time.sleep(0.3)

    def click(self, text):
        """Clicks the innermost thing with exactly this text."""
        script = f"""(() => {{
            const wanted = {json.dumps(text)};
            const all = [...document.querySelectorAll('a, button, [role=tab], span, div')];
            const hit = all.reverse().find(e => e.innerText && e.innerText.trim() === wanted);
            if (hit) hit.click();
            return Boolean(hit);
        }})()"""
        assert self.evaluate(script), f"nothing to click that says {text!r}"

    def picture(self, path, width=1400, height=900):
        """Keeps what is seen as a PNG."""
        import base64

        self.size(width, height)
        self.evaluate(
            "document.querySelector('[data-component-id=\"mlflow.assistant.chat_panel.close\"]')?.click()"
        )
        time.sleep(1.5)
        data = self._ask("Page.captureScreenshot", format="png")["data"]
        Path(path).write_bytes(base64.b64decode(data))

    def size(self, width, height):
        self._ask("Emulation.setDeviceMetricsOverride", width=width, height=height,
                  deviceScaleFactor=1, mobile=False)  # fmt: skip

    def close(self):
        self._socket.close()


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """A browser; skips, and says why, where there is none."""
    pytest.importorskip("websocket", reason="websocket-client is not installed")
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    command = next(filter(None, map(shutil.which, names)), None)
    if command is None:
        pytest.skip(f"no browser is installed: none of {', '.join(names)} is on the PATH")
    profile = tmp_path_factory.mktemp("chromium")
    process = subprocess.Popen(
        [command, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
         "--no-first-run", "--disable-extensions", "--disable-background-networking",
         "--remote-debugging-port=0", f"--user-data-dir={profile}", "about:blank"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    try:
        port = profile / "DevToolsActivePort"
        until = time.monotonic() + 60
        while not (port.exists() and port.read_text()):
            assert process.poll() is None, f"{command} ended with {process.returncode}"
            assert time.monotonic() < until, f"{command} did not start in 60 s"
            time.sleep(0.1)
        page = Browser(f"127.0.0.1:{port.read_text().split()[0]}")
        page.size(1400, 1200)
        yield page
        page.close()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(30)
