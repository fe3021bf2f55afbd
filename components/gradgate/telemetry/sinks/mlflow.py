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
from gradgate.telemetry.sinks.mlflow_process import this_process
from gradgate.telemetry.sinks.mlflow_secrets import scrub

SENDER = "gradgate.telemetry.sinks.mlflow_send"
# Few tries and short ones a call, for those who wait for an answer: MLflow's own take 4 minutes.
PATIENCE = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",  # seconds; doubled when a server is slow
    "MLFLOW_DISABLE_TELEMETRY": "true",
}
_LOOK_SECONDS = 30.0
_LOG_BYTES = 2_000_000
_log = logging.getLogger(__name__)


class MlflowSink:
    """Tells MLflow that a training began, and hands over its record when it is finished.

    Args:
        tracking: The settings.
        record: Directory of the record.
        folder: Directory of the outbox and of the embedded store, where `tracking` names none.
    """

    def __init__(self, tracking: Tracking, record: Path, folder: Path) -> None:
        self._tracking = tracking.model_copy(update={"run_name": scrub(tracking.run_name)})
        self._record = record.absolute()
        self._folder = (Path(tracking.folder) if tracking.folder else folder).absolute()
        self._place: Place | None = None
        self._planned_steps: int | None = None
        self._next_look = self._look_seconds = _LOOK_SECONDS

    def begin(self, card: ModelCard, *, training_uid: str, planned_steps: int | None) -> None:
        """Asks for the run; its parameters come from the record's model card."""
        self._place = Place(
            tracking=self._tracking,
            folder=str(self._folder),
            training_uid=training_uid,
            started_ms=round(time.time() * 1000),
        )
        write_place(self._record, self._place)
        self._planned_steps = planned_steps
        more = {"pid": os.getpid(), "process": this_process()} | self._record_fields()
        _tell(self._folder, _job("begin", self._place, **more), is_last=False)
        self._next_look = time.monotonic() + self._look_seconds

    def learn(self, card: ModelCard) -> None:
        """Nothing to do: the sender reads the card of the record."""

    def write(self, batch: StepBatch) -> None:
        """Sees to it, now and then, that there is a sender: that one reads the record."""
        if time.monotonic() < self._next_look:
            return
        if not Outbox(self._folder).is_being_sent():
            start_sender(self._folder)
            self._look_seconds *= 2  # one that cannot live is not started for ever
        self._next_look = time.monotonic() + self._look_seconds

    def end(self, manifest: Manifest) -> None:
        """Hands over the record, and waits for it to be sent as long as the settings allow."""
        if self._place is not None:
            more = {"status": None if manifest is None else manifest.status}
            _tell(self._folder, _job("training", self._place, **more, **self._record_fields()))

    def _record_fields(self) -> dict[str, object]:
        return {"record": str(self._record), "planned_steps": self._planned_steps}


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
            more = {"verdict": str(verdict.absolute()), "destination": scrub(destination)}
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
    path = outbox.put(job)
    start_sender(folder)
    if wait and not outbox.wait_until_empty(wait):
        _log.warning(
            "mlflow: %d messages are not sent after %.0f s; they stay in %s and go out with the"
            " next ones, or by gradgate sync. Why: %s",
            len(outbox.paths()),
            wait,
            folder / "outbox",
            log_file(folder),
        )
    elif (why := outbox.why_aside(path)) is not None:
        _log.warning(
            "mlflow: the %s cannot be sent: %s. Once that is mended: gradgate sync --retry-failed",
            job.what,
            why,
        )


def start_sender(folder: Path) -> "subprocess.Popen[bytes]":
    """Starts a sender; where one is at work already, it waits for its turn and finds nothing."""
    log_path = log_file(folder)
    if log_path.exists() and log_path.stat().st_size > _LOG_BYTES:
        log_path.replace(log_path.with_suffix(".log.1"))
    with log_path.open("ab") as log:
        return subprocess.Popen(  # noqa: S603 - our own module, and a path that is only read
            [sys.executable, "-m", SENDER, str(folder.absolute())],
            cwd=folder,  # MLflow leaves an `mlruns` wherever it stands
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=sender_environment(),
            start_new_session=True,  # an interrupt of the training must not cut off its last upload
        )


def sender_environment() -> dict[str, str]:
    """Returns what a process that sends runs with."""
    root = str(Path(gradgate.__file__).absolute().parent.parent)
    return {
        **PATIENCE,
        **os.environ,
        # The sender has its own patience. MLflow's would make a second run when the answer to
        # the making of the first one is lost, and sleep where a pipeline could go on.
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
        "PYTHONPATH": os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])]),
    }


def log_file(folder: Path) -> Path:
    """Where the sender says what it did."""
    return folder / "sender.log"
