"""Where a series ended up: the median of its last portion, which one odd sample cannot move."""

# ruff: noqa: D102 - `OfPortions` says what the methods do

from gradgate.gate.aggregates.medians import OfPortions
from gradgate.gate.evidence import Float64s


class TailMedian(OfPortions):
    """The median of the last `portion` of the samples."""

    def of_medians(self, *medians: Float64s) -> Float64s:
        return medians[-1]
