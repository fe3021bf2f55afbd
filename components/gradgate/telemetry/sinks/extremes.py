"""The least and the greatest value of each bucket of a few series, in memory that does not grow."""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradgate.telemetry.sinks.buckets import Buckets

Floats = NDArray[np.float64]
Steps = NDArray[np.int64]


class Point(NamedTuple):
    """One value of one series; `seconds` since the training began."""

    key: str
    step: int
    seconds: float
    value: float

    def at(self, started_ms: int) -> tuple[str, int, int, float]:
        """As a store takes it, of a training that began then."""
        return self.key, self.step, started_ms + round(self.seconds * 1000), self.value


class Extremes:
    """Gives out the points of a bucket when it is over; of non-finite values there are none."""

    def __init__(self, keys: list[str], buckets: Buckets) -> None:
        self._keys = keys
        self._buckets = buckets
        self._bucket = -1
        self._low, self._high, self._last = (_Rows(len(keys)) for _ in range(3))

    def add(self, step: Steps, seconds: Floats, values: Floats) -> list[Point]:
        """Adds values [n, k] of the k series at steps [n]; returns the points of what is over."""
        points: list[Point] = []
        if not len(step):
            return points
        bucket = self._buckets.of(step)
        cuts = [0, *(np.flatnonzero(np.diff(bucket)) + 1).tolist(), len(step)]
        for first, end in pairwise(cuts):
            points += self._go_to(int(bucket[first]))
            self._merge(step[first:end], seconds[first:end], values[first:end])
        return points

    def pass_over(self, step: int) -> list[Point]:
        """Returns the points of the bucket that is over when this step is the next."""
        return self._go_to(int(self._buckets.of(np.array([step]))[0]))

    def close(self) -> list[Point]:
        """Returns the points of the bucket that is not over, and the last value of each series."""
        return self._give() + self._last.points(self._keys)

    def _go_to(self, bucket: int) -> list[Point]:
        if bucket == self._bucket:
            return []
        points = self._give()
        self._bucket = bucket
        self._low, self._high = _Rows(len(self._keys)), _Rows(len(self._keys))
        return points

    def _give(self) -> list[Point]:
        low, high = self._low.points(self._keys), self._high.points(self._keys)
        self._last.forget(self._low)
        self._last.forget(self._high)
        return list(dict.fromkeys([*low, *high]))  # a bucket of one value has one point

    def _merge(self, step: Steps, seconds: Floats, values: Floats) -> None:
        is_finite = np.isfinite(values)
        lows, highs = np.where(is_finite, values, np.inf), np.where(is_finite, values, -np.inf)
        low, high = lows.argmin(0), highs.argmax(0)
        last = len(step) - 1 - is_finite[::-1].argmax(0)
        columns, known = np.arange(values.shape[1]), is_finite.any(0)
        # Pass conditions: a row that is NaN, so not there yet, is not at most anything.
        is_lower = known & ~(self._low.value <= lows[low, columns])
        is_higher = known & ~(self._high.value >= highs[high, columns])
        for rows, which, better in (
            (self._low, low, is_lower),
            (self._high, high, is_higher),
            (self._last, last, known),
        ):
            rows.step[better] = step[which[better]]
            rows.seconds[better] = seconds[which[better]]
            rows.value[better] = values[which[better], columns[better]]


class _Rows:
    """One step, time and value for each of k series; the value is NaN where there is none."""

    def __init__(self, count: int) -> None:
        self.step = np.zeros(count, np.int64)
        self.seconds = np.zeros(count)
        self.value = np.full(count, np.nan)

    def forget(self, told: "_Rows") -> None:
        """Empties the rows that were given out already."""
        self.value[(self.step == told.step) & np.isfinite(told.value)] = np.nan

    def points(self, keys: list[str]) -> list[Point]:
        return [
            Point(keys[i], int(self.step[i]), float(self.seconds[i]), float(self.value[i]))
            for i in np.flatnonzero(np.isfinite(self.value)).tolist()
        ]
