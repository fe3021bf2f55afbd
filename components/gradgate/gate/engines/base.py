"""What an engine is, and what it asks of those to whom it shows the steps."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from gradgate.gate.evidence import Evidence, StepBatch


class Tally(Protocol):
    """What was seen of a stretch of steps: small however long it was, and can be pickled."""

    def merge(self, later: Any) -> None:
        """Takes in what was seen of the stretch that follows."""

    def begin_stretch(self, number: int) -> None:
        """Says which stretch follows; 0 is the first, and the only one if nobody says."""

    def end_stretch(self) -> None:
        """Says that all of it was seen."""


class Watcher(Protocol):
    """Looks at all steps of a record. It can be pickled, with what it has seen so far."""

    @property
    def tally(self) -> Tally:
        """What it has seen in this pass."""

    @property
    def remembers(self) -> bool:
        """Whether what it takes from a step depends on steps before: it needs all in a row."""

    def feed(self, batch: StepBatch) -> None:
        """Looks at the steps of a batch."""

    def again(self) -> bool:
        """Whether it must look at all steps once more; it is then ready."""


Engine = Callable[[Evidence, Sequence[Watcher]], None]
"""Shows all steps of the evidence to all watchers, once.

Raises what reading the steps raised, after every watcher has seen those before.
"""


class EngineError(Exception):
    """The engine failed, not the record.

    Attributes:
        code: Of the check that fails.
        message: What happened, and what to do.
    """

    code = "R-ENGINE"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


def show_all(engine: Engine, evidence: Evidence, watchers: Sequence[Watcher]) -> None:
    """Shows the steps to all watchers, again and again until none needs to see them once more."""
    looking = list(watchers)
    while looking:
        engine(evidence, looking)
        looking = [watcher for watcher in looking if watcher.again()]
