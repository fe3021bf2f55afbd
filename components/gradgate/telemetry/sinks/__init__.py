"""Mirrors of a training for people. A mirror may fail; the record and the training may not.

A new sink is one file here; its heavy imports happen inside its own file.
"""

import logging
from collections.abc import Callable, Sequence
from typing import Protocol

from gradgate.contracts import Manifest, ModelCard
from gradgate.telemetry.batch import StepBatch

_log = logging.getLogger(__name__)


class Sink(Protocol):
    """What a mirror does: `begin` once, `write` for each batch, `end` once.

    `learn` comes in between: layers whose activations are looked at are known at the first look.
    """

    def begin(self, card: ModelCard, *, training_uid: str, planned_steps: int | None) -> None:
        """The training starts; `planned_steps` is None when nobody said."""

    def learn(self, card: ModelCard) -> None:
        """More is known of what is trained than when it began."""

    def write(self, batch: StepBatch) -> None:
        """Steps that follow those written before."""

    def end(self, manifest: Manifest) -> None:
        """The training is over and its record is finished."""


class FanOut:
    """Writes to every sink; one that raises is named in the log and left out from then on."""

    def __init__(self, sinks: Sequence[Sink] = ()) -> None:
        self._live = list(sinks)

    def begin(self, card: ModelCard, *, training_uid: str, planned_steps: int | None) -> None:
        """Begins every sink."""
        self._each(
            lambda sink: sink.begin(card, training_uid=training_uid, planned_steps=planned_steps)
        )

    def learn(self, card: ModelCard) -> None:
        """Tells every sink that is still there."""
        self._each(lambda sink: sink.learn(card))

    def write(self, batch: StepBatch) -> None:
        """Writes to every sink that is still there."""
        self._each(lambda sink: sink.write(batch))

    def end(self, manifest: Manifest) -> None:
        """Ends every sink that is still there."""
        self._each(lambda sink: sink.end(manifest))

    def _each(self, act: Callable[[Sink], None]) -> None:
        for sink in tuple(self._live):
            try:
                act(sink)
            except Exception:  # noqa: BLE001 - a mirror must not stop the training
                _log.exception("telemetry: dropping %s; the training goes on", type(sink).__name__)
                self._live.remove(sink)
