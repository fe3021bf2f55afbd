"""The last number of samples after which a rule on medians of moving portions still held.

The medians of the beginning and the end of a series move with every sample, so they cannot be
followed from bounded memory. But while some samples come and others go, a median cannot move
further in order of size than they are many: so a few samples of known rank bound it for a whole
stretch of numbers of samples. Where the rule cannot hold within the bounds, the stretch is done
with; else it is cut into pieces, the latest first, down to single numbers, which are exact.
"""

import dataclasses
import math
from collections.abc import Iterable, Sequence
from typing import Final, Protocol

import numpy as np

from gradgate.contracts.aggregates import Improvement, TailMedian
from gradgate.contracts.policy import Between
from gradgate.gate.aggregates.improvement import relative_fall
from gradgate.gate.aggregates.medians import median_of, portion_of
from gradgate.gate.compare import Expected, Limits, holds

_PIECES: Final = 8
_SLACK: Final = 2  # places by which rounding can move where a portion begins
_GREAT: Final = 1e300
_MARGIN: Final = 1e-9  # by which rounding can move a quotient, and far more
Interval = tuple[float, float]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Stretch:
    """Numbers of samples from `first` to `last`."""

    first: int
    last: int

    @property
    def size(self) -> int:
        """How many numbers."""
        return self.last - self.first + 1

    def cut(self, into: int) -> list["Stretch"]:
        """Returns up to so many pieces of about the same length."""
        count = min(into, self.size)
        ends = [self.first + self.size * i // count for i in range(count + 1)]
        return [Stretch(first=ends[i], last=ends[i + 1] - 1) for i in range(count)]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Window:
    """A portion at the end of the first so many samples, or at their beginning, over a stretch.

    In the largest portion the samples that all have in common stand among others. So the lower one
    of the two in its middle is no less than the common sample that stands there if all others are
    less; the upper one no more than the one that does if all others are greater.

    Attributes:
        is_end: Whether the portion is at the end.
        start, stop: Places of the samples that all portions have in common.
        least_start, most_stop: Places of those that any has.
        size: Samples of the largest portion.
    """

    is_end: bool
    start: int
    stop: int
    least_start: int
    most_stop: int
    size: int

    @property
    def ranks(self) -> tuple[int, int]:
        """Those of the two bounds, of the samples in common; there may be no such sample."""
        return self.stop - self.start - 1 - self.size // 2, self.size // 2


class Samples(Protocol):
    """What is known of the samples of a series."""

    def bounds(self, start: int, stop: int, rank: int, *, is_end: bool) -> Interval:
        """Bounds of the sample of a rank, among those from place `start` to before `stop`.

        Args:
            start: Place of the first.
            stop: One more than the place of the last.
            rank: Place in order of size, from 0.
            is_end: Whether it is asked for a portion at the end.
        """


class LastHold:
    """The search in one column, of a rule on medians of portions."""

    def __init__(self, aggregate: Improvement | TailMedian, expect: Expected) -> None:
        self._portion = aggregate.portion
        self._is_improvement = isinstance(aggregate, Improvement)
        self._expect = expect

    def search(
        self, stretch: Stretch, samples: Samples, *, finest: int = 1
    ) -> tuple[int, list[Stretch]]:
        """Looks for the last number of samples in a stretch after which the rule held.

        Args:
            stretch: Where to look.
            samples: Bounds those that are asked for; exactly, if all is to be decided.
            finest: Pieces of this length are not cut further.

        Returns:
            The last number that is known to hold, 0 for none, and the pieces beyond it in which it
            could hold for all that is known, in rising order.
        """
        left, undecided, found = [stretch], list[Stretch](), 0
        while left and not found:
            piece = left.pop()
            bounds = [_bounds(window, samples) for window in self.windows(piece)]
            is_known = piece.size == 1 and all(low == high for low, high in bounds)
            if is_known:
                found = piece.first if self._holds([low for low, _ in bounds]) else 0
            elif self._must_hold(bounds):
                found = piece.last
            elif self._may_hold(bounds):
                if piece.size <= finest:
                    undecided.append(piece)
                else:
                    left += piece.cut(_PIECES)
        return found, _joined(reversed(undecided))

    def windows(self, stretch: Stretch) -> list[Window]:
        """The portions that the rule looks at, that at the end last."""
        least, most = (portion_of(n, self._portion) for n in (stretch.first, stretch.last))
        slack = _SLACK if stretch.first < stretch.last else 0
        start = min(max(0, stretch.last - most + slack), stretch.first)
        end = Window(
            is_end=True,
            start=start,
            stop=stretch.first,
            least_start=min(start, max(0, stretch.first - least - slack)),
            most_stop=stretch.last,
            size=most,
        )
        if not self._is_improvement:
            return [end]
        beginning = Window(
            is_end=False, start=0, stop=least, least_start=0, most_stop=most, size=most
        )
        return [beginning, end]

    def _holds(self, medians: Sequence[float]) -> bool:
        values = [np.array([median]) for median in medians]
        value = relative_fall(*values) if self._is_improvement else values[-1]
        return bool(holds(self._expect, value)[0])

    def _must_hold(self, bounds: Sequence[Interval]) -> bool:
        """Whether the rule holds wherever the medians lie within their bounds."""
        is_small = all(max(-low, high) < _GREAT for low, high in bounds)  # their sum is finite
        return is_small and bool(holds(self._expect, np.array(self._value(bounds))).all())

    def _may_hold(self, bounds: Sequence[Interval]) -> bool:
        """Whether the rule could hold for medians within their bounds."""
        (low, high), expect = self._value(bounds), self._expect
        if isinstance(expect, Between | Limits):
            return bool(low <= expect.high and high >= expect.low)
        if expect.op == "==":
            return low <= expect.value <= high
        return low <= expect.value if expect.op in {"<", "<="} else high >= expect.value

    def _value(self, bounds: Sequence[Interval]) -> Interval:
        return _fall(*bounds) if self._is_improvement else bounds[-1]


def _bounds(window: Window, samples: Samples) -> Interval:
    """Bounds of the medians of a portion; both are the median where that is known."""
    low, high = (
        samples.bounds(window.start, window.stop, rank, is_end=window.is_end)
        if 0 <= rank < window.stop - window.start
        else (-math.inf, math.inf)
        for rank in window.ranks
    )
    if window.size == window.stop - window.start and low[0] == low[1] and high[0] == high[1]:
        with np.errstate(over="ignore"):
            median = float(median_of(np.array(low[0]), np.array(high[0])))
        return median, median
    return low[0], high[1]


def _fall(first: Interval, last: Interval) -> Interval:
    """Bounds of `(a - b) / |a|`, which is the sign of a less `b / |a|`."""
    if first[0] <= 0 <= first[1]:
        return -math.inf, math.inf
    sign = math.copysign(1, first[0])
    near, far = sorted(abs(bound) for bound in first)
    low = last[0] / (far if last[0] >= 0 else near)
    high = last[1] / (near if last[1] >= 0 else far)
    least, greatest = sign - high, sign - low
    return least - _MARGIN * (1 + abs(least)), greatest + _MARGIN * (1 + abs(greatest))


def _joined(stretches: Iterable[Stretch]) -> list[Stretch]:
    """Neighbours as one stretch."""
    joined: list[Stretch] = []
    for stretch in stretches:
        follows = joined and joined[-1].last + 1 == stretch.first
        first = joined.pop().first if follows else stretch.first
        joined.append(Stretch(first=first, last=stretch.last))
    return joined
