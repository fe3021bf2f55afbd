"""The greatest value that was reached or passed in so many samples in a row.

One large gradient is noise; a large one twice running is an explosion.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from gradgate.gate.aggregates.runs import GreatestOfRuns
from gradgate.gate.evidence import Float64s


class SustainedMax(GreatestOfRuns):
    """Greatest over all runs of `steps` samples of the least sample in the run."""

    def __init__(self, *, columns: int, steps: int) -> None:
        super().__init__(columns=columns, size=steps)

    def of_beginnings(self, values: Float64s) -> Float64s:  # noqa: D102 - see the base
        return np.minimum.accumulate(values, axis=0)

    def of_runs(self, values: Float64s) -> Float64s:  # noqa: D102
        least: Float64s = sliding_window_view(values, self._size, axis=0).min(axis=-1)
        return least
