"""One training that is killed (kill -9) at many random moments, and one that is not.

Usage: killed_trainings.py FOLDER KILLS. Leaves FOLDER/whole/record and FOLDER/killed/record, and
prints as JSON what happened. Run by test_resume.py.
"""

import json
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import h5py
import keras
import numpy as np
from forked import Fork

from gradgate.gradients import AutoClip, ClipByGlobalNorm
from gradgate.training import instrument, reproducible

EPOCHS, BATCHES, APPLIED = 60, 4, 3  # one batch of each epoch has a NaN, and is skipped
_DONE, _WAITS = b".", b"w"


class Notes(keras.callbacks.Callback):
    """Tells the parent how far the training is; one that is to be killed never ends by itself."""

    def __init__(self, note: Callable[[bytes], None], *, may_end: bool) -> None:
        super().__init__()
        self._note, self._may_end = note, may_end

    def on_epoch_begin(self, epoch: int, logs: object = None) -> None:
        if epoch == EPOCHS - 1 and not self._may_end:
            self._note(_WAITS)
            time.sleep(600.0)

    def on_epoch_end(self, epoch: int, logs: object = None) -> None:
        self._note(_DONE)  # and its backup is written


def train(folder: Path, note: Callable[[bytes], None], *, may_end: bool) -> None:
    """What an orchestrator starts again and again: it does not know whether it was killed."""
    reproducible(7)
    rng = np.random.default_rng(3)
    x = rng.normal(size=(8 * BATCHES, 4)).astype(np.float32)
    y = (x[:, :1] > 0.3).astype(np.float32)
    x[17] = np.nan
    model = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(1, "sigmoid", name="line")], name="model"
    )
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), "binary_crossentropy")
    model.optimizer.build(model.trainable_variables)  # else the first step is traced twice
    clip = (AutoClip(percentile=50.0, history=20), ClipByGlobalNorm(max_norm=1.0))
    with instrument(
        model,
        folder / "record",
        clip=clip,
        on_nonfinite="skip",
        statistics_every=7,
        resume=True,
    ):
        model.fit(
            x,
            y,
            batch_size=8,
            epochs=EPOCHS,
            shuffle=False,
            verbose=0,
            callbacks=[
                keras.callbacks.BackupAndRestore(folder / "backup"),
                Notes(note, may_end=may_end),  # after the other
            ],
        )


def start(folder: Path, *, may_end: bool) -> Fork:
    return Fork(lambda note: train(folder, note, may_end=may_end), folder / "log")


def finish(folder: Path) -> list[float]:
    """Trains to the end; returns the seconds to the first epoch's end, and to the last one's."""
    fork = start(folder, may_end=True)
    fork.wait_for_note()
    begun = time.monotonic() - fork.began
    code, _ = fork.wait()
    if code:
        raise RuntimeError(f"exit code {code}: {(folder / 'log').read_text()}")
    return [begun, time.monotonic() - fork.began]


def is_whole(backup: Path) -> bool:
    """Says whether Keras can go on from its backup, and will with what belongs together.

    BackupAndRestore writes the weights and then, in a file of their own, the epoch, both in place:
    a kill between or within the two leaves weights that are torn, or that the epoch is not of.
    That window is Keras's, and no record can close it.
    """
    if not backup.exists():
        return True
    try:
        epoch = json.loads((backup / "training_metadata.json").read_text())["epoch"]
        with h5py.File(backup / "latest.weights.h5") as file:
            file.visititems(lambda _, item: item[()] is None if hasattr(item, "dtype") else None)
            iterations = int(file["optimizer/vars/0"][()])
    except (OSError, ValueError, KeyError, RuntimeError):
        return False
    return bool(iterations == epoch * APPLIED)


def kill_and_restart(folder: Path, kills: int, seconds: list[float]) -> dict[str, int]:
    """Kills a training so many times, every other time before it has a backup of its own."""
    begin, end = seconds
    an_epoch = (end - begin) / EPOCHS
    draw, put_back, begun = random.Random(1), 0, 0
    backup, former = folder / "backup", folder / "former"
    for number in range(kills):
        shutil.rmtree(former, ignore_errors=True)
        if backup.exists():
            shutil.copytree(backup, former)
        fork = start(folder, may_end=False)
        if number % 2:
            fork.wait_for_note()
            time.sleep(draw.uniform(0, 2 * an_epoch))
        else:
            fork.wait_for_note(seconds=draw.uniform(0, begin))
        fork.kill(signal.SIGKILL)
        code, notes = fork.wait()
        if code != -signal.SIGKILL:
            raise RuntimeError(f"exit code {code}: {(folder / 'log').read_text()}")
        begun += _DONE in notes
        if not is_whole(backup):
            put_back += 1
            shutil.rmtree(backup)
            if former.exists():
                shutil.copytree(former, backup)
    return {"kills": kills, "put_back": put_back, "begun": begun}


def main() -> None:
    folder, kills = Path(sys.argv[1]), int(sys.argv[2])
    seconds = finish(folder / "whole")
    found = kill_and_restart(folder / "killed", kills, seconds)
    finish(folder / "killed")
    sys.stdout.write(json.dumps({**found, "seconds": seconds}))


if __name__ == "__main__":
    main()
