"""What follows from single samples by their place in order of size: quantiles and medians.

All samples are kept while they are few; of more, the few that count are found in further passes.
"""

# ruff: noqa: D102 - `Core` says what the methods do

from collections.abc import Sequence
from typing import cast

import numpy as np

from gradgate.gate.aggregates.base import Core
from gradgate.gate.aggregates.kept import Kept
from gradgate.gate.aggregates.selection import KEPT, Ranks, Selection
from gradgate.gate.evidence import Float64s

Pair = tuple[Float64s, Float64s]


class ByRank(Core):
    """A subclass says which samples it takes, once their number is known, and what they give."""

    def __init__(self, *, columns: int, kept: int = KEPT, of_columns: int | None = None) -> None:
        """Makes one without samples.

        Args:
            columns: That it accumulates.
            kept: Numbers to keep in memory, of all accumulators of a rule together.
            of_columns: Those of all accumulators of the rule; None where there are no others.
        """
        self._kept = kept * columns // (of_columns or columns)
        self._samples = Kept(columns=columns, rows=self._kept // columns)
        self._selection: Selection | None = None

    def wanted(self, count: int) -> tuple[Ranks, ...]:
        """The ranks that the number follows from, of so many samples."""
        raise NotImplementedError

    def of(self, found: Sequence[Pair], count: int) -> Float64s:
        """The number, float64 [k], from the low and high sample of each of `wanted`."""
        raise NotImplementedError

    def update(self, values: Float64s) -> None:
        if self._selection is None:
            self._samples.add(values)
        else:
            self._selection.update(values)

    def value(self) -> Float64s:
        count, selection = self._samples.count, self._selection
        if selection is None:
            samples = self._samples.all()
            return self.of([picked(samples, ranks) for ranks in self.wanted(count)], count)
        assert selection.is_done, "asked before the last pass"
        return self.of(list(zip(selection.low, selection.high, strict=True)), count)

    def merge(self, later: Core) -> None:
        other = cast("ByRank", later)
        if self._selection is None:
            self._samples.merge(other._samples)
        else:
            assert other._selection is not None
            self._selection.merge(other._selection)

    def again(self) -> bool:
        if self._samples.is_whole:
            return False
        if self._selection is not None:
            return self._selection.again()
        known = self._samples
        self._selection = Selection(
            self.wanted(known.count), least=known.least, greatest=known.greatest, kept=self._kept
        )
        return not self._selection.is_done

    def begin_at(self, place: int) -> None:
        if self._selection is not None:
            self._selection.begin_at(place)


def picked(samples: Float64s, ranks: Ranks) -> Pair:
    """The samples with these ranks, found in memory."""
    part = samples[ranks.start : ranks.stop]
    ordered = np.partition(part, (ranks.low, ranks.high), axis=0)
    return ordered[ranks.low], ordered[ranks.high]
