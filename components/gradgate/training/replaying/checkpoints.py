"""The checkpoint to start a replay from: the last one before the step."""

import dataclasses
import io
import zipfile
from pathlib import Path
from typing import Any

import h5py
import keras

from gradgate.training.replaying.course import Course

_WEIGHTS, _ARCHIVE = ".weights.h5", ".keras"
_ITERATIONS = "optimizer/vars/0"  # where Keras keeps the number of updates, of whatever optimizer


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """A file of weights and the optimizer's state, and the first step that was taken after it."""

    path: Path
    step: int

    def restore(self, model: keras.Model) -> None:
        """Gives a model its weights and its optimizer's state.

        Raises:
            ValueError: If they are those of another model.
        """
        if not model.optimizer.built:
            model.optimizer.build(model.trainable_variables)
        try:
            model.load_weights(self.path)
        except Exception as error:
            raise ValueError(
                f"replay-step: the checkpoint {self.path} does not fit the model: {error}"
            ) from error


def nearest_checkpoint(folder: Path, course: Course, step: int) -> Checkpoint | None:
    """Returns the last checkpoint at or before a step; None if there is none.

    Args:
        folder: Its `.keras` and `.weights.h5` files are looked at, at any depth, as ModelCheckpoint
            and BackupAndRestore write them. One without the optimizer's state is left out: nobody
            knows its step.
        course: Of the record.
        step: To be replayed.

    Raises:
        FileNotFoundError: If there is no such folder.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"replay-step: there is no folder of checkpoints {folder}.")
    found = []
    for path in sorted(folder.rglob("*")):
        updates = _updates(path)
        if updates is not None:
            found.append(Checkpoint(path, course.step_after(updates)))
    return max(
        (each for each in found if each.step <= step), key=lambda each: each.step, default=None
    )


def _updates(path: Path) -> int | None:
    """Says how many updates the optimizer of a checkpoint had taken; None if it does not say."""
    try:
        if path.name.endswith(_WEIGHTS):
            return _count(path)
        if path.suffix == _ARCHIVE:
            with zipfile.ZipFile(path) as archive:
                return _count(io.BytesIO(archive.read("model" + _WEIGHTS)))
    except (OSError, KeyError, zipfile.BadZipFile):  # no checkpoint, or one that was cut off
        return None
    return None


def _count(file: Any) -> int | None:
    with h5py.File(file, "r") as weights:
        found = weights.get(_ITERATIONS)
        return int(found[()]) if isinstance(found, h5py.Dataset) and found.shape == () else None
