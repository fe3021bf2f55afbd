"""Mirrors trainings, verdicts and pushes to MLflow from a process of their own.

Nothing here imports MLflow. What is to be told goes into an outbox on disk, and one sender process
empties it: training shares no thread, lock or timeout with it, and a server that hangs costs at
most the seconds that `Tracking` allows.
"""

import logging
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import gradgate
from gradgate.contracts import Manifest, ModelCard, Tracking
from gradgate.telemetry.batch import StepBatch
from gradgate.telemetry.sinks.mlflow_outbox import Job, Outbox
from gradgate.telemetry.sinks.mlflow_place import Place, read_place, write_place

_SENDER = "gradgate.telemetry.sinks.mlflow_send"
# Few tries and short ones a call: we have our own patience, MLflow's is 4 minutes.
PATIENCE = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}
_log = logging.getLogger(__name__)


class MlflowSink:
    """Tells MLflow that a training began, and hands over its record when it is finished.

    Args:
        tracking: The settings.
        record: Directory of the record.
        folder: Directory of the outbox and of the embedded store, where `tracking` names none.
    """

    def __init__(self, tracking: Tracking, record: Path, folder: Path) -> None:
        self._tracking = tracking
        self._record = record.absolute()
        self._folder = (Path(tracking.folder) if tracking.folder else folder).absolute()
        self._place: Place | None = None

    def begin(self, card: ModelCard, *, training_uid: str, planned_steps: int | None) -> None:
        """Asks for the run; its parameters come from the record's model card."""
        self._place = Place(
            tracking=self._tracking,
            folder=str(self._folder),
            training_uid=training_uid,
            started_ms=round(time.time() * 1000),
        )
        write_place(self._record, self._place)
        more = {"record": str(self._record), "planned_steps": planned_steps, "pid": os.getpid()}
        _tell(self._folder, _job("begin", self._place, **more), is_last=False)

    def write(self, batch: StepBatch) -> None:
        """Nothing: the sender reads the record."""

    def end(self, manifest: Manifest) -> None:
        """Hands over the record, and waits for it to be sent as long as the settings allow."""
        if self._place is not None:
            _tell(self._folder, _job("training", self._place, record=str(self._record)))


def publish_verdict(record: Path, verdict: Path) -> None:
    """Mirrors a verdict to the run of its training; a failure is logged and changes nothing.

    Args:
        record: The record's directory; without a `tracking.json` in it nothing is mirrored.
        verdict: Directory that holds `verdict.json` and the reports.
    """
    with _mirroring("the verdict"):
        place = read_place(record)
        if place is not None:
            write_place(verdict, place)
            _tell(Path(place.folder), _job("verdict", place, verdict=str(verdict.absolute())))


def publish_push(verdict: Path, destination: str, version: str) -> None:
    """Registers a pushed model as a model version; a failure is logged and changes nothing.

    Args:
        verdict: The verdict's directory; without a `tracking.json` in it nothing is mirrored.
        destination: Where the model was pushed to.
        version: The version's name there.
    """
    with _mirroring("the push"):
        place = read_place(verdict)
        if place is not None:
            more = {"verdict": str(verdict.absolute()), "destination": destination}
            _tell(Path(place.folder), _job("push", place, version=version, **more))


@contextmanager
def _mirroring(what: str) -> Iterator[None]:
    try:
        yield
    except Exception:  # noqa: BLE001 - a mirror must not stop what it mirrors
        _log.exception("mlflow: %s was not mirrored", what)


def _job(what: str, place: Place, **more: object) -> Job:
    fields = {
        "what": what,
        "tracking": place.tracking,
        "training_uid": place.training_uid,
        "started_ms": place.started_ms,
    }
    return Job.model_validate(fields | more)


def _tell(folder: Path, job: Job, *, is_last: bool = True) -> None:
    """Puts a job into the outbox, and sees to it that somebody sends it.

    Waits for that as long as the settings allow, if the job is the last of its component: in a
    container, nothing goes on when the component is over.
    """
    wait = job.tracking.wait_seconds if is_last else 0.0
    outbox = Outbox(folder)
    outbox.put(job)
    start_sender(folder)
    if wait and not outbox.wait_until_empty(wait):
        _log.warning(
            "mlflow: %d messages are not sent after %.0f s; they stay in %s and go out with the"
            " next ones. Why: %s",
            len(outbox.paths()),
            wait,
            folder / "outbox",
            log_file(folder),
        )


def start_sender(folder: Path) -> "subprocess.Popen[bytes]":
    """Starts a sender; where one is at work already, it waits for its turn and finds nothing."""
    root = str(Path(gradgate.__file__).absolute().parent.parent)
    environment = {
        **PATIENCE,
        **os.environ,
        "PYTHONPATH": os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])]),
    }
    with log_file(folder).open("ab") as log:
        return subprocess.Popen(  # noqa: S603 - our own module, and a path that is only read
            [sys.executable, "-m", _SENDER, str(folder.absolute())],
            cwd=folder,  # MLflow leaves an `mlruns` wherever it stands
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment,
            start_new_session=True,  # an interrupt of the training must not cut off its last upload
        )


def log_file(folder: Path) -> Path:
    """Where the sender says what it did."""
    return folder / "sender.log"
