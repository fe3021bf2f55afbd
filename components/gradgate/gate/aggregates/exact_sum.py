"""Sums without rounding: the same to the last bit however samples were cut, ordered or merged.

Every finite float64 is a whole number of 2^-1074, so a total is kept as a Python integer of those
and rounded once, where it is asked for. Samples are first added up in float64 on grids so coarse
that nothing is rounded: what a grid cannot hold goes to the next, finer one.

Source of the grids: Rump, Ogita and Oishi (2008), Accurate floating-point summation, part I
(ExtractVector). Of the sum of three numbers: Boldo and Melquiond (2008), Emulation of a FMA and
correctly rounded sums.
"""

import math
from typing import Final

import numpy as np

from gradgate.gate.evidence import Bools, Float64s, Ints

_BITS: Final = 1074
_ONE: Final = 1 << _BITS
_BEYOND: Final = 2.0**900  # so that no grid overflows; a gradient of float32 is below 2^128
_GRIDS: Final = 3  # together at least 120 bits below the total; beyond that row by row


class ExactSum:
    """Totals of columns. A sample of 2^900 or more makes its column infinite, which is no pass."""

    def __init__(self, *, columns: int) -> None:
        self._units = [0] * columns
        self._is_beyond: Bools = np.zeros(columns, dtype=bool)

    def add(self, values: Float64s) -> None:
        """Takes in finite samples, float64 [n, k]."""
        values = self._within(values)
        self._units = [
            known + more for known, more in zip(self._units, _units_of(values), strict=True)
        ]

    def add_times(self, other: "ExactSum", times: int) -> None:
        """Takes in another sum, so many times."""
        self._is_beyond |= other._is_beyond
        self._units = [
            mine + times * theirs for mine, theirs in zip(self._units, other._units, strict=True)
        ]

    def value(self) -> Float64s:
        """The totals, each rounded once, float64 [k]."""
        return np.where(self._is_beyond, np.inf, [_rounded(units) for units in self._units])

    def running(self, values: Float64s) -> Float64s:
        """Takes in samples; returns the totals after each of them, float64 [n, k]."""
        was_beyond = self._is_beyond.copy()
        is_beyond = np.logical_or.accumulate(np.abs(values) >= _BEYOND, axis=0) | was_beyond
        values = self._within(values)
        totals, _ = self._prefixes(values)
        self.add(values)
        return np.where(is_beyond, np.inf, totals)

    def pair(self) -> tuple[Float64s, Float64s]:
        """The totals, each rounded once, and what that took away, rounded once; float64 [k]."""
        pairs = [_rounded_pair(units) for units in self._units]
        high, low = np.array(pairs, dtype=np.float64).reshape(-1, 2).T
        return np.where(self._is_beyond, np.inf, high), low

    def running_pair(self, values: Float64s) -> tuple[Float64s, Float64s]:
        """Takes in samples; returns `pair` after each of them, float64 [n, k]."""
        is_beyond = np.logical_or.accumulate(np.abs(values) >= _BEYOND, axis=0) | self._is_beyond
        values = self._within(values)
        high, low = self._prefixes(values)
        self.add(values)
        return np.where(is_beyond, np.inf, high), low

    def _within(self, values: Float64s) -> Float64s:
        if not len(values) or max(values.max(), -values.min()) < _BEYOND:
            return values
        is_beyond = np.abs(values) >= _BEYOND
        self._is_beyond |= is_beyond.any(axis=0)
        return np.where(is_beyond, 0.0, values)

    def _prefixes(self, values: Float64s) -> tuple[Float64s, Float64s]:
        """Totals after each sample: on each grid they are exact, so only their sum is rounded.

        And what that rounding took away.
        """
        base, rest = self._units, values
        grids: list[Float64s] = []
        for _ in range(_GRIDS):
            greatest = np.abs(rest).max(axis=0)
            reach = np.array([abs(_rounded(units)) for units in base]) + len(rest) * greatest
            grid, exponent = _grid(4 * reach)
            high = (rest + grid) - grid
            lowest = (exponent - 53 + _BITS).clip(0).tolist()  # of the grid, as a power of units
            whole = [units >> low for units, low in zip(base, lowest, strict=True)]
            start = np.ldexp(np.array(whole, dtype=np.float64), np.array(lowest) - _BITS)
            totals = np.add.accumulate(np.vstack([start, high]), axis=0)[1:]
            grids.append(totals)
            rest = rest - high
            base = [u - (w << low) for u, w, low in zip(base, whole, lowest, strict=True)]
            left: Bools = rest.any(axis=0) | np.array([bool(units) for units in base])
            if not left.any():
                break
        found, away = _sum_and_rest(grids)
        for column in np.flatnonzero(left):
            pairs = _one_by_one(self._units[column], values[:, column])
            found[:, column], away[:, column] = zip(*pairs, strict=True)
        return found, away


