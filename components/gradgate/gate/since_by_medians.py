"""Since when a rule on medians of moving portions has not held, of more samples than are kept.

Exactly, and from bounded memory. One pass over the steps counts how many samples lie between which
limits; that decides on most numbers of samples. A next one takes in the few samples that decide on
the others; where those are too many, it counts once more, in finer ranges.
"""

from typing import Final

import numpy as np

from gradgate.contracts.aggregates import Improvement, TailMedian
from gradgate.contracts.policy import Rule
from gradgate.gate.aggregates.keys import keys_of, values_of
from gradgate.gate.evidence import Float64s, Ints
from gradgate.gate.last_hold import Interval, LastHold, Stretch, Window
from gradgate.gate.rank_bounds import Excerpt, Excerpts, Histogram

_LEAST_COUNTS: Final = 256  # of a histogram, however little may be kept
_TOGETHER: Final = 64  # excerpts in one pass


class ColumnSearch:
    """The search in one column.

    Attributes:
        found: The last number of samples after which the rule held, 0 for none.
        is_done: Whether that is certain.
    """

    def __init__(
        self,
        rule: Rule,
        aggregate: Improvement | TailMedian,
        *,
        count: int,
        some: Float64s,
        least: float,
        kept: int,
    ) -> None:
        """Begins to search.

        Args:
            rule: What must hold.
            aggregate: Of the rule.
            count: Samples before the first that is not finite; no others are looked at.
            some: Some of the samples, for a first idea of them, float64 [s].
            least: The least of all samples, or less.
            kept: Numbers to keep in memory.
        """
        self.found, self.is_done = 0, not count
        self._search = LastHold(aggregate, rule.expect)
        self._kept, self._count, self._least = kept, count, least
        self._side = int(max(kept, _LEAST_COUNTS) ** 0.5)
        self._open = [Stretch(first=1, last=count)]  # where it may hold, in rising order
        self._excerpts: list[tuple[Stretch, Excerpts]] = []
        picked = np.linspace(0, len(some) - 1, self._side).astype(np.int64)
        limits = np.unique(np.append(np.sort(some)[picked], least))
        self._histogram = Histogram(_between(0, count, self._side), limits)
        self._finest = max(1, count // self._side)

    def update(self, place: int, values: Float64s) -> None:
        """Takes in samples, float64 [n], of which the first is at a place."""
        values = values[: max(0, self._count - place)]
        if len(values):
            for seen in [excerpts for _, excerpts in self._excerpts] or [self._histogram]:
                seen.update(place, values)

    def again(self) -> bool:
        """Draws conclusions from a pass over all samples; whether another is needed."""
        if self._excerpts:
            for stretch, excerpts in self._excerpts:  # the latest first
                found, _ = self._search.search(stretch, excerpts)
                if found:
                    self.found, self._open = found, []
                    break
            self._excerpts = []
        else:
            found, undecided = self._search.search(
                self._open.pop(), self._histogram, finest=self._finest
            )
            if found:
                self.found, self._open = found, []
            self._open += undecided
        self.is_done = not self._open
        if self._open:
            self._take_excerpts()
            if not self._excerpts:
                self._look_closer(self._open[-1])
        return not self.is_done

    def _take_excerpts(self) -> None:
        """Decides what to take in next: of the latest stretches, as long as it can be kept."""
        left = self._kept
        while self._open and len(self._excerpts) < _TOGETHER:
            stretch = self._open[-1]
            while (size := self._size(stretch)) > left and stretch.first + 8 < stretch.last:
                stretch = stretch.cut(2)[1]
            if size > left:
                return
            rest = Stretch(first=self._open.pop().first, last=stretch.first - 1)
            self._open += [rest] if rest.first <= rest.last else []
            excerpts = Excerpts(Excerpt(w, self._middle(w)) for w in self._search.windows(stretch))
            self._excerpts.append((stretch, excerpts))
            left -= size

    def _size(self, stretch: Stretch) -> int:
        """How many samples the excerpts of a stretch would hold, at most."""
        size = 0
        for window in self._search.windows(stretch):
            size += window.start - window.least_start + window.most_stop - window.stop
            low, high = self._middle(window)
            if window.start < window.stop and low < high:
                size += self._histogram.most_between(window.start, window.stop, low, high)
        return size

    def _middle(self, window: Window) -> Interval:
        """Bounds of what may be in the middle of a portion."""
        bounds = self._bounds(window)
        return bounds[0][0], bounds[-1][1]

    def _bounds(self, window: Window) -> list[Interval]:
        """Those of the two samples in common that bound the middle."""
        return [
            self._histogram.bounds(window.is_end, window.start, window.stop, rank)
            if 0 <= rank < window.stop - window.start
            else (-np.inf, np.inf)
            for rank in window.ranks
        ]

    def _look_closer(self, stretch: Stretch) -> None:
        """Prepares to count in finer ranges, where they matter for a stretch."""
        windows = self._search.windows(stretch)
        edges = [(stretch.first, stretch.last), *((w.least_start, w.start) for w in windows)]
        edges += [(w.stop, w.most_stop) for w in windows if not w.is_end]
        each = self._side // len(edges)
        stops = [np.array([0, self._count]), *(_between(a, b, each) for a, b in edges)]
        bounds = [bound for window in windows for bound in self._bounds(window)]
        each = self._side // len(bounds)
        limits = [np.array([self._least]), *(self._limits(*bound, each) for bound in bounds)]
        self._histogram = Histogram(
            np.unique(np.concatenate(stops)), np.unique(np.concatenate(limits))
        )
        self._finest = max(1, (stretch.last - stretch.first + 1) // each)

    def _limits(self, low: float, high: float, count: int) -> Float64s:
        """Floats that cut a range into so many, and the first beyond it."""
        ends = np.array(
            [max(low, self._least), np.finfo(np.float64).max if np.isinf(high) else high]
        )
        first, last = (int(key) for key in keys_of(ends))
        keys = [first + (last + 1 - first) * i // count for i in range(count + 1)]
        found = values_of(np.array(keys, dtype=np.uint64))
        return found[np.isfinite(found)]


def _between(first: int, last: int, count: int) -> Ints:
    """Up to so many whole numbers from one to another, both among them."""
    return np.unique(np.linspace(first, last, max(2, count)).astype(np.int64))
