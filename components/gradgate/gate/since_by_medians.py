"""Since when a rule on medians of moving portions has not held, of more samples than are kept.

Exactly, and from bounded memory. One pass over the steps counts how many samples lie between which
limits; that decides on most numbers of samples. A next one takes in the few samples that decide on
the others; where those are too many, it counts once more, in finer ranges.
"""

from typing import Final

import numpy as np

from gradgate.contracts.aggregates import Improvement, TailMedian
from gradgate.gate.aggregates.keys import keys_of, values_of
from gradgate.gate.compare import Expected
from gradgate.gate.evidence import Float64s, Ints
from gradgate.gate.last_hold import Interval, LastHold, Stretch, Window
from gradgate.gate.rank_bounds import Excerpt, Excerpts, Histogram

_LEAST_COUNTS: Final = 256  # of a histogram, however little may be kept
_TOGETHER: Final = 64  # excerpts in one pass


class ColumnSearch:
    """The search in one column.

    Attributes:
        found: The last number of samples after which the rule held, 0 for none.
        is_done: Whether the search is over.
        is_bound: Whether it was given up, so that `found` is the last number at which it can have
            held.
    """

    def __init__(
        self,
        aggregate: Improvement | TailMedian,
        expect: Expected,
        *,
        count: int,
        some: Float64s,
        least: float,
        kept: int,
        looks: int,
    ) -> None:
        """Begins to search.

        Args:
            aggregate: Of the samples so far.
            expect: What must hold of it.
            count: Samples before the first that is not finite; no others are looked at.
            some: Some of the samples, for a first idea of them, float64 [s].
            least: The least of all samples, or less.
            kept: Numbers to keep in memory.
            looks: Passes over the samples, at most.
        """
        self.found, self.is_done, self.is_bound = 0, not count, False
        self._looks = looks
        self._search = LastHold(aggregate, expect)
        self._kept, self._count, self._least = kept, count, least
        self._side = int(max(kept, _LEAST_COUNTS) ** 0.5)
        self._open = [Stretch(first=1, last=count)]  # where it may hold, in rising order
        self._looked_at = self._open[0]
        self._excerpts: list[tuple[Stretch, Excerpts]] = []
        self._some = np.sort(some)
        limits = np.append(_spread(self._some, self._side), least)
        self._histogram = Histogram(_between(0, count, self._side), np.unique(limits))
        self._finest = max(1, count // self._side)

    def update(self, place: int, values: Float64s) -> None:
        """Takes in samples, float64 [n], of which the first is at a place."""
        values = values[: max(0, self._count - place)]
        if len(values):
            for _, excerpts in self._excerpts:
                excerpts.update(place, values)
            if not self._excerpts:
                self._histogram.update(place, values)

    def again(self) -> bool:
        """Draws conclusions from a pass over all samples; whether another is needed."""
        if self.is_done:
            return False
        if self._excerpts:
            undecided: list[Stretch] = []  # none: an excerpt holds all that its stretch asks for
            for stretch, excerpts in self._excerpts:  # the latest first
                found, left = self._search.search(stretch, excerpts)
                undecided = left + undecided
                if found:
                    self.found, self._open = found, []
                    break
            self._open += undecided
            self._excerpts = []
        else:
            found, undecided = self._search.search(
                self._open.pop(), self._histogram, finest=self._finest
            )
            if found:
                self.found, self._open = found, []
            self._open += undecided
        self._looks -= 1
        if self._open and not self._looks:
            self.found, self.is_bound, self._open = self._open[-1].last, True, []
        self.is_done = not self._open
        if self._open:
            self._take_excerpts()
            if not self._excerpts:
                self._look_closer()
        return not self.is_done

    def _take_excerpts(self) -> None:
        """Decides what to take in next: of the latest stretches, as long as it can be kept."""
        left = self._kept
        while self._open and len(self._excerpts) < _TOGETHER:
            stretch = self._open[-1]
            pieces = [stretch, stretch.cut(2)[-1], stretch.cut(4)[-1]]
            sizes = [self._held(piece) for piece in pieces]
            if sizes[-1] > left:
                return
            stretch, size = next(fit for fit in zip(pieces, sizes, strict=True) if fit[1] <= left)
            rest = Stretch(first=self._open.pop().first, last=stretch.first - 1)
            self._open += [rest] if rest.first <= rest.last else []
            excerpts = Excerpts(Excerpt(w, self._middle(w)) for w in self._search.windows(stretch))
            self._excerpts.append((stretch, excerpts))
            left -= size

    def _held(self, stretch: Stretch) -> int:
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
            self._histogram.bounds(window.start, window.stop, rank, is_end=window.is_end)
            if 0 <= rank < window.stop - window.start
            else (-np.inf, np.inf)
            for rank in window.ranks
        ]

    def _look_closer(self) -> None:
        """Prepares to count in finer ranges, where they matter for the latest stretch."""
        if 2 * self._open[-1].size > self._looked_at.size > 1:  # that did not help much
            self._open += self._open.pop().cut(2)
        stretch = self._looked_at = self._open[-1]
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
        self._finest = max(1, stretch.size // each)

    def _limits(self, low: float, high: float, count: int) -> Float64s:
        """Limits that cut a range into so many: half of them as samples lie, half evenly."""
        some = self._some[slice(*np.searchsorted(self._some, (low, high)))]
        ends = np.array([max(low, self._least), min(high, np.finfo(np.float64).max)])
        first, last = (int(key) for key in keys_of(ends))
        evenly = max(1, count // 2)
        keys = [first + (last + 1 - first) * i // evenly for i in range(evenly + 1)]
        found: Float64s = np.append(
            values_of(np.array(keys, dtype=np.uint64)), _spread(some, count // 2)
        )
        finite: Float64s = found[np.isfinite(found)]
        return finite


def _spread(ordered: Float64s, count: int) -> Float64s:
    """Up to so many of some numbers, evenly spread over them."""
    return ordered[_between(0, len(ordered) - 1, count)] if len(ordered) else ordered


def _between(first: int, last: int, count: int) -> Ints:
    """Up to so many whole numbers from one to another, both among them."""
    return np.unique(np.linspace(first, last, max(2, count)).astype(np.int64))
