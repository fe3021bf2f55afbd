"""Whether a series rises or falls: the slope of the straight line that fits it best.

Source: least squares over the places x = 0, 1, ..., n - 1 of the samples y, in closed form:
`(sum(x y) - mean(x) sum(y)) / s`, where `s = sum((x - mean(x))^2) = n (n^2 - 1) / 12`.
"""

# ruff: noqa: D102 - `Core` says what the methods do

from typing import cast

import numpy as np

from gradgate.gate.aggregates.base import Core, RunningCore
from gradgate.gate.aggregates.exact_sum import ExactSum, exact_products
from gradgate.gate.evidence import Bools, Float64s

_BEYOND = 2.0**800  # times a place it stays within what `ExactSum` adds


class Slope(RunningCore):
    """The rise from one sample to the next; NaN, so no pass, of a single sample.

    Infinite, so no pass either, with a sample of 2^800 or more.
    """

    def __init__(self, *, columns: int) -> None:
        self._sum = ExactSum(columns=columns)  # of y
        self._moment = ExactSum(columns=columns)  # of x * y
        self._is_beyond: Bools = np.zeros(columns, dtype=bool)
        self._count = 0

    def update(self, values: Float64s) -> None:
        values = self._within(values)
        before = ExactSum(columns=values.shape[1])
        before.add(values)
        self._moment.add_times(before, self._count)
        for products in exact_products(np.arange(len(values)), values):
            self._moment.add(products)
        self._sum.add_times(before, 1)
        self._count += len(values)

    def value(self) -> Float64s:
        slope = _slope(self._sum.value(), self._moment.value(), np.array(float(self._count)))
        return np.where(self._is_beyond, np.inf, slope)

    def running(self, values: Float64s) -> Float64s:
        is_beyond = np.logical_or.accumulate(np.abs(values) >= _BEYOND, axis=0) | self._is_beyond
        values = self._within(values)
        places = np.arange(self._count, self._count + len(values))
        self._count += len(values)
        products = exact_products(places, values) or [np.zeros_like(values)]
        # The products of one sample as rows that follow each other, of which the last counts.
        rows = np.stack(products, axis=1).reshape(-1, values.shape[1])
        moments = self._moment.running(rows)[len(products) - 1 :: len(products)]
        counts = (places + 1.0)[:, np.newaxis]
        return np.where(is_beyond, np.inf, _slope(self._sum.running(values), moments, counts))

    def merge(self, later: Core) -> None:
        other = cast("Slope", later)
        self._is_beyond |= other._is_beyond
        self._moment.add_times(other._sum, self._count)
        self._moment.add_times(other._moment, 1)
        self._sum.add_times(other._sum, 1)
        self._count += other._count

    def _within(self, values: Float64s) -> Float64s:
        is_beyond = np.abs(values) >= _BEYOND
        if not is_beyond.any():
            return values
        self._is_beyond |= is_beyond.any(axis=0)
        return np.where(is_beyond, 0.0, values)


def _slope(total: Float64s, moment: Float64s, count: Float64s) -> Float64s:
    spread = count * (count * count - 1) / 12
    with np.errstate(divide="ignore", invalid="ignore"):
        slope: Float64s = (moment - (count - 1) / 2 * total) / np.where(spread > 0, spread, np.nan)
    return slope
