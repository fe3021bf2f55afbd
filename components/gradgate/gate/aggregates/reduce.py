"""Sum, mean, greatest, least and last sample."""

# ruff: noqa: D102 - `Core` says what the methods do

from typing import cast

import numpy as np

from gradgate.gate.aggregates.base import Core, RunningCore
from gradgate.gate.aggregates.exact_sum import ExactSum
from gradgate.gate.aggregates.negated import Negated
from gradgate.gate.evidence import Float64s


class Sum(RunningCore):
    """The sum of all samples, rounded once."""

    def __init__(self, *, columns: int) -> None:
        self._sum = ExactSum(columns=columns)

    def update(self, values: Float64s) -> None:
        self._sum.add(values)

    def value(self) -> Float64s:
        return self._sum.value()

    def running(self, values: Float64s) -> Float64s:
        return self._sum.running(values)

    def merge(self, later: Core) -> None:
        self._sum.add_times(cast("Sum", later)._sum, 1)


class Mean(RunningCore):
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


class Max(RunningCore):
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


class Last(RunningCore):
    """The last sample."""

    def __init__(self, *, columns: int) -> None:
        self._last: Float64s = np.zeros(columns)

    def update(self, values: Float64s) -> None:
        self._last = values[-1].copy()

    def value(self) -> Float64s:
        return self._last

    def running(self, values: Float64s) -> Float64s:
        self._last = values[-1].copy()
        return values

    def merge(self, later: Core) -> None:
        self._last = cast("Last", later)._last
