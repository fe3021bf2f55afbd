"""Where in the data each recorded step stood: its epoch, and how many batches came before."""

import dataclasses

import numpy as np
from numpy.typing import NDArray

from gradgate.telemetry.batch import StepBatch


@dataclasses.dataclass(frozen=True)
class Stretch:
    """Steps of one epoch that are to be taken again.

    Attributes:
        epoch: Whose they are.
        skipped: Batches of it that come before them.
        steps: Rows of the record, one after another.
    """

    epoch: int
    skipped: int
    steps: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Course:
    """The steps of a record, in the data's own order.

    Attributes:
        rows: All rows of it, from step 0.
        batches_a_step: More than 1 under gradient accumulation.
    """

    rows: StepBatch
    batches_a_step: int = 1

    def stretches(self, first: int, last: int) -> tuple[Stretch, ...]:
        """Returns the steps from `first` to `last`, both among them, epoch by epoch."""
        batches = self._batches()
        steps = np.arange(len(self.rows))
        found = []
        for epoch in range(int(self.rows.epoch[first]), int(self.rows.epoch[last]) + 1):
            is_its = self.rows.epoch == epoch
            taken = steps[is_its & (steps >= first) & (steps <= last)]
            if taken.size:
                skipped = int(batches[is_its & (steps < first)].sum())
                found.append(Stretch(epoch, skipped, tuple(taken.tolist())))
        return tuple(found)

    def step_after(self, updates: int) -> int:
        """Returns the first step after so many that were applied, as a checkpoint counts them."""
        applied = np.flatnonzero(self.rows.applied)
        if updates > len(applied):
            return len(self.rows)
        return int(applied[updates - 1]) + 1 if updates else 0

    def batches_before(self, step: int) -> int:
        """Returns how many batches were taken before a step."""
        return int(self._batches()[:step].sum())

    def _batches(self) -> NDArray[np.int64]:
        batches = np.full(len(self.rows), self.batches_a_step, np.int64)
        if self.rows.loss_scale_skips is not None:  # those have no rows, but took a batch each
            batches += self.rows.loss_scale_skips * self.batches_a_step
        return batches
