"""What is still to be told to MLflow: a folder of jobs, oldest first, that outlives everything.

A job is written before anybody tries to send it and removed after it was sent, so nothing is lost
when a server is away or a process is killed, and a job that was sent but not yet removed is sent
again: the sender's work is idempotent.
"""

import fcntl
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

from gradgate.contracts import Recorded, Tracking, canonical_json
from gradgate.telemetry.durable import TEMPORARY, write_durably

_LOCK = "sender.lock"


class Job(Recorded):
    """One thing to tell.

    Attributes:
        what: `begin` makes the run; `training` sends the finished record; `verdict` and `push`
            add to the run.
        record, verdict: The directories that are to be sent.
        pid: Process of the training, so that a killed one can be told from a running one.
    """

    what: Literal["begin", "training", "verdict", "push"]
    tracking: Tracking
    training_uid: str
    started_ms: int
    record: str | None = None
    verdict: str | None = None
    planned_steps: int | None = None
    pid: int | None = None
    destination: str | None = None
    version: str | None = None


class Outbox:
    """The jobs of one folder. Many processes may put, one sends at a time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._jobs = folder / "outbox"
        self._failed = folder / "outbox-failed"
        self._jobs.mkdir(parents=True, exist_ok=True)

    def put(self, job: Job) -> Path:
        """Adds a job; it is on disk when this returns."""
        path = self._jobs / f"{time.time_ns():020d}-{os.getpid()}-{job.what}.json"
        write_durably(path, canonical_json(job.model_dump(mode="json")))
        return path

    def paths(self) -> list[Path]:
        """The jobs, oldest first."""
        return sorted(path for path in self._jobs.iterdir() if path.suffix != TEMPORARY)

    def read(self, path: Path) -> Job:
        """Reads a job."""
        return Job.model_validate_json(path.read_bytes())

    def done(self, path: Path) -> None:
        """Removes a job that was sent."""
        path.unlink(missing_ok=True)

    def set_aside(self, path: Path) -> Path:
        """Keeps a job that can never be sent where it blocks no other."""
        self._failed.mkdir(exist_ok=True)
        return path.rename(self._failed / path.name)

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

    def stop_sender(self) -> None:
        """Ends the sender at work, if there is one; what it has not sent stays in the outbox."""
        lock = self.folder / _LOCK
        pid = lock.read_text() if lock.exists() else ""
        if pid:
            with suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGTERM)


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
