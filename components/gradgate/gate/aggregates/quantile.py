"""A quantile of all samples, linear between two of them, as `numpy.quantile` has it by default.

Source: Hyndman and Fan (1996), Sample Quantiles in Statistical Packages, definition 7.
"""

# ruff: noqa: D102 - `Core` says what the methods do

import bisect
import math
from typing import cast

import numpy as np

from gradgate.gate.aggregates.base import Core
from gradgate.gate.evidence import Float64s


class Quantile:
    """The value below which a fraction `q` of the samples lies.

    Keeps the samples: an exact quantile cannot be had from less.
    """

    def __init__(self, *, columns: int, q: float) -> None:
        self._q = q
        self._chunks: list[Float64s] = [np.empty((0, columns))]
        self._ordered: list[list[float]] = []

    def update(self, values: Float64s) -> None:
        self._chunks.append(values)
        self._ordered = []

    def value(self) -> Float64s:
        ordered = np.sort(self._all(), axis=0)
        at, share = _place(len(ordered), self._q)
        above = min(at + 1, len(ordered) - 1)
        low, high = ordered[at], ordered[above]
        between = _between(low, high, share)
        return np.asarray(between)

    def running(self, values: Float64s) -> Float64s:
        if not self._ordered:
            self._ordered = [sorted(column.tolist()) for column in self._all().T]
        self._chunks.append(values)
        columns = zip(self._ordered, values.T, strict=True)
        return np.stack([self._follow(known, new) for known, new in columns], axis=1)

    def merge(self, later: Core) -> None:
        self.update(cast("Quantile", later)._all())

    def _all(self) -> Float64s:
        if len(self._chunks) > 1:
            self._chunks = [np.vstack(self._chunks)]
        return self._chunks[0]

    def _follow(self, ordered: list[float], values: Float64s) -> Float64s:
        """Puts samples into a sorted list; returns the quantile after each, float64 [n]."""
        after = np.empty(len(values))
        for row, sample in enumerate(values.tolist()):
            bisect.insort(ordered, sample)
            at, share = _place(len(ordered), self._q)
            above = min(at + 1, len(ordered) - 1)
            after[row] = _between(np.float64(ordered[at]), np.float64(ordered[above]), share)
        return after


def _place(count: int, q: float) -> tuple[int, float]:
    """The sample just below the quantile, and how far it lies from there to the next."""
    place = (count - 1) * q
    at = math.floor(place)
    return at, place - at


def _between(
    low: Float64s | np.float64, high: Float64s | np.float64, share: float
) -> Float64s | np.float64:
    """The value at a share of the way, from the nearer end, so that both ends are exact."""
    way = high - low
    return low + way * share if share < 0.5 else high - way * (1 - share)
