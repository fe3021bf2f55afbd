"""The worst stretch of a series: the greatest or least mean of so many samples in a row.

A mean over the whole window hides a bad stretch in a long run.
"""

# ruff: noqa: D102 - `Core` says what the methods do

from typing import cast

import numpy as np

from gradgate.gate.aggregates.base import Core
from gradgate.gate.evidence import Float64s


class RollingMax:
    """Greatest mean over all runs of `over` samples.

    With fewer samples than `over`, the mean of all: a short series is judged by the longest run
    that it has. Each mean is added up from its first sample on, so that it is the same however the
    samples were cut into stretches.
    """

    def __init__(self, *, columns: int, over: int) -> None:
        self._over = over
        self._head: Float64s = np.empty((0, columns))  # the first over - 1 samples
        self._tail: Float64s = np.empty((0, columns))  # the last over - 1 samples
        self._greatest: Float64s = np.full(columns, -np.inf)
        self._count = 0

    def update(self, values: Float64s) -> None:
        self.running(values)

    def value(self) -> Float64s:
        if self._count < self._over:
            mean: Float64s = np.add.accumulate(self._head, axis=0)[-1] / self._count
            return mean
        return self._greatest

    def running(self, values: Float64s) -> Float64s:
        known = np.vstack([self._tail, values])
        keep = self._over - 1
        missing = keep - len(self._head)
        if missing > 0:
            self._head = np.vstack([self._head, values[:missing]])
        self._tail = known[len(known) - min(keep, len(known)) :]
        before, self._count = self._count, self._count + len(values)

        prefix = np.empty_like(values)
        short = min(max(keep - before, 0), len(values))  # samples that complete no run yet
        counts = np.arange(before + 1, before + short + 1)[:, np.newaxis]
        prefix[:short] = np.add.accumulate(known, axis=0)[before : before + short] / counts
        if short < len(values):
            means = self._means(known)
            prefix[short:] = np.maximum(np.maximum.accumulate(means, axis=0), self._greatest)
            self._greatest = prefix[-1]
        return prefix

    def merge(self, later: Core) -> None:
        other = cast("RollingMax", later)
        if len(other._head):
            self.running(other._head)  # the runs that span the seam
        beyond = other._count - len(other._head)
        if beyond:
            self._greatest = np.maximum(self._greatest, other._greatest)
            self._tail = other._tail
            self._count += beyond

    def _means(self, known: Float64s) -> Float64s:
        """The mean of each whole run of samples, float64 [n, k]."""
        runs = len(known) - self._over + 1
        total = known[:runs].copy()
        for place in range(1, self._over):
            total += known[place : place + runs]
        return total / self._over


class RollingMin:
    """Least mean over all runs of `over` samples; else as `RollingMax`."""

    def __init__(self, *, columns: int, over: int) -> None:
        self._negated = RollingMax(columns=columns, over=over)

    def update(self, values: Float64s) -> None:
        self._negated.update(-values)

    def value(self) -> Float64s:
        return -self._negated.value()

    def running(self, values: Float64s) -> Float64s:
        return -self._negated.running(-values)

    def merge(self, later: Core) -> None:
        self._negated.merge(cast("RollingMin", later)._negated)
