"""SIGTERM, as a scheduler sends it before it takes a machine away: save first, then go as before.

Python runs a handler between two of its own instructions, so at the latest when the steps that
TensorFlow is running come back. The process then ends as it would have without us.
"""

import contextlib
import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

_log = logging.getLogger(__name__)


class Sigterm:
    """While it holds, SIGTERM first calls `save`.

    Only where a handler can be set: in the main thread, and over Python's own handlers.

    Args:
        save: Brings to the disk what is not there yet; may raise.
    """

    def __init__(self, save: Callable[[], Any]) -> None:
        self._save = save
        self._before: Any = None
        self._is_held = False
        self._depth, self._has_come, self._is_over = 0, False, False
        if threading.current_thread() is not threading.main_thread():
            return
        self._before = signal.getsignal(signal.SIGTERM)
        if self._before is not None:  # else a handler that Python did not set
            signal.signal(signal.SIGTERM, self._handle)
            self._is_held = True

    @contextlib.contextmanager
    def put_off(self) -> Iterator[None]:
        """While this is open, SIGTERM waits until its end, so that what is done is done whole."""
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
            if not self._depth:
                self._catch_up()

    def release(self) -> None:
        """Restores what was there before, unless somebody replaced ours since."""
        if not self._is_held:
            return
        if self._depth:
            self._is_over = True
            return
        self._is_held = False
        if threading.current_thread() is not threading.main_thread():
            return
        if signal.getsignal(signal.SIGTERM) == self._handle:
            signal.signal(signal.SIGTERM, self._before)

    def _catch_up(self) -> None:
        if self._is_over:
            self.release()
        if self._has_come:
            self._has_come = False
            os.kill(os.getpid(), signal.SIGTERM)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._depth:
            self._has_come = True
            return
        _log.warning("gradgate: SIGTERM: saving the health record")
        with contextlib.suppress(Exception):  # whatever fails, the process was told to go
            self._save()
        if callable(self._before):
            self._before(number, frame)
        elif self._before != signal.SIG_IGN:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.kill(os.getpid(), number)
