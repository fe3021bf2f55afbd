"""What `model.fit` brings to the guard: when to read the device, the epoch, the planned steps.

Reads from `on_train_batch_begin`, on the main thread: a callback with `on_train_batch_end` would
take Keras's asynchronous dispatch away from everybody.
"""

# ruff: noqa: ARG002 - the signatures are those of keras.callbacks.Callback

import functools
import inspect
import time
from collections.abc import Callable
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
        self._first_epoch: int | None = None
        self._steps_before = 0
        self._steps_per_epoch: int | None = None

    def on_train_begin(self, logs: Any = None) -> None:
        """Starts a fit."""
        self._steps_before = self._guard.flush()
        self._first_epoch, self._steps_per_epoch = None, self.params.get("steps")
        self._batches = 0
        self._guard.plan.begin_fit()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Says which epoch the next steps belong to."""
        self._guard.plan.begin_epoch(epoch)
        if self._first_epoch is None:
            self._first_epoch = epoch
            self._plan_fit()

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Reads when it is time."""
        if self._batches and (
            self._batches >= self._limit or time.monotonic() - self._read_at >= _SECONDS
        ):
            self._read()
        self._batches += self.model.steps_per_execution

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Reads what is left of the epoch."""
        self._read()
        if self._steps_per_epoch is None and not self.model.stop_training:
            # The data did not say how much they are; now it is known.
            self._steps_per_epoch = self._guard.steps - self._steps_before
            self._plan_fit()

    def on_train_end(self, logs: Any = None) -> None:
        """Ends a fit. What another callback ended early, as EarlyStopping does, was as planned."""
        if self.model.stop_training and not self._guard.stopped:
            self._guard.plan.set_fit(self._guard.steps - self._steps_before)

    def _plan_fit(self) -> None:
        steps, epochs, first = self._steps_per_epoch, self.params.get("epochs"), self._first_epoch
        if steps is not None and epochs is not None and first is not None:
            self._guard.plan.set_fit(steps * (epochs - first))

    def _read(self) -> None:
        before = self._guard.steps
        steps = self._guard.flush() - before
        if self._batches and steps:
            per_batch = max(1.0, steps / self._batches)
            room = self._guard.capacity // 2
            if self._guard.settings.on_nonfinite == "stop":
                room = min(room, _STOP_BATCHES)
            self._limit = max(1, int(room / per_batch))
        self._batches, self._read_at = 0, time.monotonic()
        if self._guard.stopped:
            self.model.stop_training = True


def fit_with(
    callback: keras.callbacks.Callback,
    fit: Callable[..., Any],
    *,
    before: Callable[[], None],
    after: Callable[[BaseException | None], None],
) -> Callable[..., Any]:
    """Returns a `fit` that brings a callback along, whatever callbacks it is given.

    Args:
        callback: To bring along, before the others.
        fit: Of the model.
        before: Called first; may raise.
        after: Called last, with what `fit` raised, or None.
    """
    signature = inspect.signature(fit)

    @functools.wraps(fit)
    def fit_with_callback(*args: Any, **kwargs: Any) -> Any:
        before()
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
