"""Running summaries of series, many columns at once, and how two summaries merge."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradgate.contracts import SeriesSummary, Sketch

ACCURACY = 0.01
_LOG_GAMMA = math.log((1 + ACCURACY) / (1 - ACCURACY))
_MOST_CELLS = 1 << 20


class SeriesAccumulator:
    """Summarises k series that share their steps, in memory that does not grow with them.

    The sums are taken value by value in the order of the steps, so the summary does not depend on
    how many values came at a time.

    Args:
        columns: Number of series.
        nan_is_absent: Whether a NaN says that nothing was measured: it is left out then, and not
            counted as a non-finite value.
    """

    def __init__(self, columns: int, *, nan_is_absent: bool = False) -> None:
        self._nan_is_absent = nan_is_absent
        self._count = np.zeros(columns, np.int64)
        self._nonfinite = np.zeros(columns, np.int64)
        self._total = np.zeros(columns)
        self._squares = np.zeros(columns)
        self._least = np.full(columns, np.inf)
        self._least_step = np.zeros(columns, np.int64)
        self._greatest = np.full(columns, -np.inf)
        self._greatest_step = np.zeros(columns, np.int64)
        self._last = np.zeros(columns)
        self._zeros = np.zeros(columns, np.int64)
        self._bins: list[dict[int, int]] = [{} for _ in range(columns)]
        self._negatives: list[dict[int, int]] = [{} for _ in range(columns)]

    def add(self, steps: NDArray[np.int64], values: NDArray[Any]) -> None:
        """Adds values float [n, k] at steps int64 [n], later than those added before."""
        if not len(steps) or not len(self._count):
            return
        values = values.astype(np.float64)
        is_finite = np.isfinite(values)
        is_bad = np.isinf(values) if self._nan_is_absent else ~is_finite
        finite = np.where(is_finite, values, 0.0)
        self._count += is_finite.sum(0)
        self._nonfinite += is_bad.sum(0)
        self._total = _sum(self._total, finite)
        self._squares = _sum(self._squares, np.square(finite))
        self._note_extremes(steps, values, is_finite)
        self._sketch(values, is_finite)
        self._note_last(values, is_finite | is_bad)

    def _note_last(self, values: NDArray[np.float64], is_there: NDArray[np.bool_]) -> None:
        columns = np.flatnonzero(is_there.any(0))
        rows = len(values) - 1 - is_there[::-1].argmax(0)[columns]
        self._last[columns] = values[rows, columns]

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
        is_positive, is_negative = is_finite & (values > 0), is_finite & (values < 0)
        self._zeros += (is_finite & (values == 0)).sum(0)
        _count(self._bins, is_positive, values)
        _count(self._negatives, is_negative, -values)

    def summaries(self) -> list[SeriesSummary]:
        """The summary of each column so far."""
        return [self._summary(column) for column in range(len(self._count))]

    def _summary(self, i: int) -> SeriesSummary:
        sketch = Sketch(
            accuracy=ACCURACY,
            bins=_as_text(self._bins[i]),
            zeros=int(self._zeros[i]),
            negatives=_as_text(self._negatives[i]),
        )
        last = float(self._last[i]) if self._count[i] + self._nonfinite[i] else None
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
            bins=_merge_bins(earlier.sketch.bins, later.sketch.bins),
            zeros=earlier.sketch.zeros + later.sketch.zeros,
            negatives=_merge_bins(earlier.sketch.negatives, later.sketch.negatives),
        ),
    )


def quantile(summary: SeriesSummary, q: float) -> float | None:
    """Returns the q-quantile of the finite values, within the sketch's accuracy; None if none."""
    if not summary.count:
        return None
    rank, seen, sketch = q * (summary.count - 1), 0, summary.sketch
    for index, count in sorted(
        ((int(key), n) for key, n in sketch.negatives.items()), reverse=True
    ):
        seen += count
        if rank < seen:
            return -_middle(index)
    seen += sketch.zeros
    if rank < seen:
        return 0.0
    for index, count in sorted((int(key), n) for key, n in sketch.bins.items()):
        seen += count
        if rank < seen:
            return _middle(index)
    return summary.greatest


def _middle(index: int) -> float:
    """The value whose relative distance to both ends of a bin is the accuracy."""
    return 2 * math.exp(index * _LOG_GAMMA) / (1 + math.exp(_LOG_GAMMA))


def _sum(start: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Adds values [n, k] to sums [k], one after the other."""
    total: NDArray[np.float64] = np.cumsum(np.concatenate([start[None], values]), axis=0)[-1]
    return total


def _count(
    bins: list[dict[int, int]], is_counted: NDArray[np.bool_], values: NDArray[np.float64]
) -> None:
    """Adds the positive values [n, k] that are counted to the bins of their columns."""
    column = np.nonzero(is_counted)[1]
    if not len(column):
        return
    index = np.ceil(np.log(values[is_counted]) / _LOG_GAMMA).astype(np.int64)
    lowest = int(index.min())
    width = int(index.max()) - lowest + 1
    code = column * width + (index - lowest)  # both in one number: counting these is fast
    if len(bins) * width <= _MOST_CELLS:
        counts = np.bincount(code)
        codes = np.flatnonzero(counts)
        counts = counts[codes]
    else:
        codes, counts = np.unique(code, return_counts=True)
    indices = (codes % width + lowest).tolist()
    for which, i, count in zip((codes // width).tolist(), indices, counts.tolist(), strict=True):
        bins[which][i] = bins[which].get(i, 0) + count


def _as_text(bins: dict[int, int]) -> dict[str, int]:
    return {str(index): count for index, count in sorted(bins.items())}


def _merge_bins(earlier: dict[str, int], later: dict[str, int]) -> dict[str, int]:
    bins = {int(index): count for index, count in earlier.items()}
    for index, count in later.items():
        bins[int(index)] = bins.get(int(index), 0) + count
    return _as_text(bins)


def _better(earlier: float | None, later: float | None, *, wants_less: bool) -> int:
    """0 when the earlier extreme stands, 1 when the later one replaces it."""
    if later is None:
        return 0
    if earlier is None:
        return 1
    return int(later < earlier if wants_less else later > earlier)
