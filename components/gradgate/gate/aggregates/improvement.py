"""How much a series fell, relative to where it began: positive when it fell."""

# ruff: noqa: D102 - `OfPortions` says what the methods do

import numpy as np

from gradgate.gate.aggregates.medians import OfPortions
from gradgate.gate.evidence import Float64s


class Improvement(OfPortions):
    """`(a - b) / |a|` with a and b the medians of the first and last `portion` of the samples.

    0 where both are 0; infinite, so no pass, where only a is 0: a fall cannot be relative to it.
    """

    needs_beginning = True

    def of_medians(self, *medians: Float64s) -> Float64s:
        return relative_fall(*medians)


def relative_fall(first: Float64s, last: Float64s) -> Float64s:
    """How far `last` lies below `first`, over the size of `first`."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        fall = first - last
        relative = fall / np.abs(first)
    return np.where(fall == 0, 0.0, relative)
