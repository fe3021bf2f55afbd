"""Running summaries of series, many columns at once, and how two summaries merge."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradgate.contracts import SeriesSummary, Sketch

ACCURACY = 0.01
_LOG_GAMMA = math.log((1 + ACCURACY) / (1 - ACCURACY))


class SeriesAccumulator:
    """Summarises k series that share their steps, in memory that does not grow with them."""

    def __init__(self, columns: int) -> None:
        self._count = np.zeros(columns, np.int64)
        self._nonfinite = np.zeros(columns, np.int64)
        self._total = np.zeros(columns)
        self._squares = np.zeros(columns)
        self._least = np.full(columns, np.inf)
        self._least_step = np.zeros(columns, np.int64)
        self._greatest = np.full(columns, -np.inf)
        self._greatest_step = np.zeros(columns, np.int64)
        self._last: NDArray[np.float64] | None = None
        self._zeros = np.zeros(columns, np.int64)
        self._bins: list[dict[int, int]] = [{} for _ in range(columns)]

    def add(self, steps: NDArray[np.int64], values: NDArray[Any]) -> None:
        """Adds values float [n, k] at steps int64 [n], later than those added before."""
        if not len(steps):
            return
        values = values.astype(np.float64)
        is_finite = np.isfinite(values)
        finite = np.where(is_finite, values, 0.0)
        self._count += is_finite.sum(0)
        self._nonfinite += (~is_finite).sum(0)
        self._total += finite.sum(0)
        self._squares += np.square(finite).sum(0)
        self._note_extremes(steps, values, is_finite)
        self._sketch(values, is_finite)
        self._last = values[-1]

    def _note_extremes(
        self, steps: NDArray[np.int64], values: NDArray[np.float64], is_finite: NDArray[np.bool_]
    ) -> None:
        columns = np.arange(values.shape[1])
        low = np.where(is_finite, values, np.inf)
        row = low.argmin(0)
        better = low[row, columns] < self._least
        self._least[better] = low[row, columns][better]
        self._least_step[better] = steps[row][better]
        high = np.where(is_finite, values, -np.inf)
        row = high.argmax(0)
        better = high[row, columns] > self._greatest
        self._greatest[better] = high[row, columns][better]
        self._greatest_step[better] = steps[row][better]

    def _sketch(self, values: NDArray[np.float64], is_finite: NDArray[np.bool_]) -> None:
        is_positive = is_finite & (values > 0)
        self._zeros += (is_finite & ~is_positive).sum(0)
        column = np.broadcast_to(np.arange(values.shape[1]), values.shape)[is_positive]
        index = np.ceil(np.log(values[is_positive]) / _LOG_GAMMA).astype(np.int64)
        pairs, counts = np.unique(np.stack([column, index], 1), axis=0, return_counts=True)
        for (which, bin_index), count in zip(pairs.tolist(), counts.tolist(), strict=True):
            bins = self._bins[which]
            bins[bin_index] = bins.get(bin_index, 0) + count

    def summaries(self) -> list[SeriesSummary]:
        """The summary of each column so far."""
        return [self._summary(column) for column in range(len(self._count))]

    def _summary(self, i: int) -> SeriesSummary:
        bins = {str(index): count for index, count in sorted(self._bins[i].items())}
        sketch = Sketch(accuracy=ACCURACY, bins=bins, zeros=int(self._zeros[i]))
        last = None if self._last is None else float(self._last[i])
        if not self._count[i]:
            return SeriesSummary(nonfinite=int(self._nonfinite[i]), last=last, sketch=sketch)
        return SeriesSummary(
            count=int(self._count[i]),
            nonfinite=int(self._nonfinite[i]),
            total=float(self._total[i]),
            total_squares=float(self._squares[i]),
            least=float(self._least[i]),
            least_step=int(self._least_step[i]),
            greatest=float(self._greatest[i]),
            greatest_step=int(self._greatest_step[i]),
            last=last,
            sketch=sketch,
        )


def merge_series(earlier: SeriesSummary, later: SeriesSummary) -> SeriesSummary:
    """Returns the summary of two stretches of one series, as if it had been one stretch."""
    if earlier.sketch.accuracy != later.sketch.accuracy:
        raise ValueError(
            f"merge_series: sketches of accuracy {earlier.sketch.accuracy} and"
            f" {later.sketch.accuracy} have different bins and cannot be merged."
        )
    lowest = _better(earlier.least, later.least, wants_less=True)
    highest = _better(earlier.greatest, later.greatest, wants_less=False)
    bins = dict(earlier.sketch.bins)
    for index, count in later.sketch.bins.items():
        bins[index] = bins.get(index, 0) + count
    return SeriesSummary(
        count=earlier.count + later.count,
        nonfinite=earlier.nonfinite + later.nonfinite,
        total=earlier.total + later.total,
        total_squares=earlier.total_squares + later.total_squares,
        least=(earlier, later)[lowest].least,
        least_step=(earlier, later)[lowest].least_step,
        greatest=(earlier, later)[highest].greatest,
        greatest_step=(earlier, later)[highest].greatest_step,
        last=earlier.last if later.last is None else later.last,
        sketch=Sketch(
            accuracy=earlier.sketch.accuracy,
            bins=dict(sorted(bins.items(), key=lambda item: int(item[0]))),
            zeros=earlier.sketch.zeros + later.sketch.zeros,
        ),
    )


def quantile(summary: SeriesSummary, q: float) -> float | None:
    """Returns the q-quantile of the finite values, within the sketch's accuracy; None if none."""
    if not summary.count:
        return None
    rank = q * (summary.count - 1)
    seen = summary.sketch.zeros
    if rank < seen:
        return 0.0
    for index, count in sorted((int(key), n) for key, n in summary.sketch.bins.items()):
        seen += count
        if rank < seen:
            return 2 * math.exp(index * _LOG_GAMMA) / (1 + math.exp(_LOG_GAMMA))
    return summary.greatest


def _better(earlier: float | None, later: float | None, *, wants_less: bool) -> int:
    """0 when the earlier extreme stands, 1 when the later one replaces it."""
    if later is None:
        return 0
    if earlier is None:
        return 1
    return int(later < earlier if wants_less else later > earlier)
