"""The greatest value that was reached or passed in so many samples in a row.

One large gradient is noise; a large one twice running is an explosion.
"""

# ruff: noqa: D102 - `Core` says what the methods do

from typing import cast

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from gradgate.gate.aggregates.base import Core
from gradgate.gate.evidence import Float64s


class SustainedMax:
    """Greatest over all runs of `steps` samples of the least sample in the run.

    With fewer samples than `steps`, of all samples together: a short series is judged by the
    longest run that it has.
    """

    def __init__(self, *, columns: int, steps: int) -> None:
        self._steps = steps
        self._head: Float64s = np.empty((0, columns))  # the first steps - 1 samples
        self._tail: Float64s = np.empty((0, columns))  # the last steps - 1 samples
        self._greatest: Float64s = np.full(columns, -np.inf)
        self._count = 0

    def update(self, values: Float64s) -> None:
        self.running(values)

    def value(self) -> Float64s:
        if self._count < self._steps:
            shortest: Float64s = self._head.min(axis=0)
            return shortest
        return self._greatest

    def running(self, values: Float64s) -> Float64s:
        known = np.vstack([self._tail, values])
        keep = self._steps - 1
        missing = keep - len(self._head)
        if missing > 0:
            self._head = np.vstack([self._head, values[:missing]])
        self._tail = known[len(known) - min(keep, len(known)) :]
        before, self._count = self._count, self._count + len(values)

        prefix = np.empty_like(values)
        short = min(max(keep - before, 0), len(values))  # samples that complete no run yet
        prefix[:short] = np.minimum.accumulate(known, axis=0)[before : before + short]
        if short < len(values):
            least = sliding_window_view(known, self._steps, axis=0).min(axis=-1)
            prefix[short:] = np.maximum(np.maximum.accumulate(least, axis=0), self._greatest)
            self._greatest = prefix[-1]
        return prefix

    def merge(self, later: Core) -> None:
        other = cast("SustainedMax", later)
        if len(other._head):
            self.running(other._head)  # the runs that span the seam
        beyond = other._count - len(other._head)
        if beyond:
            self._greatest = np.maximum(self._greatest, other._greatest)
            self._tail = other._tail
            self._count += beyond
