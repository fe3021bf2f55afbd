"""How much a series varies for its size: the coefficient of variation.

Its standard deviation (of all the samples, so divided by their number) over the magnitude of its
mean: `sqrt(n sum(y^2) - sum(y)^2) / |sum(y)|`. One over it is the signal-to-noise ratio. The
difference would lose what counts where a series hardly varies, so both sums are kept as two floats.

Source of products without rounding: Dekker (1971), A floating-point technique for extending the
available precision.
"""

# ruff: noqa: D102 - `Core` says what the methods do

from typing import Final, cast

import numpy as np

from gradgate.gate.aggregates.base import Core, RunningCore
from gradgate.gate.aggregates.exact_sum import ExactSum
from gradgate.gate.evidence import Bools, Float64s

_BEYOND: Final = 2.0**400  # a square, and that of the sum, are then numbers without loss
_SPLIT: Final = 2.0**27 + 1

_Pair = tuple[Float64s, Float64s]


class Variation(RunningCore):
    """Standard deviation over |mean|; NaN, so no pass, of a single sample, or of zeros alone.

    Infinite, so no pass either, where the mean is 0, or a sample beyond 2^400 or, without being 0,
    below 2^-400.
    """

    def __init__(self, *, columns: int) -> None:
        self._sum = ExactSum(columns=columns)
        self._squares = ExactSum(columns=columns)
        self._is_beyond: Bools = np.zeros(columns, dtype=bool)
        self._count = 0

    def update(self, values: Float64s) -> None:
        values, is_beyond = _within(values)
        self._is_beyond |= is_beyond.any(axis=0)
        self._sum.add(values)
        for part in _square(values):
            self._squares.add(part)
        self._count += len(values)

    def value(self) -> Float64s:
        count = np.array(float(self._count))
        variation = _variation(self._sum.pair(), self._squares.pair(), count)
        return np.where(self._is_beyond, np.inf, variation)

    def running(self, values: Float64s) -> Float64s:
        values, is_beyond = _within(values)
        is_beyond = np.logical_or.accumulate(is_beyond, axis=0) | self._is_beyond
        self._is_beyond = is_beyond[-1]
        parts = _square(values)
        # The parts of one square as rows that follow each other, of which the last counts.
        rows = np.stack(parts, axis=1).reshape(-1, values.shape[1])
        high, low = self._squares.running_pair(rows)
        last = slice(len(parts) - 1, None, len(parts))
        counts = np.arange(self._count + 1.0, self._count + len(values) + 1)[:, np.newaxis]
        self._count += len(values)
        totals = self._sum.running_pair(values)
        return np.where(is_beyond, np.inf, _variation(totals, (high[last], low[last]), counts))

    def merge(self, later: Core) -> None:
        other = cast("Variation", later)
        self._is_beyond |= other._is_beyond
        self._sum.add_times(other._sum, 1)
        self._squares.add_times(other._squares, 1)
        self._count += other._count


def _within(values: Float64s) -> tuple[Float64s, Bools]:
    """The samples with 0 in place of those whose squares would not be exact, and where they are."""
    size = np.abs(values)
    is_beyond: Bools = (size >= _BEYOND) | ((size < 1 / _BEYOND) & (size > 0))
    return np.where(is_beyond, 0.0, values), is_beyond


def _variation(total: _Pair, squares: _Pair, count: Float64s) -> Float64s:
    """From the sums of n samples and of their squares."""
    mine, mine_rest = _product(count, squares[0])
    other, other_rest = _product(total[0], total[0])
    spread = mine - other
    # What the subtraction lost; where it lost nothing this is 0.
    back = spread - mine
    lost = (mine - (spread - back)) + (-other - back)
    small = (mine_rest - other_rest) + (count * squares[1] - 2 * total[0] * total[1])
    spread = np.maximum(spread + (lost + small), 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        variation: Float64s = np.sqrt(spread) / np.abs(total[0])
    return np.where(count > 1, variation, np.nan)


def _square(values: Float64s) -> list[Float64s]:
    """Arrays that add up to the squares without rounding."""
    high, low = _halves(values)
    return [high * high, 2 * high * low, low * low] if low.any() else [high * high]


def _product(a: Float64s, b: Float64s) -> _Pair:
    """The rounded product, and what the rounding took away."""
    product = a * b
    (a_high, a_low), (b_high, b_low) = _halves(a), _halves(b)
    rest = ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low
    return product, rest


def _halves(values: Float64s) -> _Pair:
    """Two numbers of 26 bits each that add up to one."""
    scaled = _SPLIT * values
    high = scaled - (scaled - values)
    return high, values - high