def exact_products(places: Ints, values: Float64s) -> list[Float64s]:
    """Returns arrays, float64 [n, k], that add up to `places` times `values` without rounding.

    Args:
        places: int64 [n], from 0 to below 2^52.
        values: float64 [n, k], each below 2^900.
    """
    coarse = (values.view(np.int64) & ~((1 << 27) - 1)).view(np.float64)  # 26 bits
    fine = values - coarse  # 27 bits
    low = places & ((1 << 26) - 1)
    factors = [part.astype(np.float64)[:, np.newaxis] for part in (low, places - low) if part.any()]
    terms = [part for part in (coarse, fine) if part.any()]
    return [factor * term for factor in factors for term in terms]


def _units_of(values: Float64s) -> list[int]:
    """Totals of columns in units of 2^-1074."""
    totals = [0] * values.shape[1]
    columns, rest = np.arange(values.shape[1]), values
    while len(rest):
        greatest = np.maximum(rest.max(axis=0), -rest.min(axis=0))
        is_left = greatest > 0
        if not is_left.all():
            if not is_left.any():
                break
            columns, rest, greatest = columns[is_left], rest[:, is_left], greatest[is_left]
        grid, _ = _grid(2 * len(rest) * greatest)
        high = rest + grid
        high -= grid
        for column, total in zip(columns.tolist(), high.sum(axis=0).tolist(), strict=True):
            totals[column] += _units(total)
        rest = rest - high
    return totals


def _grid(reach: Float64s) -> tuple[Float64s, Ints]:
    """Powers of two, at least `reach`, and their exponents.

    Adding one to a number and taking it away again leaves a multiple of 2^-53 of it. What is
    smaller than half of it adds up on those without rounding.
    """
    _, exponent = np.frexp(reach)
    exponent = np.maximum(exponent.astype(np.int64), 52 - _BITS)  # there, nothing is left over
    return np.ldexp(1.0, exponent), exponent


def _units(value: float) -> int:
    numerator, denominator = value.as_integer_ratio()
    return numerator << (_BITS + 1 - denominator.bit_length())


def _rounded(units: int) -> float:
    try:
        return units / _ONE  # Python rounds a quotient of integers to the nearest float
    except OverflowError:
        return math.copysign(math.inf, units)


def _rounded_pair(units: int) -> tuple[float, float]:
    high = _rounded(units)
    return high, _rounded(units - _units(high)) if math.isfinite(high) else 0.0


def _one_by_one(units: int, values: Float64s) -> list[tuple[float, float]]:
    found = []
    for value in values.tolist():
        units += _units(value)
        found.append(_rounded_pair(units))
    return found


def _sum_and_rest(terms: list[Float64s]) -> tuple[Float64s, Float64s]:
    """The sum of up to three arrays, and what rounding it takes away; each rounded once."""
    if len(terms) == 1:
        return terms[0], np.zeros_like(terms[0])
    if len(terms) == 2:
        return _two_sum(*terms)
    high, low = _two_sum(terms[1], terms[2])
    near, rest = _two_sum(terms[0], high)
    total = near + _rounded_to_odd(rest, low)
    high, low = _two_sum(low, near - total)  # without rounding: the other addend is no greater
    last, rest = _two_sum(rest, high)
    return total, last + _rounded_to_odd(rest, low)


def _two_sum(a: Float64s, b: Float64s) -> tuple[Float64s, Float64s]:
    """The rounded sum, and what the rounding took away."""
    total = a + b
    share = total - a
    return total, (a - (total - share)) + (b - share)


def _rounded_to_odd(a: Float64s, b: Float64s) -> Float64s:
    total, rest = _two_sum(a, b)
    is_even = (total.view(np.int64) & 1) == 0
    toward = np.where(rest > 0, np.inf, -np.inf)
    return np.where((rest != 0) & is_even, np.nextafter(total, toward), total)
