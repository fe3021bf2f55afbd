"""Trainings that get a SIGTERM, each in a process of its own.

Usage: terminated_trainings.py FOLDER. Leaves FOLDER/NAME/record for each, and prints as JSON how
they ended. Run by test_sigterm.py.
"""

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
from forked import Fork

from gradgate.training import instrument, reproducible

Note = Callable[[bytes], None]


class Tell(keras.callbacks.Callback):
    """Notes each batch that is finished, and sends the signal after one of them."""

    def __init__(self, note: Note, signal_after: int | None) -> None:
        super().__init__()
        self._note, self._signal_after, self._batches = note, signal_after, 0

    def on_train_batch_end(self, batch: int, logs: object = None) -> None:
        self._batches += 1
        self._note(b".")
        if self._batches == self._signal_after:
            os.kill(os.getpid(), signal.SIGTERM)


class KilledWhileTraced(keras.layers.Layer):
    """Sends the signal while the validation is traced, in a graph that is not finished."""

    is_armed = False  # not while the model is built

    def call(self, x: object, training: bool = False) -> object:
        if self.is_armed and not training:
            os.kill(os.getpid(), signal.SIGTERM)
        return x


def train(
    folder: Path,
    note: Note,
    *,
    epochs: int = 3,
    signal_after: int | None = None,
    resume: bool = False,
    is_traced: bool = False,
) -> None:
    """8 batches an epoch."""
    reproducible(7)
    x = np.random.default_rng(3).normal(size=(64, 4)).astype(np.float32)
    y = x[:, :1]
    more = [KilledWhileTraced(name="signal")] if is_traced else []
    model = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(1, name="line"), *more], name="model"
    )
    model.compile(keras.optimizers.SGD(0.1), "mean_squared_error")
    model.optimizer.build(model.trainable_variables)  # else the first step is traced twice
    callbacks = [keras.callbacks.BackupAndRestore(folder / "backup"), Tell(note, signal_after)]
    KilledWhileTraced.is_armed = is_traced
    with instrument(model, folder / "record", resume=resume, statistics_every=0):
        model.fit(
            x,
            y,
            batch_size=8,
            epochs=epochs,
            shuffle=False,
            verbose=0,
            callbacks=callbacks,
            validation_data=(x, y) if is_traced else None,
        )


def with_handler(program: Callable[[Note], None], *, leaves: bool) -> Callable[[Note], None]:
    """Returns the program as one that has a handler of its own."""

    def run(note: Note) -> None:
        def handle(number: int, frame: object) -> None:
            note(b"h")
            if leaves:
                sys.exit(3)

        signal.signal(signal.SIGTERM, handle)
        program(note)

    return run


def ignoring(program: Callable[[Note], None]) -> Callable[[Note], None]:
    """Returns the program as one that ignores SIGTERM."""

    def run(note: Note) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        program(note)

    return run


def while_written(program: Callable[[Note], None], name: str) -> Callable[[Note], None]:
    """Returns the program as one that gets the signal while a file of the record is written."""

    def run(note: Note) -> None:
        def hook(event: str, arguments: tuple[object, ...]) -> None:
            path = str(arguments[0])
            if event == "open" and f"/{name}." in path and path.endswith(".partial"):
                os.kill(os.getpid(), signal.SIGTERM)

        sys.addaudithook(hook)
        program(note)

    return run


def main() -> None:
    folder = Path(sys.argv[1])
    found: dict[str, object] = {}

    def run(
        name: str,
        around: Callable[..., Callable[[Note], None]] | None = None,
        *given: str,
        place: str | None = None,
        send_after: int | None = None,
        around_arguments: dict[str, bool] | None = None,
        **arguments: object,
    ) -> None:
        def program(note: Note) -> None:
            train(folder / (place or name), note, **arguments)

        if around is not None:
            program = around(program, *given, **(around_arguments or {}))
        fork = Fork(program, folder / (place or name) / "log")
        if send_after is not None:
            fork.wait_for_note(send_after)
            fork.kill(signal.SIGTERM)
        code, notes = fork.wait()
        log = (folder / (place or name) / "log").read_text()
        found[name] = {"code": code, "notes": notes.decode(), "log": log[-4000:]}

    run("whole")
    run("default", signal_after=13)
    run("resumed", place="default", resume=True)
    run("from outside", send_after=20, epochs=10_000)
    run("while written", while_written, "00000.parquet")
    run("while traced", is_traced=True)
    run("while finished", while_written, "summary.json")
    run("leaving", with_handler, signal_after=13, around_arguments={"leaves": True})
    run("staying", with_handler, signal_after=13, around_arguments={"leaves": False})
    run("ignoring", ignoring, signal_after=13)
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()
