"""What an aggregate is: a small accumulator over columns that can be fed in stretches.

One implementation gives the value at the end and, for the search of the first offence, the value
after every sample. How the samples were cut into stretches never changes a result, bit for bit.
"""

from typing import Protocol

import numpy as np

from gradgate.gate.evidence import Bools, Float64s


class Core(Protocol):
    """The arithmetic of one aggregate over finite samples, shared by no two accumulators."""

    def update(self, values: Float64s) -> None:
        """Takes in samples, float64 [n, k], in the order of steps."""

    def value(self) -> Float64s:
        """The aggregate of all samples so far, float64 [k]. At least one was taken in."""

    def running(self, values: Float64s) -> Float64s:
        """Takes in samples; returns the aggregate after each of them, float64 [n, k]."""

    def merge(self, later: "Core") -> None:
        """Takes in what another core of the same kind took in, as if it came after."""


class Accumulator:
    """Feeds finite samples to a core and remembers, for each column, the first that was not.

    A column with a non-finite sample has that sample as its value from there on, whatever the
    aggregate: so no comparison with it can be true.

    Attributes:
        samples: Rows taken in, the same for every column.
    """

    def __init__(self, core: Core, *, columns: int) -> None:
        self.samples = 0
        self._core = core
        self._is_broken: Bools = np.zeros(columns, dtype=bool)
        self._broken_by: Float64s = np.zeros(columns)

    def update(self, values: Float64s) -> None:
        """Takes in samples, float64 [n, k], in the order of steps."""
        if len(values):
            with np.errstate(over="ignore", invalid="ignore"):
                self._core.update(self._only_finite(values))
            self._note_broken(values)
            self.samples += len(values)

    def value(self) -> Float64s:
        """The aggregate of each column, float64 [k].

        Raises:
            ValueError: If there was no sample.
        """
        if not self.samples:
            raise ValueError("An aggregate of no sample has no value.")
        with np.errstate(over="ignore", invalid="ignore"):
            return np.where(self._is_broken, self._broken_by, self._core.value())

    def running(self, values: Float64s) -> Float64s:
        """Takes in samples; returns the aggregate after each of them, float64 [n, k]."""
        if not len(values):
            return values
        with np.errstate(over="ignore", invalid="ignore"):
            prefix = self._core.running(self._only_finite(values))
        bad = ~np.isfinite(values)
        already = self._is_broken.copy()
        was_broken_by = self._broken_by.copy()
        self._note_broken(values)
        self.samples += len(values)
        is_broken = np.logical_or.accumulate(bad, axis=0)
        prefix = np.where(is_broken, self._broken_by, prefix)
        return np.where(already, was_broken_by, prefix)

    def merge(self, later: "Accumulator") -> None:
        """Takes in what another accumulator took in, as if its samples came after."""
        if not later.samples:
            return
        with np.errstate(over="ignore", invalid="ignore"):
            self._core.merge(later._core)
        newly = later._is_broken & ~self._is_broken
        self._broken_by[newly] = later._broken_by[newly]
        self._is_broken |= later._is_broken
        self.samples += later.samples

    def _only_finite(self, values: Float64s) -> Float64s:
        return np.where(np.isfinite(values), values, 0.0)

    def _note_broken(self, values: Float64s) -> None:
        bad = ~np.isfinite(values)
        newly = bad.any(axis=0) & ~self._is_broken
        first = bad.argmax(axis=0)
        columns = np.flatnonzero(newly)
        self._broken_by[columns] = values[first[columns], columns]
        self._is_broken |= newly
