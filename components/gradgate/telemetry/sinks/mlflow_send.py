"""The sender: `python -m gradgate.telemetry.sinks.mlflow_send FOLDER` empties the folder's outbox.

It stays while a training that it announced is running and sends its charts as they grow, so that
one process, which pays for importing MLflow once, serves a whole pipeline; and it marks the run of
a training that was killed.
"""

import logging
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from gradgate.telemetry.sinks.mlflow_outbox import Job, Outbox
from gradgate.telemetry.sinks.mlflow_pauses import Pauses
from gradgate.telemetry.sinks.mlflow_process import state
from gradgate.telemetry.sinks.mlflow_secrets import ScrubbedStream, scrub
from gradgate.telemetry.sinks.mlflow_watch import Watch
from gradgate.telemetry.writer import MANIFEST

if TYPE_CHECKING:
    from gradgate.telemetry.sinks.mlflow_follow import Follower

_LINGER_SECONDS = 20.0
_PATIENCE_SECONDS = 120.0
_FOLLOW_SECONDS = 2.0
_log = logging.getLogger("gradgate.mlflow")


def main(folder: Path) -> None:
    """Sends what is there and what comes while it is needed."""
    log_to_stderr()
    outbox = Outbox(folder)
    with outbox.sending() as is_ours:
        # Else another was faster, or there is nothing to do, and MLflow is not even imported.
        if is_ours and (outbox.paths() or outbox.trainings()):
            Sender(outbox).run()


def log_to_stderr() -> None:
    """Says in the log what was done; of migrations, which MLflow tells at length, only trouble."""
    # Before anybody takes hold of them: MLflow prints links with the password in them.
    sys.stdout, sys.stderr = ScrubbedStream(sys.stdout), ScrubbedStream(sys.stderr)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("alembic").setLevel(logging.WARNING)


