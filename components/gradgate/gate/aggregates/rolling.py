"""The worst stretch of a series: the greatest or least mean of so many samples in a row.

A mean over the whole window hides a bad stretch in a long run.
"""

import numpy as np

from gradgate.gate.aggregates.negated import Negated
from gradgate.gate.aggregates.runs import GreatestOfRuns
from gradgate.gate.evidence import Float64s


class RollingMax(GreatestOfRuns):
    """Greatest mean over all runs of `over` samples.

    Each mean is added up from its first sample on, so that it is the same however the samples were
    cut into stretches.
    """

    def __init__(self, *, columns: int, over: int) -> None:
        super().__init__(columns=columns, size=over)

    def of_beginnings(self, values: Float64s) -> Float64s:  # noqa: D102 - see the base
        totals: Float64s = np.add.accumulate(values, axis=0)
        return totals / np.arange(1, len(values) + 1)[:, np.newaxis]

    def of_runs(self, values: Float64s) -> Float64s:  # noqa: D102
        runs = len(values) - self._size + 1
        total = values[:runs].copy()
        for place in range(1, self._size):
            total += values[place : place + runs]
        return total / self._size


class RollingMin(Negated):
    """Least mean over all runs of `over` samples; else as `RollingMax`."""

    def __init__(self, *, columns: int, over: int) -> None:
        super().__init__(RollingMax(columns=columns, over=over))
