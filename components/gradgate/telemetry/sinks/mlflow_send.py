"""The sender: `python -m gradgate.telemetry.sinks.mlflow_send FOLDER` empties the folder's outbox.

It stays while a training that it announced is running, so that one process, which pays for
importing MLflow once, serves a whole pipeline; and it marks the run of a training that was killed.
"""

import logging
import os
import sys
import time
from pathlib import Path

from gradgate.telemetry.sinks.mlflow_outbox import Job, Outbox
from gradgate.telemetry.sinks.mlflow_secrets import ScrubbedStream
from gradgate.telemetry.sinks.mlflow_watch import Watch

_LINGER_SECONDS = 20.0
_PATIENCE_SECONDS = 120.0
_log = logging.getLogger("gradgate.mlflow")


def main(folder: Path) -> None:
    """Sends what is there and what comes while it is needed."""
    # Before anybody takes hold of them: MLflow prints links with the password in them.
    sys.stdout, sys.stderr = ScrubbedStream(sys.stdout), ScrubbedStream(sys.stderr)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("alembic").setLevel(logging.WARNING)
    outbox = Outbox(folder)
    with outbox.sending() as is_ours:
        if is_ours and outbox.paths():  # else another was faster, and MLflow is not even imported
            _Sender(outbox).run()


class _Sender:
    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._open: dict[str, Job] = {}  # trainings whose record is not finished
        self._idle_since = time.monotonic()
        self._failing_since: float | None = None
        self._watch = Watch(outbox.folder)

    def run(self) -> None:
        while True:
            paths = self._outbox.paths()
            if paths:
                if not self._try(paths[0]):
                    return
                self._idle_since = time.monotonic()
            elif self._finish_killed() or self._open:
                self._watch.look()
                time.sleep(0.2)
            elif time.monotonic() - self._idle_since < _LINGER_SECONDS:
                time.sleep(0.1)
            else:
                return

    def _try(self, path: Path) -> bool:
        """Sends one job; False gives up for now and leaves the outbox to the next sender."""
        from gradgate.telemetry.sinks import mlflow_jobs

        job = self._outbox.read(path)
        try:
            mlflow_jobs.send(job, self._outbox.folder)
        except Exception as error:  # noqa: BLE001 - one job must not block the others
            if not mlflow_jobs.is_passing(error):
                _log.exception("%s: set aside: %s", path.name, self._outbox.set_aside(path))
                return True
            return self._wait_and_retry(path, error)
        self._failing_since = None
        self._outbox.done(path)
        _log.info("sent %s of training %s", job.what, job.training_uid)
        if job.what == "begin":
            self._open[job.training_uid] = job
            self._watch.begin(job)
        elif job.what == "training":
            self._open.pop(job.training_uid, None)
            self._watch.end(job.training_uid)
        return True

    def _wait_and_retry(self, path: Path, error: Exception) -> bool:
        from gradgate.telemetry.sinks import mlflow_jobs

        now = time.monotonic()
        self._failing_since = self._failing_since or now
        failing = now - self._failing_since
        told = f"{error}{mlflow_jobs.hint(error)}"
        _log.warning("%s: not sent for %.0f s now: %s", path.name, failing, told)
        if failing > _PATIENCE_SECONDS:
            return False
        time.sleep(min(10.0, 0.5 + failing / 2))
        return True

    def _finish_killed(self) -> bool:
        """Marks the runs of trainings that are gone and left no job; returns if there were any."""
        gone = [job for job in self._open.values() if not _is_alive(job.pid)]
        gone = [] if self._outbox.paths() else gone  # its last job may just have come
        for job in gone:
            from gradgate.telemetry.sinks import mlflow_jobs

            del self._open[job.training_uid]
            self._watch.end(job.training_uid)
            try:
                mlflow_jobs.finish_killed(job, self._outbox.folder)
            except Exception:  # noqa: BLE001 - a run that is not marked stops nobody
                _log.exception("training %s was killed; its run is not marked", job.training_uid)
        return bool(gone)


def _is_alive(pid: int | None) -> bool:
    if pid is None:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


if __name__ == "__main__":
    main(Path(sys.argv[1]))
