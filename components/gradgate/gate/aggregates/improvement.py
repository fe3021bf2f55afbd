"""How much a series fell, relative to where it began: positive when it fell."""

# ruff: noqa: D102 - `Core` says what the methods do

from typing import cast

import numpy as np

from gradgate.gate.aggregates.base import Core
from gradgate.gate.aggregates.medians import Samples
from gradgate.gate.evidence import Float64s


class Improvement:
    """`(a - b) / |a|` with a and b the medians of the first and last `portion` of the samples.

    0 where both are 0; infinite, so no pass, where only a is 0: a fall cannot be relative to it.
    """

    def __init__(self, *, columns: int, portion: float) -> None:
        self._samples = Samples(columns=columns, portion=portion)

    def update(self, values: Float64s) -> None:
        self._samples.add(values)

    def value(self) -> Float64s:
        return _relative_fall(*self._samples.medians())

    def running(self, values: Float64s) -> Float64s:
        return _relative_fall(*self._samples.running_medians(values))

    def merge(self, later: Core) -> None:
        self._samples.add(cast("Improvement", later)._samples.all())


def _relative_fall(first: Float64s, last: Float64s) -> Float64s:
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        fall = first - last
        relative = fall / np.abs(first)
    return np.where(fall == 0, 0.0, relative)
