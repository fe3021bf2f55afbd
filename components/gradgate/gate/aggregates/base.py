"""What an aggregate is: a small accumulator over columns that can be fed in stretches.

One implementation gives the value at the end and, for the search of the first offence, the value
after every sample. How the samples were cut into stretches, and in which order stretches were
merged, never changes a result, bit for bit. Memory is bounded: what cannot be had from one look at
the samples asks for another.
"""

from typing import Protocol, cast

import numpy as np

from gradgate.gate.evidence import Bools, Float64s


class Core(Protocol):
    """The arithmetic of one aggregate over finite samples, shared by no two accumulators."""

    def update(self, values: Float64s) -> None:
        """Takes in samples, float64 [n, k], in the order of steps."""

    def value(self) -> Float64s:
        """The aggregate of all samples so far, float64 [k]. At least one was taken in."""

    def merge(self, later: "Core") -> None:
        """Takes in what another core of the same kind took in, as if it came after."""

    def again(self) -> bool:
        """Whether it must see all samples once more before it has a value; it is then ready."""
        return False

    def begin_at(self, place: int) -> None:  # noqa: ARG002 - most see all samples alike
        """Says how many samples come before the first that it will see; 0 if nobody says."""
        return


class RunningCore(Core, Protocol):
    """One that has a value after every sample, from bounded memory."""

    def running(self, values: Float64s) -> Float64s:
        """Takes in samples; returns the aggregate after each of them, float64 [n, k]."""


class Accumulator:
    """Feeds finite samples to a core and remembers, for each column, the first that was not.

    A column with a non-finite sample has that sample as its value from there on, whatever the
    aggregate: so no comparison with it can be true.

    Attributes:
        samples: Rows taken in, the same for every column.
    """

    def __init__(self, core: Core, *, columns: int) -> None:
        self._core = core
        self._is_broken: Bools = np.zeros(columns, dtype=bool)
        self._broken_by: Float64s = np.zeros(columns)
        self._stretches: list[int] = []  # samples of each
        self._here = 0  # samples of the one that is being taken in
        self._is_first_look = True

    @property
    def samples(self) -> int:
        """Rows taken in, the same for every column."""
        return sum(self._stretches) + self._here

    def update(self, values: Float64s) -> None:
        """Takes in samples, float64 [n, k], in the order of steps."""
        if len(values):
            with np.errstate(over="ignore", invalid="ignore"):
                self._core.update(self._taken(values))

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
        """Takes in samples; returns the aggregate after each of them, float64 [n, k].

        Only of a core that has it.
        """
        if not len(values):
            return values
        already, was_broken_by = self._is_broken.copy(), self._broken_by.copy()
        is_broken = np.logical_or.accumulate(~np.isfinite(values), axis=0)
        core = cast("RunningCore", self._core)
        with np.errstate(over="ignore", invalid="ignore"):
            prefix = core.running(self._taken(values))
        prefix = np.where(is_broken, self._broken_by, prefix)
        return np.where(already, was_broken_by, prefix)

    def merge(self, later: "Accumulator") -> None:
        """Takes in what another accumulator took in, as if its samples came after."""
        if self._is_first_look:
            self._stretches = [*self._sizes(), *later._sizes()]
            self._here = 0
        if not later.samples:
            return
        with np.errstate(over="ignore", invalid="ignore"):
            self._core.merge(later._core)
        newly = later._is_broken & ~self._is_broken
        self._broken_by[newly] = later._broken_by[newly]
        self._is_broken |= later._is_broken

    def again(self) -> bool:
        """Whether it must be shown all samples once more before it has a value.

        It is then ready for them: `begin_at` and `update` as at first.
        """
        if not self.samples or not self._core.again():
            return False
        self._is_first_look = False
        return True

    def begin_stretch(self, number: int) -> None:
        """Says which stretch the next samples are of, where each is seen by another accumulator."""
        if not self._is_first_look:
            self._core.begin_at(sum(self._stretches[:number]))

    def end_stretch(self) -> None:
        """Says that this was the whole stretch, even where it had no sample."""
        if self._is_first_look:
            self._stretches, self._here = [*self._stretches, self._here], 0

    def _sizes(self) -> list[int]:
        return [*self._stretches, self._here] if self._here else self._stretches

    def _taken(self, values: Float64s) -> Float64s:
        """Counts samples and notes what is not finite; returns them with 0 in its place.

        Zeros lose their sign: which of two were the greater would be a matter of chance.
        """
        if self._is_first_look:
            self._here += len(values)
        is_finite = np.isfinite(values)
        if is_finite.all():
            return values + 0.0
        bad = ~is_finite
        columns = np.flatnonzero(bad.any(axis=0) & ~self._is_broken)
        self._broken_by[columns] = values[bad.argmax(axis=0)[columns], columns]
        self._is_broken[columns] = True
        return np.where(is_finite, values, 0.0) + 0.0
