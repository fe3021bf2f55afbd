"""Follows the record of a training that runs, and sends its points while it does.

It reads the parts that are whole, each once, and keeps no more than the bucket that is not over. A
training that was killed and goes on takes steps back; the follower then reads the record anew.
Points of steps that were taken back stay in MLflow: it has no way to remove one.
"""

from collections.abc import Iterator
from pathlib import Path

from gradgate.contracts import ModelCard
from gradgate.telemetry.batch import StepBatch
from gradgate.telemetry.parts import PARTS, read_part
from gradgate.telemetry.resume import ResumeFolder
from gradgate.telemetry.sinks.extremes import Point
from gradgate.telemetry.sinks.mlflow_outbox import Job
from gradgate.telemetry.sinks.mlflow_series import Series, live_series
from gradgate.telemetry.sinks.mlflow_store import Store, milliseconds
from gradgate.telemetry.writer import CARD, MANIFEST

_Mark = tuple[int, int, int]


class Follower:
    """What of one training was sent, and what is still to be.

    Args:
        job: Its `begin` job, which was sent.
        store, run_id: Where its run is.

    Attributes:
        sent: The points that are in MLflow.
    """

    def __init__(self, job: Job, store: Store, run_id: str) -> None:
        self.sent: set[Point] = set()
        self._job, self._record = job, Path(job.record or "")
        self._store, self._run_id = store, run_id
        self._begin_anew()

    def send(self) -> int:
        """Sends what the record holds by now; returns how many points that was."""
        started = self._started_ms()
        if started is None:
            return 0
        for batch in self._new_batches():
            assert self._series is not None, "made from the card before a part is read"
            self._waiting += self._series.add(batch)
        return self._send(started)

    def send_rest(self) -> int:
        """Sends also what is not settled: the training was killed, and this is how far it got."""
        sent, started = self.send(), self._started_ms()
        if self._series is None or started is None:
            return sent
        self._waiting += self._series.close()
        return sent + self._send(started)

    def _begin_anew(self) -> None:
        self._series: Series | None = None
        self._card: bytes = b""
        self._read = 0
        self._last: tuple[Path, _Mark] | None = None
        self._waiting: list[Point] = []

    def _started_ms(self) -> int | None:
        """When the training began, as its manifest will say; None when the record is finished."""
        if (self._record / MANIFEST).exists():
            return None
        try:
            training = ResumeFolder(self._record).read_training()
        except (ValueError, OSError):  # it is just being removed
            return None
        return None if training is None else milliseconds(training.started_at)

    def _new_batches(self) -> Iterator[StepBatch]:
        if self._last is not None and _mark(self._last[0]) != self._last[1]:
            self._begin_anew()  # steps were taken back
        card = self._read_card()
        while card is not None:
            path = self._record / PARTS / f"{self._read:05d}.parquet"
            mark = _mark(path)
            if mark is None:
                return
            try:
                batches = list(
                    read_part(
                        path.read_bytes(),
                        variables=len(card.variables),
                        activations=len(card.activations),
                    )
                )
            except (OSError, ValueError):  # it is just being cut: the next look sees what stays
                return
            self._read, self._last = self._read + 1, (path, mark)
            yield from batches

    def _read_card(self) -> ModelCard | None:
        try:
            data = (self._record / CARD).read_bytes()
            card = ModelCard.model_validate_json(data)
        except (OSError, ValueError):
            return None
        if data != self._card:
            # What is known of the model grows now and then, and with it which series there are.
            self._begin_anew()
            self._card = data
            self._series = live_series(card, self._job.tracking, self._job.planned_steps)
        return card

    def _send(self, started_ms: int) -> int:
        new = sorted(set(self._waiting) - self.sent)
        self._store.points(self._run_id, (point.at(started_ms) for point in new))
        self.sent.update(new)
        self._waiting = []
        return len(new)


def _mark(path: Path) -> _Mark | None:
    """What changes when a file is replaced; None when there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns
