"""What a run tells while it goes on. Light: a terminal is ready before TensorFlow is."""

from collections.abc import Sequence
from typing import Literal, Protocol

Outcome = Literal["done", "cached", "skipped", "failed"]


class Listener(Protocol):
    """Who wants to know what a pipeline is doing."""

    def expect(self, stages: Sequence[str]) -> None:
        """These nodes will be run, in this order, unless one fails."""

    def stage_started(self, stage: str) -> None:
        """A node begins."""

    def stage_finished(self, stage: str, outcome: Outcome, seconds: float) -> None:
        """A node is over. `cached` used earlier outputs; `skipped` had nothing to do."""


class Silence:
    """A listener that says nothing."""

    def expect(self, stages: Sequence[str]) -> None:
        """Says nothing."""

    def stage_started(self, stage: str) -> None:
        """Says nothing."""

    def stage_finished(self, stage: str, outcome: Outcome, seconds: float) -> None:
        """Says nothing."""
