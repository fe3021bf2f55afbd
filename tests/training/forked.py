"""Lets a program import TensorFlow once, and run each training in a process of its own.

TensorFlow's runtime, with its threads, starts at its first operation. A process that has imported
it and run none can therefore be forked, and the fork starts a runtime of its own: twenty times
cheaper than a new process.
"""

import os
import select
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import tensorflow as tf


class Fork:
    """A training that runs in a fork of this process.

    Args:
        program: Called in the fork with a function that notes one byte, which the parent reads.
        log: What the fork prints.
    """

    def __init__(self, program: Callable[[Callable[[bytes], None]], None], log: Path) -> None:
        from tensorflow.python.eager import context  # no public way to ask

        assert not context.context()._initialized, "TensorFlow's runtime runs: too late to fork"
        self._log, self._notes = log, b""
        self._read, write = os.pipe()
        self.began = time.monotonic()
        self.pid = os.fork()
        if not self.pid:
            _be(program, write, log)
        os.close(write)

    def wait_for_note(self, count: int = 1, *, seconds: float = 300.0) -> None:
        """Waits until so many bytes were noted in all, or the time is up."""
        until = time.monotonic() + seconds
        while len(self._notes) < count:
            readable, _, _ = select.select([self._read], [], [], max(0, until - time.monotonic()))
            if not readable:
                return
            new = os.read(self._read, 4096)
            if not new:
                raise RuntimeError(f"the training ended: {self._log.read_text()}")
            self._notes += new

    def kill(self, number: int) -> None:
        """Sends a signal."""
        os.kill(self.pid, number)

    def wait(self) -> tuple[int, bytes]:
        """Waits until it is gone; returns its exit code, minus a signal's number, and all notes."""
        while new := os.read(self._read, 4096):
            self._notes += new
        os.close(self._read)
        _, status = os.waitpid(self.pid, 0)
        return os.waitstatus_to_exitcode(status), self._notes


def _be(program: Callable[[Callable[[bytes], None]], None], write: int, log: Path) -> None:
    code = 1
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, 1)
        os.dup2(file, 2)
        tf.config.threading.set_inter_op_parallelism_threads(1)
        tf.config.threading.set_intra_op_parallelism_threads(1)
        program(lambda note: os.write(write, note) and None)
        code = 0
    except SystemExit as error:
        code = int(error.code or 0)
    except BaseException:  # noqa: BLE001 - the log tells it
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)  # what the parent has to do at its exit is not for the fork to do
