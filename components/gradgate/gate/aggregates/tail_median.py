"""Where a series ended up: the median of its last portion, which one odd sample cannot move."""

# ruff: noqa: D102 - `Core` says what the methods do

from typing import cast

from gradgate.gate.aggregates.base import Core
from gradgate.gate.aggregates.medians import Samples
from gradgate.gate.evidence import Float64s


class TailMedian:
    """The median of the last `portion` of the samples."""

    def __init__(self, *, columns: int, portion: float) -> None:
        self._samples = Samples(columns=columns, portion=portion)

    def update(self, values: Float64s) -> None:
        self._samples.add(values)

    def value(self) -> Float64s:
        return self._samples.medians()[1]

    def running(self, values: Float64s) -> Float64s:
        return self._samples.running_medians(values)[1]

    def merge(self, later: Core) -> None:
        self._samples.add(cast("TailMedian", later)._samples.all())
