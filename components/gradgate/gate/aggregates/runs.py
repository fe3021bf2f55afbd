"""The greatest number among those of all runs of so many samples in a row."""

# ruff: noqa: D102 - `Core` says what the methods do

from typing import cast

import numpy as np

from gradgate.gate.aggregates.base import Core, RunningCore
from gradgate.gate.evidence import Float64s


class GreatestOfRuns(RunningCore):
    """Takes the greatest of the numbers that a subclass gives to runs of `size` samples.

    With fewer samples than `size`, the number of all together: a short series is judged by the
    longest run that it has.
    """

    def __init__(self, *, columns: int, size: int) -> None:
        self._size = size
        self._head: Float64s = np.empty((0, columns))  # the first size - 1 samples
        self._tail: Float64s = np.empty((0, columns))  # the last size - 1 samples
        self._greatest: Float64s = np.full(columns, -np.inf)
        self._count = 0

    def of_beginnings(self, values: Float64s) -> Float64s:
        """The number of the run from the first sample to each, float64 [n, k]."""
        raise NotImplementedError

    def of_runs(self, values: Float64s) -> Float64s:
        """The number of each run of `size` samples, float64 [n - size + 1, k]."""
        raise NotImplementedError

    def update(self, values: Float64s) -> None:
        self.running(values)

    def value(self) -> Float64s:
        return self._greatest if self._count >= self._size else self.of_beginnings(self._head)[-1]

    def running(self, values: Float64s) -> Float64s:
        known = np.vstack([self._tail, values])
        keep = self._size - 1
        missing = keep - len(self._head)
        if missing > 0:
            self._head = np.vstack([self._head, values[:missing]])
        self._tail = known[len(known) - min(keep, len(known)) :].copy()
        before, self._count = self._count, self._count + len(values)

        prefix = np.empty_like(values)
        short = min(max(keep - before, 0), len(values))  # samples that complete no run yet
        if short:
            prefix[:short] = self.of_beginnings(known)[before : before + short]
        if short < len(values):
            greatest = np.maximum.accumulate(self.of_runs(known), axis=0)
            prefix[short:] = np.maximum(greatest, self._greatest)
            self._greatest = prefix[-1]
        return prefix

    def merge(self, later: Core) -> None:
        other = cast("GreatestOfRuns", later)
        if len(other._head):
            self.running(other._head)  # the runs that span the seam
        beyond = other._count - len(other._head)
        if beyond:
            self._greatest = np.maximum(self._greatest, other._greatest)
            self._tail = other._tail
            self._count += beyond
