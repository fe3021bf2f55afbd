"""Sends the system metrics of the trainings that are under way, between other messages.

These are the only points that are kept nowhere else: when the server is away they are left out.
"""

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from gradgate.telemetry.sinks.mlflow_outbox import Job

if TYPE_CHECKING:
    from gradgate.telemetry.sinks.mlflow_system import SystemSampler

_log = logging.getLogger("gradgate.mlflow")


class Watch:
    """The trainings that are under way, each with its sampler.

    Args:
        folder: Of the outbox.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._watched: dict[str, tuple[Job, SystemSampler]] = {}

    def begin(self, job: Job) -> None:
        """A training began: watches the process that it named, if it can be seen from here."""
        if job.pid is None:
            return
        try:
            from gradgate.telemetry.sinks.mlflow_system import SystemSampler
        except ImportError as error:  # psutil is part of gradgate[mlflow], but not of mlflow
            _log.warning("training %s: no system metrics: %s", job.training_uid, error)
        else:
            self._watched[job.training_uid] = job, SystemSampler(job.pid, job.started_ms)

    def end(self, training_uid: str) -> None:
        """A training is over."""
        self._watched.pop(training_uid, None)

    def look(self) -> None:
        """Samples and sends what is due; what fails is said once, and its training left out."""
        from gradgate.telemetry.sinks import mlflow_jobs

        for uid, (job, sampler) in tuple(self._watched.items()):
            if not sampler.due():
                continue
            try:
                number, at, values = sampler.sample()
                mlflow_jobs.send_system(job, self._folder, number, at, values)
            except Exception as error:  # noqa: BLE001 - a look at the machine stops nothing
                _log.warning("training %s: no more system metrics: %s", uid, error)
                self.end(uid)
