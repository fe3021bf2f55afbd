"""What can be known, in little memory, of the samples of a series by their place in order of size.

All of them while they are few; of more: how many lie between which limits, stretch by stretch, or
only those that may be in the middle of some portions.
"""

from collections.abc import Iterable

import numpy as np

from gradgate.gate.evidence import Float64s, Ints
from gradgate.gate.last_hold import Interval, Window


class InMemory:
    """All samples of a series, float64 [n]."""

    def __init__(self, samples: Float64s) -> None:
        self._samples = samples

    def bounds(self, start: int, stop: int, rank: int, *, is_end: bool) -> Interval:  # noqa: ARG002
        """The sample itself, twice."""
        sample = float(np.partition(self._samples[start:stop], rank)[rank])
        return sample, sample


class Histogram:
    """How many samples there are in each of many ranges of places, between each two of many limits.

    Attributes:
        stops: int64 [r], the places between which the ranges lie.
    """

    def __init__(self, stops: Ints, limits: Float64s) -> None:
        """Makes an empty one.

        Args:
            stops: int64 [r], rising from 0 to the number of samples.
            limits: float64 [b], rising; the first is no greater than the least sample.
        """
        self.stops, self._limits = stops, limits
        self._counts: Ints = np.zeros((len(stops), len(limits)), dtype=np.int64)
        self._tops = np.append(np.nextafter(limits[1:], -np.inf), np.inf)
        self._is_whole = False

    def update(self, place: int, values: Float64s) -> None:
        """Takes in samples, float64 [n], of which the first is at a place."""
        places = np.arange(place, place + len(values))
        row = np.searchsorted(self.stops, places, side="right")  # row 0 stays empty
        first = int(row[0])
        column = np.searchsorted(self._limits, values, side="right") - 1
        width = len(self._limits)
        rows = int(row[-1]) - first + 1
        counts = np.bincount((row - first) * width + column, minlength=rows * width)
        self._counts[first : first + rows] += counts.reshape(rows, width)

    def bounds(self, start: int, stop: int, rank: int, *, is_end: bool) -> Interval:  # noqa: ARG002
        """The limits next to the sample, as far as whole ranges tell."""
        counts, inside = self._within(start, stop)
        outside = stop - start - inside
        low, high = -np.inf, np.inf
        if rank >= outside:
            low = self._limits[np.searchsorted(counts, rank - outside, side="right")]
        if rank < inside:
            high = self._tops[np.searchsorted(counts, rank, side="right")]
        return float(low), float(high)

    def most_between(self, start: int, stop: int, low: float, high: float) -> int:
        """No fewer than how many samples of a range lie between two of the bounds it gave."""
        first = int(np.searchsorted(self.stops, start, side="right")) - 1
        last = int(np.searchsorted(self.stops, stop, side="left"))
        counts, _ = self._within(int(self.stops[first]), int(self.stops[last]))
        below = int(np.searchsorted(self._limits, low, side="left"))
        up_to = int(np.searchsorted(self._limits, high, side="right"))
        return int(counts[up_to - 1]) - (int(counts[below - 1]) if below else 0) if up_to else 0

    def _within(self, start: int, stop: int) -> tuple[Ints, int]:
        """Samples up to each limit in the ranges that lie within another, and how many they are."""
        if not self._is_whole:
            np.cumsum(self._counts, axis=0, out=self._counts)
            np.cumsum(self._counts, axis=1, out=self._counts)
            self._is_whole = True
        first = int(np.searchsorted(self.stops, start, side="left"))
        last = int(np.searchsorted(self.stops, stop, side="right")) - 1
        if last <= first:
            return np.zeros(len(self._limits), dtype=np.int64), 0
        return self._counts[last] - self._counts[first], int(self.stops[last] - self.stops[first])


class Excerpt:
    """Of a portion over a stretch: what not all have in common, and of the rest what is between.

    So of a sample in common that lies below or above no more is known than that.
    """

    def __init__(self, window: Window, between: Interval) -> None:
        """Makes an empty one.

        Args:
            window: The portion.
            between: The sample in the middle of any of them that is in common lies between these.
        """
        self.window, self._between = window, between
        self._below = self._equal = 0
        self._first: list[Float64s] = []
        self._inside: list[Float64s] = []
        self._last: list[Float64s] = []

    def update(self, place: int, values: Float64s) -> None:
        """Takes in samples, float64 [n], of which the first is at a place."""
        window, (low, high) = self.window, self._between
        _append(self._first, _cut(place, values, window.least_start, window.start))
        _append(self._last, _cut(place, values, window.stop, window.most_stop))
        common = _cut(place, values, window.start, window.stop)
        self._below += int(np.count_nonzero(common < low))
        if low == high:
            self._equal += int(np.count_nonzero(common == low))
        else:
            _append(self._inside, common[(common >= low) & (common <= high)])

    def bounds(self, start: int, stop: int, rank: int) -> Interval:
        """Bounds of the sample of a rank, among those from place `start` to before `stop`."""
        window, (low, high) = self.window, self._between
        first, inside, last = (_whole(x) for x in (self._first, self._inside, self._last))
        if window.start == window.stop:
            known = np.concatenate([first, last])
            known = known[start - window.least_start : stop - window.least_start]
        else:
            rank -= self._below
            known = np.concatenate(
                [first[start - window.least_start :], inside, last[: stop - window.stop]]
            )
            less = int(np.count_nonzero(known < low)) if self._equal else rank + 1
            if less <= rank < less + self._equal + int(np.count_nonzero(known == low)):
                return low, high
            rank -= self._equal if rank >= less else 0
        if rank < 0:
            return -np.inf, low
        if rank >= len(known):
            return high, np.inf
        sample = float(np.partition(known, rank)[rank])
        if sample < low:
            return -np.inf, low
        return (high, np.inf) if sample > high else (sample, sample)


class Excerpts:
    """An excerpt for each of the portions that a rule looks at."""

    def __init__(self, excerpts: Iterable[Excerpt]) -> None:
        self._excerpts = {excerpt.window.is_end: excerpt for excerpt in excerpts}

    def update(self, place: int, values: Float64s) -> None:
        """Takes in samples, float64 [n], of which the first is at a place."""
        for excerpt in self._excerpts.values():
            excerpt.update(place, values)

    def bounds(self, start: int, stop: int, rank: int, *, is_end: bool) -> Interval:
        """Bounds of the sample of a rank, among those from place `start` to before `stop`."""
        return self._excerpts[is_end].bounds(start, stop, rank)


def _cut(place: int, values: Float64s, start: int, stop: int) -> Float64s:
    return values[max(start - place, 0) : max(stop - place, 0)]


def _append(chunks: list[Float64s], values: Float64s) -> None:
    if len(values):
        chunks.append(values.copy())


def _whole(chunks: list[Float64s]) -> Float64s:
    if len(chunks) != 1:
        chunks[:] = [np.concatenate([np.empty(0), *chunks])]
    return chunks[0]
