"""Whether a series rises or falls: the slope of the straight line that fits it best.

Source: least squares over the places x = 0, 1, ..., n - 1 of the samples y, in closed form:
`(sum(x y) - mean(x) sum(y)) / s`, where `s = sum((x - mean(x))^2) = n (n^2 - 1) / 12`.
"""

# ruff: noqa: D102 - `Core` says what the methods do

from typing import cast

import numpy as np

from gradgate.gate.aggregates.base import Core
from gradgate.gate.aggregates.reduce import Sum
from gradgate.gate.evidence import Float64s


class Slope:
    """The rise from one sample to the next; NaN, so no pass, of a single sample."""

    def __init__(self, *, columns: int) -> None:
        self._sum = Sum(columns=columns)  # of y
        self._moment = Sum(columns=columns)  # of x * y
        self._count = 0

    def update(self, values: Float64s) -> None:
        self.running(values)

    def value(self) -> Float64s:
        count = np.array(float(self._count))
        return _slope(self._sum.value(), self._moment.value(), count)

    def running(self, values: Float64s) -> Float64s:
        places = np.arange(float(self._count), self._count + len(values))[:, np.newaxis]
        self._count += len(values)
        sums = self._sum.running(values)
        return _slope(sums, self._moment.running(places * values), places + 1)

    def merge(self, later: Core) -> None:
        other = cast("Slope", later)
        shifted = Sum(columns=len(other._sum.value()))
        shifted.update((other._moment.value() + self._count * other._sum.value())[np.newaxis])
        self._moment.merge(shifted)
        self._sum.merge(other._sum)
        self._count += other._count


def _slope(total: Float64s, moment: Float64s, count: Float64s) -> Float64s:
    spread = count * (count * count - 1) / 12
    with np.errstate(divide="ignore", invalid="ignore"):
        slope: Float64s = (moment - (count - 1) / 2 * total) / np.where(spread > 0, spread, np.nan)
    return slope
