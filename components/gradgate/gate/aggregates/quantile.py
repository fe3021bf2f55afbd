"""A quantile of all samples, linear between two of them, as `numpy.quantile` has it by default.

Source: Hyndman and Fan (1996), Sample Quantiles in Statistical Packages, definition 7.
"""

# ruff: noqa: D102 - `ByRank` says what the methods do

import math
from collections.abc import Sequence

import numpy as np

from gradgate.gate.aggregates.by_rank import ByRank, Pair
from gradgate.gate.aggregates.selection import KEPT, Ranks
from gradgate.gate.evidence import Float64s


class Quantile(ByRank):
    """The value below which a fraction `q` of the samples lies."""

    def __init__(
        self, *, columns: int, q: float, kept: int = KEPT, of_columns: int | None = None
    ) -> None:
        super().__init__(columns=columns, kept=kept, of_columns=of_columns)
        self._q = q

    def wanted(self, count: int) -> tuple[Ranks, ...]:
        at = math.floor((count - 1) * self._q)
        return (Ranks(start=0, stop=count, low=at, high=min(at + 1, count - 1)),)

    def of(self, found: Sequence[Pair], count: int) -> Float64s:
        ((low, high),) = found
        place = (count - 1) * self._q
        return between(low, high, np.array(place - math.floor(place)))


def between(low: Float64s, high: Float64s, share: Float64s) -> Float64s:
    """The value at a share of the way, from the nearer end, so that both ends are exact.

    It never leaves the way, also where the way is longer than any float.
    """
    way = high - low
    usual = np.where(share < 0.5, low + way * share, high - way * (1 - share))
    return np.where(np.isfinite(way), usual, low * (1 - share) + high * share)
