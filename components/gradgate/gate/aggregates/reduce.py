"""Sum, mean, greatest, least and last sample.

Sums are taken in float64 one sample after another, so they do not depend on how the samples were
cut into stretches (pairwise summation would). Samples come from float32 or are counts: 29 bits
are left for carrying, and sums of up to 2^53 indicators are exact.
"""

# ruff: noqa: D102 - `Core` says what the methods do

from typing import cast

import numpy as np

from gradgate.gate.aggregates.base import Core
from gradgate.gate.aggregates.negated import Negated
from gradgate.gate.evidence import Float64s


class Sum:
    """The sum of all samples."""

    def __init__(self, *, columns: int) -> None:
        self._total: Float64s = np.zeros(columns)

    def update(self, values: Float64s) -> None:
        self.running(values)

    def value(self) -> Float64s:
        return self._total

    def running(self, values: Float64s) -> Float64s:
        totals: Float64s = np.add.accumulate(np.vstack([self._total, values]), axis=0)[1:]
        self._total = totals[-1]
        return totals

    def merge(self, later: Core) -> None:
        self._total = self._total + cast("Sum", later)._total


class Mean:
    """The mean of all samples."""

    def __init__(self, *, columns: int) -> None:
        self._sum = Sum(columns=columns)
        self._count = 0

    def update(self, values: Float64s) -> None:
        self._sum.update(values)
        self._count += len(values)

    def value(self) -> Float64s:
        return self._sum.value() / self._count

    def running(self, values: Float64s) -> Float64s:
        counts = np.arange(self._count + 1, self._count + len(values) + 1)
        self._count += len(values)
        return self._sum.running(values) / counts[:, np.newaxis]

    def merge(self, later: Core) -> None:
        other = cast("Mean", later)
        self._sum.merge(other._sum)
        self._count += other._count


class Max:
    """The greatest sample."""

    def __init__(self, *, columns: int) -> None:
        self._greatest: Float64s = np.full(columns, -np.inf)

    def update(self, values: Float64s) -> None:
        self._greatest = np.maximum(self._greatest, values.max(axis=0))

    def value(self) -> Float64s:
        return self._greatest

    def running(self, values: Float64s) -> Float64s:
        prefix = np.maximum(np.maximum.accumulate(values, axis=0), self._greatest)
        self._greatest = prefix[-1]
        return prefix

    def merge(self, later: Core) -> None:
        self._greatest = np.maximum(self._greatest, cast("Max", later)._greatest)


class Min(Negated):
    """The least sample."""

    def __init__(self, *, columns: int) -> None:
        super().__init__(Max(columns=columns))


class Last:
    """The last sample."""

    def __init__(self, *, columns: int) -> None:
        self._last: Float64s = np.zeros(columns)

    def update(self, values: Float64s) -> None:
        self._last = values[-1]

    def value(self) -> Float64s:
        return self._last

    def running(self, values: Float64s) -> Float64s:
        self._last = values[-1]
        return values

    def merge(self, later: Core) -> None:
        self._last = cast("Last", later)._last
