"""How persistently samples compare as a rule says: it separates a fault from noise.

Single-sample rules also fire on healthy runs; a fault shows in half of the samples and is still
there at the end. The smaller of the two fractions is the result, so recovery forgives.
"""

# ruff: noqa: D102 - `Core` says what the methods do

from typing import cast

import numpy as np

from gradgate.contracts.policy import Comparison
from gradgate.gate.aggregates.base import Core, RunningCore
from gradgate.gate.compare import compare
from gradgate.gate.evidence import Bools, Float64s, Ints


class Persistence(RunningCore):
    """The fraction of samples with `sample op value`: of all, or of the last `tail` if smaller."""

    def __init__(self, *, columns: int, op: Comparison, value: float, tail: int) -> None:
        self._op, self._limit, self._keep = op, value, tail
        self._hits: Ints = np.zeros(columns, dtype=np.int64)
        self._tail: Bools = np.empty((0, columns), dtype=bool)  # of the last `tail` samples
        self._count = 0

    def update(self, values: Float64s) -> None:
        hits = compare(values, self._op, self._limit)
        self._hits = self._hits + np.count_nonzero(hits, axis=0)
        self._take(hits, len(hits))

    def value(self) -> Float64s:
        recent = np.count_nonzero(self._tail, axis=0) / len(self._tail)
        return np.minimum(self._hits / self._count, recent)

    def running(self, values: Float64s) -> Float64s:
        hits = compare(values, self._op, self._limit)
        counts = np.arange(self._count + 1, self._count + len(hits) + 1)[:, np.newaxis]
        totals = self._hits + np.add.accumulate(hits, axis=0, dtype=np.int64)

        known = np.vstack([self._tail, hits])
        nothing = np.zeros((1, known.shape[1]), dtype=np.int64)
        sums = np.vstack([nothing, np.add.accumulate(known, axis=0, dtype=np.int64)])
        ends = np.arange(len(self._tail) + 1, len(known) + 1)
        starts = np.maximum(ends - self._keep, 0)
        recent = (sums[ends] - sums[starts]) / (ends - starts)[:, np.newaxis]

        self._hits = totals[-1]
        self._take(hits, len(hits))
        least: Float64s = np.minimum(totals / counts, recent)
        return least

    def merge(self, later: Core) -> None:
        other = cast("Persistence", later)
        self._hits = self._hits + other._hits
        self._take(other._tail, other._count)

    def _take(self, hits: Bools, count: int) -> None:
        if len(hits) < self._keep:
            hits = np.vstack([self._tail, hits])
        self._tail = hits[-self._keep :].copy()
        self._count += count
