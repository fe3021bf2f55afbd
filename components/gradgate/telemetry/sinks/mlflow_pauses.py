"""What is not tried for a while since it failed, and why.

A job that fails holds up those behind it as far as they would fail too: an address that is away
holds up all its jobs, a job that breaks the server the later ones of its training.
"""

import os
import re
import time

from gradgate.telemetry.sinks.mlflow_outbox import Job

_LONGEST_PAUSE = 30.0
_LONGEST_TIMEOUT = 120
_TIMEOUT = "MLFLOW_HTTP_REQUEST_TIMEOUT"


class Pauses:
    """The pauses of one sender."""

    def __init__(self) -> None:
        self._pauses: dict[str, _Pause] = {}

    def holds_up(self, job: Job) -> bool:
        """Whether it is not yet time to try this job."""
        return any(not pause.is_over for pause in self._of(job))

    def why(self, job: Job) -> str:
        """Why it failed; empty when it did not, or nobody tried."""
        return next((pause.why for pause in self._of(job)), "")

    def failing_seconds(self) -> float:
        """For how long every try has failed; 0 when one went through."""
        return min((pause.failing for pause in self._pauses.values()), default=0.0)

    def note_failure(self, job: Job, error: Exception) -> str | None:
        """Lets nothing go the same way for a while, which gets longer with each failure.

        Returns:
            Why and since when, for the log; None when trying again cannot help.
        """
        from gradgate.telemetry.sinks import mlflow_errors

        remedy = mlflow_errors.remedy(error)
        if remedy == "never":
            return None
        key = _address(job) if remedy == "address" else _training(job)
        pause = self._pauses.setdefault(key, _Pause())
        pause.fail(f"{_place(job)}: {mlflow_errors.reason(error)}")
        if mlflow_errors.is_timeout(error):  # a server that is only slow gets more time
            seconds = int(os.environ.get(_TIMEOUT, "10"))
            os.environ[_TIMEOUT] = str(max(seconds, min(2 * seconds, _LONGEST_TIMEOUT)))
        return f"for {pause.failing:.0f} s now: {pause.why}"

    def note_success(self, job: Job) -> None:
        """This way is free again."""
        self._pauses.pop(_address(job), None)
        self._pauses.pop(_training(job), None)

    def _of(self, job: Job) -> list["_Pause"]:
        return [self._pauses[key] for key in (_address(job), _training(job)) if key in self._pauses]


class _Pause:
    def __init__(self) -> None:
        self._since = self._until = time.monotonic()
        self.why = ""

    @property
    def failing(self) -> float:
        return time.monotonic() - self._since

    @property
    def is_over(self) -> bool:
        return time.monotonic() >= self._until

    def fail(self, why: str) -> None:
        self.why = why
        self._until = time.monotonic() + min(_LONGEST_PAUSE, 0.5 + self.failing / 4)


def _place(job: Job) -> str:
    uri = os.environ.get("MLFLOW_TRACKING_URI") or job.tracking.uri or "the embedded store"
    return re.sub(r"//[^/@]*@", "//", uri)  # no password in a log


def _address(job: Job) -> str:
    return f"address {_place(job)}"


def _training(job: Job) -> str:
    return f"training {job.training_uid}"