class Sender:
    """Sends the jobs of an outbox in order, and the points of the trainings that run.

    Args:
        outbox: What is to be sent. The caller holds the right to send.
        tell: Called with what was done, with which job, and why.
    """

    def __init__(
        self, outbox: Outbox, tell: Callable[[str, Job, str], None] = lambda *_: None
    ) -> None:
        self.pauses = Pauses()
        self._outbox = outbox
        self._tell = tell
        self._open = {job.training_uid: job for job in outbox.trainings()}
        self._followers: dict[str, Follower] = {}
        self._unfollowed: set[str] = set()
        self._watch = Watch(outbox.folder)
        for job in self._open.values():
            self._watch.begin(job)

    def run(self) -> None:
        """Works until there is nothing to do, or nothing gets through and nobody trains."""
        idle_since, next_look = time.monotonic(), 0.0
        while True:
            if self.send_next() or self.finish_killed():
                idle_since = time.monotonic()
                continue
            if time.monotonic() >= next_look:
                self._follow()
                next_look = time.monotonic() + _FOLLOW_SECONDS
            if not self._is_anybody_training():
                has_jobs = bool(self._outbox.paths())
                idle = self.pauses.failing_seconds() if has_jobs else time.monotonic() - idle_since
                if idle > (_PATIENCE_SECONDS if has_jobs else _LINGER_SECONDS):
                    return
            time.sleep(0.1)

    def send_next(self) -> bool:
        """Sends the first job that nothing holds up; returns whether one was tried."""
        held: set[str] = set()
        for path in self._outbox.paths():
            job = self._read(path)
            if job is None:
                return True
            if self.pauses.holds_up(job) or job.training_uid in held:
                held.add(job.training_uid)  # its later jobs may not overtake it
                continue
            self._send(path, job)
            return True
        return False

    def finish_killed(self) -> bool:
        """Finishes the runs of trainings that are gone and left no job; returns if there were any.

        One that left a finished record was killed before it could say so.
        """
        waiting = {job.training_uid for job in self._jobs()}
        before = len(self._open)
        for uid, job in tuple(self._open.items()):
            if uid in waiting or state(job.process) != "gone" or self.pauses.holds_up(job):
                continue
            if Path(job.record or "", MANIFEST).exists():
                self._outbox.put(job.model_copy(update={"what": "training", "process": None}))
                del self._open[uid]
            elif self._mark_killed(job):
                self._over(job)
        return len(self._open) < before

    def _send(self, path: Path, job: Job) -> None:
        from gradgate.telemetry.sinks import mlflow_jobs

        follower = self._followers.get(job.training_uid)
        try:
            mlflow_jobs.send(job, self._outbox.folder, follower.sent if follower else set())
        except Exception as error:  # noqa: BLE001 - one job must not block the others
            trouble = self.pauses.note_failure(job, error)
            if trouble is not None:
                _log.warning("%s: not sent %s", path.name, trouble)
                return
            self._outbox.set_aside(path, scrub(f"{type(error).__name__}: {error}"))
            _log.exception("%s: set aside", path.name)
            self._tell("set aside", job, str(error))
            if job.what == "training":
                self._over(job)
            return
        self.pauses.note_success(job)
        self._outbox.done(path, job)
        _log.info("sent %s of training %s", job.what, job.training_uid)
        self._tell("sent", job, "")
        if job.what == "begin":
            self._open[job.training_uid] = job
            self._followers.pop(job.training_uid, None)  # a resumed training took steps back
            self._watch.begin(job)
        elif job.what == "training":
            self._over(job)

    def _over(self, job: Job) -> None:
        self._open.pop(job.training_uid, None)
        self._followers.pop(job.training_uid, None)
        self._watch.end(job.training_uid)
        self._outbox.forget(job.training_uid)

    def _follow(self) -> None:
        """Sends what the trainings that run have recorded since the last look."""
        self._watch.look()
        for uid, job in self._open.items():
            if uid in self._unfollowed or state(job.process) != "alive":
                continue
            if self.pauses.holds_up(job):
                continue
            try:
                self._follower(job).send()
            except Exception as error:  # noqa: BLE001 - the charts come when the training is over
                trouble = self.pauses.note_failure(job, error)
                if trouble is None:
                    self._unfollowed.add(uid)
                    _log.exception("training %s: its charts come when it is over", uid)
                else:
                    _log.warning("charts of training %s: not sent %s", uid, trouble)
            else:
                self.pauses.note_success(job)

    def _mark_killed(self, job: Job) -> bool:
        """Marks the run of a training that is gone; False when that is to be tried again."""
        from gradgate.telemetry.sinks import mlflow_jobs

        try:
            if job.training_uid not in self._unfollowed:
                self._follower(job).send_rest()
            mlflow_jobs.finish_killed(job, self._outbox.folder)
        except Exception as error:  # noqa: BLE001 - a run that is not marked stops nobody
            trouble = self.pauses.note_failure(job, error)
            if trouble is not None:
                _log.warning("the end of training %s: not sent %s", job.training_uid, trouble)
                return False
            _log.exception("training %s was killed; its run is not marked", job.training_uid)
            return True
        self.pauses.note_success(job)
        _log.info("training %s was killed; its run says so", job.training_uid)
        self._tell("marked as killed", job, "")
        return True

    def _follower(self, job: Job) -> "Follower":
        from gradgate.telemetry.sinks.mlflow_follow import Follower
        from gradgate.telemetry.sinks.mlflow_jobs import open_run

        if job.training_uid not in self._followers:
            store, run_id = open_run(job, self._outbox.folder)
            self._followers[job.training_uid] = Follower(job, store, run_id)
        return self._followers[job.training_uid]

    def _is_anybody_training(self) -> bool:
        begun = [job for job in self._jobs() if job.what == "begin"]
        return any(state(job.process) == "alive" for job in [*self._open.values(), *begun])

    def _jobs(self) -> list[Job]:
        return [job for path in self._outbox.paths() if (job := self._read(path)) is not None]

    def _read(self, path: Path) -> Job | None:
        try:
            return self._outbox.read(path)
        except ValueError:
            self._outbox.set_aside(path, "")
            _log.exception("%s: is no job, set aside", path.name)
            return None


if __name__ == "__main__":
    main(Path(sys.argv[1]))
