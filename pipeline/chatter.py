"""Sends what libraries print to a log file, and keeps the terminal for us.

TensorFlow, TFX and Beam write to file descriptors 1 and 2, some of it from C++, where nothing in
Python can catch it. So the descriptors themselves are pointed at the log while a pipeline runs.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO


@contextmanager
def chatter_to(log: Path) -> Iterator[TextIO]:
    """Redirects the process's output to `log`; yields the real standard output.

    Args:
        log: Appended to; its folder is made.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    sys.stdout.flush()
    sys.stderr.flush()
    saved = [os.dup(1), os.dup(2)]
    terminal = os.fdopen(os.dup(saved[0]), "w", encoding="utf-8")
    with log.open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    try:
        yield terminal
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        terminal.flush()
        for descriptor, original in enumerate(saved, start=1):
            os.dup2(original, descriptor)
            os.close(original)
        terminal.close()
