"""How persistently samples compare as a rule says: it separates a fault from noise.

Single-sample rules also fire on healthy runs; a fault shows in half of the samples and is still
there at the end. The smaller of the two fractions is the result, so recovery forgives.
"""

# ruff: noqa: D102 - `Core` says what the methods do

from typing import cast

import numpy as np

from gradgate.contracts.policy import Comparison
from gradgate.gate.aggregates.base import Core
from gradgate.gate.aggregates.reduce import Sum
from gradgate.gate.compare import compare
from gradgate.gate.evidence import Float64s


class Persistence:
    """The fraction of samples with `sample op value`: of all, or of the last `tail` if smaller."""

    def __init__(self, *, columns: int, op: Comparison, value: float, tail: int) -> None:
        self._op, self._limit, self._keep = op, value, tail
        self._hits = Sum(columns=columns)
        self._tail: Float64s = np.empty((0, columns))  # 0 or 1 for the last `tail` samples
        self._count = 0

    def update(self, values: Float64s) -> None:
        hits = self._hit(values)
        self._hits.update(hits)
        self._tail = np.vstack([self._tail, hits])[-self._keep :]
        self._count += len(hits)

    def value(self) -> Float64s:
        return np.minimum(self._hits.value() / self._count, self._tail.mean(axis=0))

    def running(self, values: Float64s) -> Float64s:
        hits = self._hit(values)
        counts = np.arange(self._count + 1, self._count + len(hits) + 1)[:, np.newaxis]
        overall = self._hits.running(hits) / counts

        known = np.vstack([self._tail, hits])
        sums = np.vstack([np.zeros(known.shape[1]), np.add.accumulate(known, axis=0)])
        ends = np.arange(len(self._tail) + 1, len(known) + 1)
        starts = np.maximum(ends - self._keep, 0)
        recent = (sums[ends] - sums[starts]) / (ends - starts)[:, np.newaxis]

        self._tail = known[-self._keep :]
        self._count += len(hits)
        return np.minimum(overall, recent)

    def merge(self, later: Core) -> None:
        other = cast("Persistence", later)
        self._hits.merge(other._hits)
        self._tail = np.vstack([self._tail, other._tail])[-self._keep :]
        self._count += other._count

    def _hit(self, values: Float64s) -> Float64s:
        return compare(values, self._op, self._limit).astype(np.float64)
