"""Medians of the beginning and of the end of a series."""

# ruff: noqa: D102 - `ByRank` says what the methods do

import math
from collections.abc import Sequence

import numpy as np

from gradgate.gate.aggregates.by_rank import ByRank, Pair
from gradgate.gate.aggregates.selection import KEPT, Ranks
from gradgate.gate.evidence import Float64s


class OfPortions(ByRank):
    """What follows from the medians of the first and the last `portion` of the samples."""

    needs_beginning = False

    def __init__(
        self, *, columns: int, portion: float, kept: int = KEPT, of_columns: int | None = None
    ) -> None:
        super().__init__(columns=columns, kept=kept, of_columns=of_columns)
        self._portion = portion

    def of_medians(self, *medians: Float64s) -> Float64s:
        """The number, float64 [k], from the median of the end; before it that of the beginning."""
        raise NotImplementedError

    def wanted(self, count: int) -> tuple[Ranks, ...]:
        size = portion_of(count, self._portion)
        end = Ranks.middle(count - size, count)
        return (Ranks.middle(0, size), end) if self.needs_beginning else (end,)

    def of(self, found: Sequence[Pair], count: int) -> Float64s:  # noqa: ARG002 - medians say all
        return self.of_medians(*(median_of(low, high) for low, high in found))


def median_of(low: Float64s, high: Float64s) -> Float64s:
    """The median, of the two samples in the middle."""
    return np.where(low == high, low, (low + high) / 2)


def portion_of(count: int, portion: float) -> int:
    """Number of samples in a portion of `count`: rounded up, so at least one."""
    return max(1, math.ceil(portion * count))
