"""What is still to be told to MLflow: a folder of jobs, oldest first, that outlives everything.

A job is written before anybody tries to send it and removed after it was sent, so nothing is lost
when a server is away or a process is killed, and a job that was sent but not yet removed is sent
again: the sender's work is idempotent. A job is small, and a training has about four: what is sent
is in the record, so a server that stays away costs no more disk than the records themselves.
"""

import fcntl
import os
import re
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

from gradgate.contracts import Recorded, Tracking, canonical_json
from gradgate.telemetry.durable import TEMPORARY, write_durably

_LOCK = "sender.lock"
_SAFE = re.compile(r"[^A-Za-z0-9_.\-]")


class Job(Recorded):
    """One thing to tell.

    Attributes:
        what: `begin` makes the run; `training` sends the finished record; `verdict` and `push`
            add to the run.
        record, verdict: The directories that are to be sent.
        planned_steps: Of the training when it began: the same in `begin` and `training`.
        pid: Process of the training.
        process: The same for `mlflow_process`, so that a killed one can be told from a running one.
        status: How the training ended.
        why: Why it can never be sent, of a job that was set aside.
    """

    what: Literal["begin", "training", "verdict", "push"]
    tracking: Tracking
    training_uid: str
    started_ms: int
    record: str | None = None
    verdict: str | None = None
    planned_steps: int | None = None
    pid: int | None = None
    process: str | None = None
    status: Literal["completed", "stopped", "failed"] | None = None
    destination: str | None = None
    version: str | None = None
    why: str = ""


class Outbox:
    """The jobs of one folder. Many processes may put, one sends at a time.

    `outbox` holds what is to be sent, `trainings` the `begin` jobs of trainings that were begun
    and not finished, `outbox-failed` what can never be sent.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._jobs = folder / "outbox"
        self._trainings = folder / "trainings"
        self._failed = folder / "outbox-failed"
        self._jobs.mkdir(parents=True, exist_ok=True)

    def put(self, job: Job) -> Path:
        """Adds a job; it is on disk when this returns."""
        path = self._jobs / f"{time.time_ns():020d}-{os.getpid()}-{job.what}.json"
        write_durably(path, _document(job))
        return path

    def paths(self) -> list[Path]:
        """The jobs, oldest first."""
        return _whole(self._jobs)

    def read(self, path: Path) -> Job:
        """Reads a job.

        Raises:
            ValueError: If it is none.
        """
        return Job.model_validate_json(path.read_bytes())

    def done(self, path: Path, job: Job) -> None:
        """Removes a job that was sent; that of a training which began is kept till it is over."""
        if job.what == "begin":
            self._trainings.mkdir(exist_ok=True)
            path.replace(self._training(job.training_uid))
            return
        if job.what == "training":
            self.forget(job.training_uid)
        path.unlink(missing_ok=True)

    def trainings(self) -> list[Job]:
        """The `begin` jobs of trainings that are not over, as far as anybody said."""
        return [self.read(path) for path in _whole(self._trainings)]

    def forget(self, training_uid: str) -> None:
        """Takes a training as over."""
        self._training(training_uid).unlink(missing_ok=True)

    def set_aside(self, path: Path, why: str) -> Path:
        """Keeps a job that can never be sent where it blocks no other, and says why there."""
        self._failed.mkdir(exist_ok=True)
        with suppress(ValueError):  # what is no job is kept as it is
            write_durably(path, _document(self.read(path).model_copy(update={"why": why})))
        return path.replace(self._failed / path.name)

    def failed(self) -> list[Path]:
        """The jobs that were set aside, oldest first."""
        return _whole(self._failed)

    def why_aside(self, path: Path) -> str | None:
        """Why a job that was put there was set aside; None if it was not."""
        aside = self._failed / path.name
        return self.read(aside).why if aside.exists() else None

    def take_up(self, path: Path) -> None:
        """Puts a job that was set aside back to where it was."""
        path.replace(self._jobs / path.name)

    def wait_until_empty(self, seconds: float) -> bool:
        """Waits until every job was sent, or so long; returns whether it was."""
        until = time.monotonic() + seconds
        while self.paths():
            if time.monotonic() >= until:
                return False
            time.sleep(0.1)
        return True

    @contextmanager
    def sending(self, patience: float = 3.0) -> Iterator[bool]:
        """Holds the right to send; the system frees it if the process dies.

        Yields False when another sender still has it after `patience` seconds: that one is at work
        and looks into the outbox before it leaves, so there is nothing to do.
        """
        with (self.folder / _LOCK).open("a+") as lock:
            if not _acquire(lock.fileno(), patience):
                yield False
                return
            lock.truncate(0)
            lock.write(str(os.getpid()))
            lock.flush()
            yield True
            lock.truncate(0)

    def is_being_sent(self) -> bool:
        """Whether a sender is at work."""
        with (self.folder / _LOCK).open("a+") as lock:
            return not _acquire(lock.fileno(), 0.0)

    def stop_sender(self) -> None:
        """Ends the sender at work, if there is one; what it has not sent stays in the outbox."""
        if self.is_being_sent():  # else what is in the file is of a process that was killed
            with suppress(ProcessLookupError, ValueError):
                os.kill(int((self.folder / _LOCK).read_text()), signal.SIGTERM)

    def _training(self, training_uid: str) -> Path:
        return self._trainings / f"{_SAFE.sub('_', training_uid)}.json"


def _whole(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.suffix != TEMPORARY)


def _document(job: Job) -> bytes:
    return canonical_json(job.model_dump(mode="json"))


def _acquire(descriptor: int, patience: float) -> bool:
    until = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                return False
            time.sleep(0.1)
        else:
            return True
