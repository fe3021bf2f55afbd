"""What the training loop said at the end of each epoch: its metrics, and those of validation.

While the training runs they stand in `resume/epochs.jsonl`, a line an epoch, so that one that goes
on after kill -9 has them; then they are in `summary.json`.
"""

import json
import os
from collections.abc import Mapping
from numbers import Real
from pathlib import Path

from gradgate.contracts import EpochSummary
from gradgate.telemetry.durable import write_durably

_FILE = "epochs.jsonl"
_MOST = 10_000  # epochs; of more, the first and the last
_MOST_NUMBERS, _LONGEST_NAME = 100, 200  # of one epoch, and characters


class Epochs:
    """The epochs of one record.

    Args:
        folder: Where the file lies until the record is finished.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / _FILE
        self._epochs = _read(self._path)
        if self._path.exists():  # what a killed process left of a line would spoil the next one
            self._rewrite()

    def add(self, epoch: int, last_step: int, logs: Mapping[str, float]) -> None:
        """Takes over what was said at the end of an epoch; it is on disk when this returns.

        Args:
            epoch: Its number, from 0.
            last_step: The last step that was taken in it; -1 before the first.
            logs: Numbers by name, non-finite ones among them.
        """
        numbers = {name: float(value) for name, value in logs.items() if _is_number(name, value)}
        kept = dict(list(numbers.items())[:_MOST_NUMBERS])
        self._epochs.append(EpochSummary(epoch=epoch, last_step=last_step, logs=kept))
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("ab") as file:
            file.write(_line(self._epochs[-1]))
            file.flush()
            os.fsync(file.fileno())

    def forget_from(self, step: int) -> None:
        """Leaves out the epochs that ended with this step or a later one."""
        kept = [epoch for epoch in self._epochs if epoch.last_step < step]
        if len(kept) < len(self._epochs):
            self._epochs = kept
            self._rewrite()

    def all(self) -> tuple[EpochSummary, ...]:
        """Returns them, oldest first."""
        if len(self._epochs) <= _MOST:
            return tuple(self._epochs)
        return (*self._epochs[: _MOST // 2], *self._epochs[-_MOST // 2 :])

    def _rewrite(self) -> None:
        write_durably(self._path, b"".join(_line(epoch) for epoch in self._epochs))


def _is_number(name: str, value: object) -> bool:
    return isinstance(value, Real) and len(name) <= _LONGEST_NAME


def _line(epoch: EpochSummary) -> bytes:
    return json.dumps(epoch.model_dump(mode="json"), allow_nan=False).encode() + b"\n"


def _read(path: Path) -> list[EpochSummary]:
    """Reads the lines that are whole; a process that was killed leaves at most one that is not."""
    if not path.exists():
        return []
    lines = path.read_bytes().split(b"\n")
    epochs: list[EpochSummary] = []
    for line in lines[:-1]:
        try:
            epochs.append(EpochSummary.model_validate_json(line))
        except ValueError:
            break
    return epochs
