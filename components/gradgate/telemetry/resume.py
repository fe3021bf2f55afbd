"""What a killed training needs to go on with its record: `resume/`, gone once that is finished.

    resume/training.json              which training it is, when it began, and its restarts so far
    resume/STEPS-ITERATIONS.npz       a checkpoint: what the guard knew when a backup was taken

A checkpoint is found by the optimizer's `iterations`, which a framework's backup brings back. Every
file is whole or absent, and all steps before a checkpoint are on disk before it is.
"""

import io
import re
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradgate.contracts import Recorded, Resume, canonical_json
from gradgate.telemetry.durable import sync_folder, write_durably

RESUME = "resume"
_TRAINING = "training.json"
_NAME = re.compile(r"(\d+)-(\d+)\.npz")
_KEPT = 64
_ROWS, _STATE = "rows", "state."


class Training(Recorded):
    """The training that a record belongs to, while it is not finished.

    Attributes:
        started_at: RFC 3339, UTC: when it began the first time.
        resumes: Its restarts.
    """

    training_uid: str
    started_at: str
    resumes: tuple[Resume, ...] = ()


class Checkpoint(NamedTuple):
    """What was known when a backup of the model was taken."""

    iterations: int  # of the optimizer
    steps: int  # the first step that was taken after it
    rows: int  # steps in the record then: fewer than `steps` if some were lost
    state: Mapping[str, NDArray[Any]]


class ResumeFolder:
    """The folder `resume` of one record.

    Args:
        record: Directory of the record.
    """

    def __init__(self, record: Path) -> None:
        self._folder = record / RESUME

    def read_training(self) -> Training | None:
        """Returns the training, or None when none was begun here.

        Raises:
            ValueError: If the file is damaged.
        """
        path = self._folder / _TRAINING
        if not path.exists():
            return None
        try:
            return Training.model_validate_json(path.read_bytes())
        except ValueError as error:
            raise ValueError(
                f"{path}: is damaged, so this training cannot go on: {error}"
            ) from error

    def write_training(self, training: Training) -> None:
        """Writes it, in place of the former one."""
        self._make()
        write_durably(self._folder / _TRAINING, canonical_json(training.model_dump(mode="json")))

    def save(self, checkpoint: Checkpoint) -> None:
        """Writes a checkpoint; of all of them the last 64 are kept.

        Raises:
            ValueError: If the state holds Python objects.
        """
        arrays: dict[str, Any] = {_ROWS: np.array(checkpoint.rows, np.int64)}
        for name, values in checkpoint.state.items():
            arrays[_STATE + name] = np.asarray(values)
            if arrays[_STATE + name].dtype.hasobject:
                raise ValueError(f"save_checkpoint: {name} holds Python objects, not numbers.")
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)
        self._make()
        name = f"{checkpoint.steps:09d}-{checkpoint.iterations:09d}.npz"
        write_durably(self._folder / name, buffer.getvalue())
        for _, _, path in self._paths()[:-_KEPT]:
            path.unlink()

    def find(self, iterations: int) -> Checkpoint | None:
        """Returns the last checkpoint at these iterations of the optimizer, or None.

        Raises:
            ValueError: If its file is damaged.
        """
        found = [path for _, other, path in self._paths() if other == iterations]
        return _read(found[-1]) if found else None

    def at(self, steps: int) -> Checkpoint | None:
        """Returns the last checkpoint before this step was taken, or None.

        Raises:
            ValueError: If its file is damaged.
        """
        found = [path for other, _, path in self._paths() if other == steps]
        return _read(found[-1]) if found else None

    def forget_after(self, steps: int) -> None:
        """Removes the checkpoints of later steps, the last one first."""
        later = [path for found, _, path in self._paths() if found > steps]
        for path in reversed(later):
            path.unlink()
        if later:
            sync_folder(self._folder)

    def remove(self) -> None:
        """Removes the folder."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _make(self) -> None:
        if not self._folder.is_dir():
            self._folder.mkdir(parents=True)
            sync_folder(self._folder.parent)

    def _paths(self) -> list[tuple[int, int, Path]]:
        """Steps, iterations and path of each checkpoint, by rising steps."""
        if not self._folder.is_dir():
            return []
        names = ((_NAME.fullmatch(path.name), path) for path in self._folder.iterdir())
        return sorted((int(name[1]), int(name[2]), path) for name, path in names if name)


def _read(path: Path) -> Checkpoint:
    steps, iterations = (int(number) for number in path.stem.split("-"))
    try:
        with np.load(path, allow_pickle=False) as arrays:
            state = {
                name[len(_STATE) :]: arrays[name]
                for name in arrays.files
                if name.startswith(_STATE)
            }
            return Checkpoint(iterations, steps, int(arrays[_ROWS]), state)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path}: is damaged, so this training cannot go on: {error}") from error
