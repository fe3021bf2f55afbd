"""Whether a rule holds after every single sample: what the search of the first offence asks.

From bounded memory, so each in its own way. What needs the samples themselves, medians of parts
that move along, is not here: see `gradgate.gate.since`.
"""

from typing import Protocol

import numpy as np

from gradgate.contracts.aggregates import Aggregate, Comparison, Quantile
from gradgate.contracts.policy import Between
from gradgate.gate.aggregates import accumulator
from gradgate.gate.aggregates.quantile import between
from gradgate.gate.compare import Expected, Limits, compare, holds
from gradgate.gate.evidence import Bools, Float64s, Ints


class Follower(Protocol):
    """Says after every sample whether the aggregate of the samples so far is as expected."""

    def holding(self, values: Float64s) -> Bools:
        """Takes in samples, float64 [n, k]; returns whether it holds after each, bool [n, k]."""


def follower(aggregate: Aggregate, expect: Expected, *, columns: int) -> Follower:
    """Returns the follower of a rule, at its beginning."""
    if isinstance(aggregate, Quantile):
        return _OfQuantile(aggregate.q, expect, columns=columns)
    return _OfRunning(aggregate, expect, columns=columns)


class _OfRunning:
    """Compares the value after every sample."""

    def __init__(self, aggregate: Aggregate, expect: Expected, *, columns: int) -> None:
        self._accumulator, self._expect = accumulator(aggregate, columns=columns), expect

    def holding(self, values: Float64s) -> Bools:
        return holds(self._expect, self._accumulator.running(values))


class _OfQuantile:
    """Counts on which side of each limit samples lie; their order there is no matter."""

    def __init__(self, q: float, expect: Expected, *, columns: int) -> None:
        self._is_broken: Bools = np.zeros(columns, dtype=bool)
        self._sides = [_Side(q, op, limit, columns=columns) for op, limit in _limits(expect)]

    def holding(self, values: Float64s) -> Bools:
        bad = ~np.isfinite(values)
        is_broken = np.logical_or.accumulate(bad, axis=0) | self._is_broken
        self._is_broken = is_broken[-1]
        is_held = ~is_broken
        clean = np.where(bad, 0.0, values)
        for side in self._sides:
            is_held &= side.holding(clean)
        return is_held


class _Side:
    """Whether a quantile stands so to one limit.

    It lies between two neighbours in order of size. Where both are on the same side of the limit,
    so is the quantile; where they are not, they are the greatest sample below the limit and the
    least above it.
    """

    def __init__(self, q: float, op: Comparison, limit: float | Float64s, *, columns: int) -> None:
        self._q, self._op = q, op
        self._limit: Float64s = np.broadcast_to(np.asarray(limit, dtype=np.float64), columns)
        self._count = 0
        self._low_count: Ints = np.zeros(columns, dtype=np.int64)
        self._greatest_low: Float64s = np.full(columns, -np.inf)
        self._least_high: Float64s = np.full(columns, np.inf)

    def holding(self, values: Float64s) -> Bools:
        holds_when_low = self._op in {"<", "<="}
        is_low = compare(values, self._op, self._limit)
        if not holds_when_low:
            is_low = ~is_low
        places = np.arange(self._count, self._count + len(values)) * self._q
        at = np.floor(places).astype(np.int64)[:, np.newaxis]
        self._count += len(values)
        low_count = self._low_count + np.add.accumulate(is_low, axis=0, dtype=np.int64)
        greatest_low = np.maximum.accumulate(
            np.vstack([self._greatest_low, np.where(is_low, values, -np.inf)]), axis=0
        )[1:]
        least_high = np.minimum.accumulate(
            np.vstack([self._least_high, np.where(is_low, np.inf, values)]), axis=0
        )[1:]
        self._low_count, self._greatest_low = low_count[-1], greatest_low[-1]
        self._least_high = least_high[-1]

        last = np.arange(self._count - len(values), self._count)[:, np.newaxis]
        above = np.minimum(at + 1, last)
        is_held: Bools = (low_count > at) == holds_when_low
        is_between = (low_count > at) & (low_count <= above)
        rows, columns = np.nonzero(is_between)
        share = places[rows] - at[rows, 0]
        value = between(greatest_low[rows, columns], least_high[rows, columns], share)
        is_held[rows, columns] = compare(value, self._op, self._limit[columns])
        return is_held


def _limits(expect: Expected) -> list[tuple[Comparison, float | Float64s]]:
    """Comparisons by order alone, which together are what is expected."""
    if isinstance(expect, Between | Limits):
        return [(">=", expect.low), ("<=", expect.high)]
    if expect.op == "==":
        return [(">=", expect.value), ("<=", expect.value)]
    return [(expect.op, expect.value)]
