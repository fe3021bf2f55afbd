"""All samples of a series, and the medians of its beginning and end after every sample."""

import bisect
import math

import numpy as np

from gradgate.gate.evidence import Float64s


class Samples:
    """Keeps the samples: a median of a growing part cannot be had from less.

    For the medians after every sample, two sorted lists a column follow the two parts, so that n
    samples cost n insertions and not n sorts.
    """

    def __init__(self, *, columns: int, portion: float) -> None:
        self._portion = portion
        self._chunks: list[Float64s] = [np.empty((0, columns))]
        self._series: list[_Series] = []

    def add(self, values: Float64s) -> None:
        """Takes in samples, float64 [n, k]."""
        self._chunks.append(values)
        self._series.clear()

    def all(self) -> Float64s:
        """Returns the samples so far, float64 [n, k]."""
        if len(self._chunks) > 1:
            self._chunks = [np.vstack(self._chunks)]
        return self._chunks[0]

    def medians(self) -> tuple[Float64s, Float64s]:
        """Returns the medians of the first and of the last portion of the samples, float64 [k]."""
        samples = self.all()
        size = portion_of(len(samples), self._portion)
        return np.median(samples[:size], axis=0), np.median(samples[-size:], axis=0)

    def running_medians(self, values: Float64s) -> tuple[Float64s, Float64s]:
        """Takes in samples; returns both medians after each of them, float64 [n, k]."""
        if not self._series:
            self._series = [_Series(self._portion) for _ in range(values.shape[1])]
            for series, known in zip(self._series, self.all().T, strict=True):
                series.extend(known)
        pairs = [s.extend(new) for s, new in zip(self._series, values.T, strict=True)]
        self._chunks.append(values)
        heads, tails = zip(*pairs, strict=True)
        return np.stack(heads, axis=1), np.stack(tails, axis=1)


def portion_of(count: int, portion: float) -> int:
    """Number of samples in a portion of `count`: rounded up, so at least one."""
    return max(1, math.ceil(portion * count))


class _Series:
    """One column: its samples, and its first and last portion in order of size."""

    def __init__(self, portion: float) -> None:
        self._portion = portion
        self._samples: list[float] = []
        self._head: list[float] = []
        self._tail: list[float] = []

    def extend(self, values: Float64s) -> tuple[Float64s, Float64s]:
        """Takes in samples [n]; returns the two medians after each of them, float64 [n]."""
        heads, tails = np.empty(len(values)), np.empty(len(values))
        for row, sample in enumerate(values.tolist()):
            self._samples.append(sample)
            count = len(self._samples)
            size = portion_of(count, self._portion)
            while len(self._head) < size:
                bisect.insort(self._head, self._samples[len(self._head)])
            bisect.insort(self._tail, sample)
            if len(self._tail) > size:
                oldest = self._samples[count - len(self._tail)]
                del self._tail[bisect.bisect_left(self._tail, oldest)]
            heads[row], tails[row] = _median(self._head), _median(self._tail)
        return heads, tails


def _median(ordered: list[float]) -> float:
    middle = len(ordered) // 2
    if len(ordered) % 2:
        return ordered[middle]
    return (ordered[middle - 1] + ordered[middle]) / 2
