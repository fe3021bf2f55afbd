"""All samples while they are few; beyond that, only how many they were and between what limits."""

import numpy as np

from gradgate.gate.evidence import Float64s


class Kept:
    """Samples of k columns, as long as they are no more than `rows`.

    Attributes:
        count: Rows taken in.
        is_whole: Whether all of them are still here.
        least, greatest: Of the samples, float64 [k].
    """

    def __init__(self, *, columns: int, rows: int) -> None:
        self.count, self.is_whole = 0, True
        self.least: Float64s = np.full(columns, np.inf)
        self.greatest: Float64s = np.full(columns, -np.inf)
        self._rows = rows
        self._chunks: list[Float64s] = [np.empty((0, columns))]

    def add(self, values: Float64s) -> None:
        """Takes in samples, float64 [n, k]; they are kept, not copied."""
        self.count += len(values)
        self.least = np.minimum(self.least, values.min(axis=0))
        self.greatest = np.maximum(self.greatest, values.max(axis=0))
        if self.is_whole and self.count <= self._rows:
            self._chunks.append(values)
        else:
            self._forget()

    def merge(self, later: "Kept") -> None:
        """Takes in what another took in, as if it came after."""
        self.count += later.count
        self.least = np.minimum(self.least, later.least)
        self.greatest = np.maximum(self.greatest, later.greatest)
        if self.is_whole and later.is_whole and self.count <= self._rows:
            self._chunks += later._chunks
        else:
            self._forget()

    def all(self) -> Float64s:
        """Returns the samples, float64 [n, k]; only where all are here."""
        assert self.is_whole
        if len(self._chunks) > 1:
            self._chunks = [np.vstack(self._chunks)]
        return self._chunks[0]

    def _forget(self) -> None:
        self.is_whole, self._chunks = False, []


class Thinned:
    """All samples of k columns while they are few; of more every second, fourth, and so on.

    Attributes:
        count: Rows taken in.
        least: Of all samples, float64 [k].
    """

    def __init__(self, *, columns: int, rows: int) -> None:
        """Makes an empty one.

        Args:
            columns: Of a sample.
            rows: How many of them to keep; 16 at least.
        """
        self.count = 0
        self.least: Float64s = np.full(columns, np.inf)
        self._rows, self._every = max(16, rows), 1
        self._chunks: list[Float64s] = [np.empty((0, columns))]
        self._kept = 0

    @property
    def is_whole(self) -> bool:
        """Whether all samples are here."""
        return self._every == 1

    def add(self, values: Float64s) -> None:
        """Takes in samples, float64 [n, k]."""
        self.least = np.minimum(self.least, values.min(axis=0))
        picked = values[-self.count % self._every :: self._every]
        self.count += len(values)
        self._chunks.append(picked.copy())
        self._kept += len(picked)
        while self._kept > self._rows:
            self._every *= 2
            self._chunks = [self.all()[::2].copy()]
            self._kept = len(self._chunks[0])

    def all(self) -> Float64s:
        """Returns those that are here, float64 [m, k]."""
        if len(self._chunks) > 1:
            self._chunks = [np.vstack(self._chunks)]
        return self._chunks[0]
