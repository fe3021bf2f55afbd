"""Tells whoever listens in this process how a training gets on: for a progress bar."""

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np

from gradgate.contracts import Manifest, ModelCard
from gradgate.telemetry.batch import StepBatch

_RECENT = 100


@dataclasses.dataclass(frozen=True, kw_only=True)
class Progress:
    """Where a training is.

    Attributes:
        step: Optimizer steps taken; `planned_steps` is None when nobody said how many there are.
        loss, global_norm: Of the last step; None when the loss was not measured.
        clip_rate: Fraction of the last 100 steps that were clipped.
        nonfinite_steps: Steps with a non-finite loss or gradient so far.
    """

    step: int
    planned_steps: int | None
    epoch: int
    loss: float | None
    global_norm: float
    clip_rate: float
    nonfinite_steps: int


Listener = Callable[[Progress], None]
_listeners: list[Listener] = []


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Calls `listener` whenever a training in this process shows new steps."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


class ProgressSink:
    """Turns batches into `Progress`."""

    def __init__(self) -> None:
        self._planned: int | None = None
        self._loss_measured = True
        self._recent = np.zeros(0, bool)
        self._nonfinite = 0

    def begin(self, card: ModelCard, *, training_uid: str, planned_steps: int | None) -> None:
        """Remembers how long the training is meant to be."""
        self._planned = planned_steps
        self._loss_measured = card.loss_measured

    def learn(self, card: ModelCard) -> None:
        """Remembers whether the loss is seen after all."""
        self._loss_measured = card.loss_measured

    def write(self, batch: StepBatch) -> None:
        """Tells the state after the batch."""
        if not _listeners or not len(batch):
            return
        self._recent = np.concatenate([self._recent, batch.clipped])[-_RECENT:]
        is_bad = ~np.isfinite(batch.norms).all(1)
        if self._loss_measured:
            is_bad |= ~np.isfinite(batch.loss)
        self._nonfinite += int(is_bad.sum())
        progress = Progress(
            step=int(batch.step[-1]) + 1,
            planned_steps=self._planned,
            epoch=int(batch.epoch[-1]),
            loss=float(batch.loss[-1]) if self._loss_measured else None,
            global_norm=float(batch.global_norm[-1]),
            clip_rate=float(self._recent.mean()),
            nonfinite_steps=self._nonfinite,
        )
        for listener in tuple(_listeners):
            listener(progress)

    def end(self, manifest: Manifest) -> None:
        """Nothing: the stage that trained says when it is over."""
