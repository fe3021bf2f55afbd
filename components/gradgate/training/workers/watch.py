"""The watch of one process over the others, on threads of its own.

A collective that waits for a process which will not come cannot be interrupted: the thread of the
training is deep in TensorFlow. So it is another thread that finds out, finishes the record without
it, and ends the process.
"""

import atexit
import contextlib
import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from gradgate.training.scope import is_chief, replicas_here, task_name
from gradgate.training.workers.limits import LOST, WatchLimits
from gradgate.training.workers.lines import Lines
from gradgate.training.workers.meet import meet
from gradgate.training.workers.peers import Bye, Loss, Own, Peer, find_loss, is_stuck, suspect
from gradgate.training.workers.place import place_of

_log = logging.getLogger(__name__)
_LATE_BEATS = 4  # of a process that is suspected, once a step has failed


def begin_watch(
    strategy: tf.distribute.Strategy,
    limits: WatchLimits,
    *,
    steps: Callable[[], int],
    give_up: Callable[[str], None],
) -> "Watch | None":
    """Returns the watch over the other processes; None for a training of one.

    All processes call it at the same place, since they meet in a collective.

    Args:
        strategy: That the training runs under.
        limits: Of patience.
        steps: Gives the steps taken so far; called from another thread, and may raise.
        give_up: Called from another thread when the training waits in vain, with the reason: it
            finishes the record. The process ends after it.

    Raises:
        OSError: If the chief cannot listen on its port.
    """
    if replicas_here(strategy) == strategy.num_replicas_in_sync:
        return None
    return Watch(
        meet(strategy, limits),
        limits,
        name=task_name(strategy),
        is_chief=is_chief(strategy),
        steps=steps,
        give_up=give_up,
    )


class Watch:
    """What one process knows of the others. Watches from the start; see `begin_watch`.

    Args:
        lines: To the others.
        limits: Of patience.
        name: Of this process.
        is_chief: Whether it decides that all hang.
        steps, give_up: See `begin_watch`.
    """

    def __init__(
        self,
        lines: Lines,
        limits: WatchLimits,
        *,
        name: str,
        is_chief: bool,
        steps: Callable[[], int],
        give_up: Callable[[str], None],
    ) -> None:
        self._lines, self._limits, self._is_chief = lines, limits, is_chief
        self._steps, self._give_up = steps, give_up
        self._thread_of_training = threading.get_ident()
        now = time.monotonic()
        self._own = Own(name=name, steps=0, stepped_at=now, place="", is_in_step=False)
        self._peers: tuple[Peer, ...] = ()
        self._loss: Loss | None = None
        self._found_at = 0.0
        self._blamed = ""  # whom a failure of the training was put down to
        self._counted = 0  # steps, as the counting thread saw them last
        self._bye: dict[str, Any] = {}
        self._ending = threading.Event()
        self._threads = [
            threading.Thread(target=target, name=f"gradgate-{target.__name__}", daemon=True)
            for target in (self._count, self._watch)
        ]
        for thread in self._threads:
            thread.start()
        atexit.register(self._stop)

    def cause(self, error: str) -> str:
        """Returns who is to blame for the failure of the training; empty when nobody stands out.

        For an error of TensorFlow's it waits a few beats, since TensorFlow may notice sooner. Any
        other is the training code's own, unless somebody is known to be lost.

        Args:
            error: Name of the error's class.
        """
        self._blamed = self._blame(error)
        return self._blamed

    def _blame(self, error: str) -> str:
        if not (error.endswith("Error") and hasattr(tf.errors, error)):
            return "" if self._loss is None or self._loss.is_end else self._loss.words
        beat = self._limits.beat_seconds
        until = time.monotonic() + _LATE_BEATS * beat
        while True:
            if self._loss is not None:
                return self._loss.words
            now = time.monotonic()
            found = suspect(self._own, self._peers, now=now, late_seconds=_LATE_BEATS * beat)
            if found or now > until:
                return found
            time.sleep(beat / 4)

    def end(self, status: Bye, message: str = "") -> None:
        """Tells the others how the training ended here, and watches no longer."""
        if self._ending.is_set():
            return
        self._bye = {"bye": status, "message": message}
        if self._blamed and status == "failed":
            # TensorFlow waits a minute for processes that are gone, when Python has ended.
            atexit.register(_leave, self._blamed)
        self._stop()

    def _stop(self) -> None:
        atexit.unregister(self._stop)
        self._ending.set()
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(2.0)

    def _count(self) -> None:
        """Counts steps apart from the watch: on a device that hangs, reading may never return."""
        while not self._ending.wait(self._limits.beat_seconds):
            with contextlib.suppress(Exception):
                self._counted = self._steps()

    def _watch(self) -> None:
        while not self._ending.wait(self._limits.beat_seconds):
            self._beat()
            if self._loss is not None and self._is_stuck(self._loss):
                self._leave_for(self._loss)
        self._lines.exchange(self._said() | self._bye)
        self._lines.close()

    def _beat(self) -> None:
        now = time.monotonic()
        own, place = self._own, place_of(self._thread_of_training)
        is_same = (own.place, own.is_in_step) == (place.words, place.is_in_step)
        has_stepped = self._counted != own.steps
        self._own = own = Own(
            name=own.name,
            steps=self._counted,
            stepped_at=now if has_stepped else own.stepped_at,
            place=place.words,
            is_in_step=place.is_in_step,
            waits_since=own.waits_since if is_same else now,
        )
        self._peers = self._lines.exchange(self._said())
        loss = find_loss(own, self._peers, self._limits, now=now, is_chief=self._is_chief)
        if loss is not None and self._loss is None:
            self._found_at = now
            # Others may end while this process exports its model.
            _log.log(logging.INFO if loss.is_end else logging.ERROR, "gradgate: %s", loss.words)
        self._loss = loss

    def _said(self) -> dict[str, Any]:
        own = self._own
        return {"task": own.name, "place": own.place, "is_in_step": own.is_in_step}

    def _is_stuck(self, loss: Loss) -> bool:
        return is_stuck(
            self._own,
            loss,
            found_at=self._found_at,
            grace_seconds=self._limits.grace_seconds,
            now=time.monotonic(),
        )

    def _leave_for(self, loss: Loss) -> None:
        """Ends the process, whose training will never come back from its step."""
        try:
            self._give_up(loss.words)
            self._lines.exchange(self._said() | {"bye": "failed", "message": loss.words})
        except Exception:  # noqa: BLE001 - it must end all the same
            _log.exception("gradgate: the record could not be finished")
        _leave(f"it waits in vain: {loss.words}")


def _leave(words: str) -> None:
    """Ends the process; what it says is the last line of its log, below TensorFlow's page."""
    _log.error("gradgate: ends with status %d: %s", LOST, words)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    os._exit(LOST)
