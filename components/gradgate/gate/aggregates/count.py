"""How many samples there are, and how many of so many are 1."""

# ruff: noqa: D102 - `Core` says what the methods do

from typing import cast

import numpy as np

from gradgate.gate.aggregates.base import Core, RunningCore
from gradgate.gate.aggregates.reduce import Mean
from gradgate.gate.evidence import Float64s


class Count(RunningCore):
    """The number of samples."""

    def __init__(self, *, columns: int) -> None:
        self._columns = columns
        self._count = 0

    def update(self, values: Float64s) -> None:
        self._count += len(values)

    def value(self) -> Float64s:
        return np.full(self._columns, float(self._count))

    def running(self, values: Float64s) -> Float64s:
        counts = np.arange(self._count + 1.0, self._count + len(values) + 1)
        self._count += len(values)
        return np.repeat(counts[:, np.newaxis], self._columns, axis=1)

    def merge(self, later: Core) -> None:
        self._count += cast("Count", later)._count


class Rate(RunningCore):
    """The mean, times `per`."""

    def __init__(self, *, columns: int, per: int) -> None:
        self._mean = Mean(columns=columns)
        self._per = per

    def update(self, values: Float64s) -> None:
        self._mean.update(values)

    def value(self) -> Float64s:
        return self._per * self._mean.value()

    def running(self, values: Float64s) -> Float64s:
        return self._per * self._mean.running(values)

    def merge(self, later: Core) -> None:
        self._mean.merge(cast("Rate", later)._mean)
