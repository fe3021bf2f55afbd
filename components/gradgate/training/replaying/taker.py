"""Takes steps of a program, one by one, on the batches that the recorded training had."""

import dataclasses
import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from gradgate.contracts import Manifest, ModelCard
from gradgate.telemetry.batch import StepBatch
from gradgate.training.guard import Guard
from gradgate.training.replaying.course import Stretch
from gradgate.training.replaying.errors import ReplayError
from gradgate.training.replaying.likeness import likeness, numbers
from gradgate.training.replaying.program import Program
from gradgate.training.replaying.state import State


class Collector:
    """A sink that keeps the rows that were not asked for yet."""

    def __init__(self) -> None:
        self._rows: list[StepBatch] = []

    def begin(self, card: ModelCard, *, training_uid: str, planned_steps: int | None) -> None:
        """Nothing to do."""

    def learn(self, card: ModelCard) -> None:
        """Nothing to do."""

    def write(self, batch: StepBatch) -> None:
        """Keeps rows."""
        self._rows.append(batch)

    def end(self, manifest: Manifest) -> None:
        """Nothing to do."""

    def taken(self) -> list[StepBatch]:
        """Returns the rows, and keeps them no longer."""
        rows, self._rows = self._rows, []
        return rows


@dataclasses.dataclass(frozen=True)
class Taken:
    """One step that was taken again: its row, its batches, and all that it changed, before.

    What it changed is kept of the first step of an epoch and of the one that is looked at.
    """

    row: StepBatch
    batches: tuple[Any, ...]
    before: State | None


class Taker:
    """Takes the steps of a program under a guard.

    An iterator of shuffled data is a new draw, and Keras makes more of them than it has epochs. So
    the first step of each stretch is tried on one after another, until its loss and norm are the
    recorded ones.

    Args:
        program: Whose steps.
        guard: That observes them.
        collector: Its sink.
        rows: The recorded ones.
        looked_at: The step of which all is kept.
        behind: Batches that the generators of random numbers know nothing of, as a checkpoint's.
    """

    def __init__(
        self,
        program: Program,
        guard: Guard,
        collector: Collector,
        *,
        rows: StepBatch,
        looked_at: int,
        behind: int = 0,
    ) -> None:
        self._program, self._guard, self._collector = program, guard, collector
        self._rows, self._looked_at, self._behind = rows, looked_at, behind
        self._iterators = 0  # that were made, of all epochs

    def take(self, stretch: Stretch) -> Iterator[Taken]:
        """Takes the steps of a stretch, one by one.

        Raises:
            ReplayError: If the data end before the steps do.
        """
        batches, first = self._begin(stretch)
        yield first
        for step in stretch.steps[1:]:
            yield self._one(batches, stretch, step)

    def _begin(self, stretch: Stretch) -> tuple[Iterator[Any], Taken]:
        """Takes the first step of a stretch, on the iterator on which it is the recorded one."""
        most = self._iterators + 2 * (stretch.epoch + 1) + 2
        while True:
            batches = iter(self._program.epoch(stretch.epoch))
            self._iterators += 1
            for number in range(stretch.skipped):
                if next(batches, None) is None:
                    raise _out_of_batches(stretch.epoch, stretch.steps[0], number)
            before = State.of(self._program)
            taken = self._one(batches, stretch, stretch.steps[0], before)
            if self._behind:
                before = before.drawn(State.of(self._program), self._behind)
                before.restore()
                self._behind = 0
                again = itertools.chain(taken.batches, batches)
                taken = self._one(again, stretch, stretch.steps[0], before)
            if self._iterators >= most or self._is_recorded(taken.row, stretch.steps[0]):
                return batches, taken
            before.restore()

    def _is_recorded(self, row: StepBatch, step: int) -> bool:
        recorded = numbers(self._rows)[step : step + 1]
        return likeness(np.array([step]), recorded, numbers(row)).holds

    def _one(
        self, batches: Iterator[Any], stretch: Stretch, step: int, before: State | None = None
    ) -> Taken:
        """Takes batches until they have made a step: several where gradients accumulate."""
        if before is None and step == self._looked_at:
            before = State.of(self._program)
        taken = []
        for batch in batches:
            taken.append(batch)
            self._program.take(batch)
            self._guard.flush()
            rows = self._collector.taken()
            if rows:
                return Taken(rows[-1], tuple(taken), before)
        raise _out_of_batches(stretch.epoch, step)


def _out_of_batches(epoch: int, step: int, number: int | None = None) -> ReplayError:
    had = "ended" if number is None else f"had only {number} batches"
    return ReplayError(
        f"replay-step: the data of epoch {epoch} {had} before step {step} of the record. They are"
        " not those of the training: another batch size, or fewer examples?"
    )
