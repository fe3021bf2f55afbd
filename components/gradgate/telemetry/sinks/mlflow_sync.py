"""Empties an outbox now: `python -m gradgate.telemetry.sinks.mlflow_sync FOLDER SECONDS`.

The work of the sender, for somebody who waits for it: it tells what it did on standard output, one
JSON object a line, and in the last one what is left and why. It takes over from a sender at work,
and hands back to one if a training still runs.
"""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gradgate.telemetry.sinks.mlflow import start_sender
from gradgate.telemetry.sinks.mlflow_outbox import Job, Outbox
from gradgate.telemetry.sinks.mlflow_process import state
from gradgate.telemetry.sinks.mlflow_send import Sender, log_to_stderr

_TAKE_OVER_SECONDS = 5.0


def main(folder: Path, seconds: float, *, retry_failed: bool = False) -> None:
    """Sends until nothing is left, or so long.

    Args:
        folder: Of the outbox.
        seconds: 0 tries each job once.
        retry_failed: Take up again what was set aside.
    """
    log_to_stderr()
    outbox = Outbox(folder)
    if retry_failed:
        for path in outbox.failed():
            outbox.take_up(path)
    with _taking_over(outbox) as is_ours:
        sender = Sender(outbox, tell=_tell)
        if is_ours:
            _send(outbox, sender, time.monotonic() + seconds)
    _say(did="end", **_rest(outbox, sender, is_ours=is_ours))
    if any(state(job.process) == "alive" for job in outbox.trainings()):
        start_sender(folder)


@contextmanager
def _taking_over(outbox: Outbox) -> Iterator[bool]:
    """Ends the sender at work, and those that wait for its place, and takes it."""
    until = time.monotonic() + _TAKE_OVER_SECONDS
    while True:
        outbox.stop_sender()
        with outbox.sending(patience=0.5) as is_ours:
            if is_ours or time.monotonic() >= until:
                yield is_ours
                return


def _send(outbox: Outbox, sender: Sender, until: float) -> None:
    while True:
        while sender.send_next() or sender.finish_killed():
            pass
        if not outbox.paths() and not _gone(outbox):
            return
        if time.monotonic() >= until:
            return
        time.sleep(0.1)


def _gone(outbox: Outbox) -> list[Job]:
    return [job for job in outbox.trainings() if state(job.process) == "gone"]


def _rest(outbox: Outbox, sender: Sender, *, is_ours: bool) -> dict[str, Any]:
    busy = "" if is_ours else "another sender is at work and does not let go"
    left = [outbox.read(path) for path in outbox.paths()]
    return {
        "left": [_about(job, sender.pauses.why(job) or busy) for job in left]
        + [_about(job, sender.pauses.why(job) or busy, "killed") for job in _gone(outbox)],
        "set_aside": [_about_file(outbox, path) for path in outbox.failed()],
        "running": [
            _about(job, state(job.process))
            for job in outbox.trainings()
            if state(job.process) != "gone"
        ],
    }


def _tell(did: str, job: Job, why: str) -> None:
    _say(did=did, **_about(job, why))


def _about(job: Job, why: str, what: str = "") -> dict[str, str]:
    return {
        "what": what or job.what,
        "training_uid": job.training_uid,
        "run_name": job.tracking.run_name,
        "why": why,
    }


def _about_file(outbox: Outbox, path: Path) -> dict[str, str]:
    try:
        job = outbox.read(path)
    except ValueError:
        return {"what": path.name, "training_uid": "", "run_name": "", "why": "is no job"}
    return _about(job, job.why)


def _say(**fields: Any) -> None:
    print(json.dumps(fields), flush=True)  # noqa: T201 - it is read by the command line


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]), retry_failed=sys.argv[3:] == ["--retry-failed"])
