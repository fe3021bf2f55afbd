"""What `model.fit` brings to the guard: when to read the device, the epoch, the planned steps.

Reads from `on_train_batch_begin`, on the main thread: a callback with `on_train_batch_end` would
take Keras's asynchronous dispatch away from everybody.
"""

# ruff: noqa: ARG002 - the signatures are those of keras.callbacks.Callback

import functools
import inspect
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import keras

if TYPE_CHECKING:
    from gradgate.training.guard import Guard

_SECONDS = 1.0  # so that a mirror is never older, however slow a step is
_STOP_BATCHES = 32  # with `stop`, so that a training that is over goes on no longer


class DrainCallback(keras.callbacks.Callback):
    """Reads the device before it runs out of room, at the end of an epoch, and once a second."""

    def __init__(self, guard: "Guard") -> None:
        super().__init__()
        self._guard = guard
        self._batches = 0  # since the last read
        self._limit = 1  # the first read comes at once: it learns how many steps a batch makes
        self._read_at = time.monotonic()
        self._is_first_read = self._is_first_batch = True
        self._first_epoch: int | None = None
        self._epoch_batches: int | None = None

    def on_train_begin(self, logs: Any = None) -> None:
        """Starts a fit."""
        self._guard.flush()
        self._first_epoch, self._epoch_batches = None, self.params.get("steps")
        self._batches, self._is_first_read, self._is_first_batch = 0, True, True
        for trail in self._guard.trails:
            trail.plan.begin_fit(trail.taken)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Says which epoch the next steps belong to, and at first how many there will be."""
        for trail in self._guard.trails:
            trail.plan.begin_epoch(epoch)
            if self._first_epoch is None and self._epoch_batches is not None:
                trail.plan.set_fit(self._epoch_batches * self._epochs_from(epoch))
        if self._first_epoch is None:
            self._first_epoch = epoch

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Reads when it is time."""
        if self._is_first_batch:
            self._is_first_batch = False
            self._guard.begin_first_batch()
        if self._batches and (
            self._batches >= self._limit or time.monotonic() - self._read_at >= _SECONDS
        ):
            self._read()
        self._batches += self.model.steps_per_execution

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Reads what is left of the epoch, and notes what Keras says of it."""
        self._read(is_epoch_end=True)
        self._guard.note_epoch(epoch, logs or {})
        is_new = self._epoch_batches is None and epoch == self._first_epoch
        if is_new and not self.model.stop_training:
            # The data did not say how much they are; now it is known.
            for trail in self._guard.trails:
                trail.plan.set_fit_from_epoch(trail.taken, self._epochs_from(epoch))

    def on_train_end(self, logs: Any = None) -> None:
        """Ends a fit. What another callback ended early, as EarlyStopping does, was as planned."""
        nothing_left = self._first_epoch is None  # of a training that was resumed after its last
        if nothing_left or (self.model.stop_training and not self._guard.stopped):
            for trail in self._guard.trails:
                trail.plan.end_fit(trail.taken)

    def _epochs_from(self, first: int) -> int:
        return int(self.params.get("epochs") or 1) - first

    def _read(self, *, is_epoch_end: bool = False) -> None:
        guard = self._guard
        before = guard.steps
        steps = guard.flush(is_epoch_end=is_epoch_end) - before
        if self._batches:
            if self._is_first_read:
                self._check_first_read()
            if steps:
                per_batch = max(1.0, steps / self._batches)
                room = guard.capacity // 2
                if guard.settings.on_nonfinite == "stop":
                    room = min(room, _STOP_BATCHES)
                self._limit = max(1, int(room / per_batch))
        self._batches, self._read_at = 0, time.monotonic()
        if guard.stopped:
            self.model.stop_training = True

    def _check_first_read(self) -> None:
        """After the first batch: is anything measured, and how many steps does a batch make?"""
        self._is_first_read = False
        self._guard.check_that_it_measures()
        for trail in self._guard.trails:
            trail.plan.note_pace(self._batches, trail.taken - trail.plan.began_at)


def train_on_batch_with(guard: "Guard", train_on_batch: Callable[..., Any]) -> Callable[..., Any]:
    """Returns a `train_on_batch` that reads the device before it runs out of room.

    Args:
        guard: To read.
        train_on_batch: Of the model.
    """
    batches, limit, seen = 0, 1, 0  # since the last read; the first learns how many steps one makes

    @functools.wraps(train_on_batch)
    def read_and_train(*args: Any, **kwargs: Any) -> Any:
        nonlocal batches, limit, seen
        if batches >= limit:
            before, seen = seen, guard.flush()
            limit = max(1, int(guard.capacity // 2 * batches / max(batches, seen - before)))
            batches = 0
        batches += 1
        return train_on_batch(*args, **kwargs)

    return read_and_train


def fit_with(
    callback: keras.callbacks.Callback,
    fit: Callable[..., Any],
    *,
    before: Callable[[Mapping[str, Any]], None],
    after: Callable[[BaseException | None], None],
) -> Callable[..., Any]:
    """Returns a `fit` that brings a callback along, whatever callbacks it is given.

    Args:
        callback: To bring along, before the others.
        fit: Of the model.
        before: Called first, with the arguments by name; may raise.
        after: Called last, with what `fit` raised, or None.
    """
    signature = inspect.signature(fit)

    @functools.wraps(fit)
    def fit_with_callback(*args: Any, **kwargs: Any) -> Any:
        before(signature.bind_partial(*args, **kwargs).arguments)
        try:
            history = call(*args, **kwargs)
        except BaseException as error:
            after(error)
            raise
        after(None)
        return history

    def call(*args: Any, **kwargs: Any) -> Any:
        bound = signature.bind_partial(*args, **kwargs)
        is_named = "callbacks" in signature.parameters
        arguments = bound.arguments if is_named else kwargs
        given = arguments.get("callbacks")
        if isinstance(given, keras.callbacks.CallbackList):
            callback.set_params(given.params)
            callback.set_model(given.model)
            given.callbacks.insert(0, callback)
            try:
                return fit(*args, **kwargs)
            finally:
                given.callbacks.remove(callback)
        others = list(given) if isinstance(given, (list, tuple)) else [given] if given else []
        arguments["callbacks"] = [callback, *others]
        return fit(*bound.args, **bound.kwargs) if is_named else fit(*args, **kwargs)

    return fit_with_callback
