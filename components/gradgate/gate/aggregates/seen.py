"""What a case has seen of the steps: its accumulators, which always go together."""

from collections.abc import Iterable

from gradgate.gate.aggregates.base import Accumulator


class Seen:
    """Accumulators that are fed from the same steps.

    It holds nothing else, so it can be sent from one process to another.

    Attributes:
        accumulators: In the order in which they were given.
        error: Why there are no samples of some step on; empty where there are.
    """

    def __init__(self, accumulators: Iterable[Accumulator]) -> None:
        self.accumulators = list(accumulators)
        self.error = ""

    def merge(self, later: "Seen") -> None:
        """Takes in what was seen of later steps."""
        if self.error:
            return
        self.error = later.error
        for mine, theirs in zip(self.accumulators, later.accumulators, strict=True):
            mine.merge(theirs)

    def begin_stretch(self, number: int) -> None:
        """Says which stretch of the steps it will see."""
        for each in self.accumulators:
            each.begin_stretch(number)

    def end_stretch(self) -> None:
        """Says that it has seen all of the stretch."""
        for each in self.accumulators:
            each.end_stretch()

    def again(self) -> bool:
        """Whether one of them must see all steps again; from now on it feeds only those that must.

        What the others found stays where it was.
        """
        self.accumulators = [each for each in self.accumulators if each.again()]
        return bool(self.accumulators)
