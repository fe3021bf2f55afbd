"""Samples found by their place in order of size, exactly, in bounded memory and a few passes.

Each pass counts how many samples of a range lie in each of many bins, and goes on with the bin that
holds the sample that is looked for; as soon as few enough are left they are taken in and sorted.

Source: Munro and Paterson (1980), Selection and sorting with limited storage.
"""

import dataclasses
from collections.abc import Sequence
from typing import Final

import numpy as np

from gradgate.gate.aggregates.keys import LAST, Keys, keys_of, values_of
from gradgate.gate.evidence import Bools, Float64s, Ints

KEPT: Final = 1 << 20  # numbers that are kept at most, for one rule: 8 MB
_MOST_BINS: Final = 1 << 11
_LEAST_BINS: Final = 1 << 4


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ranks:
    """Two neighbours, or one and the same, among the samples of a range in order of size.

    Attributes:
        start, stop: Places of the samples in the order of steps, from `start` to before `stop`.
        low, high: Places in order of size, from 0; `high` is `low` or one more.
    """

    start: int
    stop: int
    low: int
    high: int

    @classmethod
    def middle(cls, start: int, stop: int) -> "Ranks":
        """The two in the middle, whose mean is the median; one where the range is odd."""
        size = stop - start
        return cls(start=start, stop=stop, low=(size - 1) // 2, high=size // 2)


class Selection:
    """The samples with some ranks, of k columns that have their samples at the same steps.

    Attributes:
        is_done: Whether all are found.
        low, high: After that: the samples, float64 [t, k].
    """

    def __init__(
        self,
        wanted: Sequence[Ranks],
        *,
        least: Float64s,
        greatest: Float64s,
        kept: int = KEPT,
    ) -> None:
        """Looks for ranks.

        Args:
            wanted: The t ranks.
            least: Of all samples, or less than that, float64 [k].
            greatest: Of all samples, or more than that, float64 [k].
            kept: Numbers to keep in memory.
        """
        self._wanted, self._kept = tuple(wanted), kept
        shape = (len(self._wanted), len(least))
        self._floor: Keys = np.broadcast_to(keys_of(least + 0.0), shape).copy()
        self._width: Keys = keys_of(greatest + 0.0) - self._floor
        self._rank = self._each([w.low for w in self._wanted])  # within what is left
        self._inside = self._each([w.stop - w.start for w in self._wanted])  # how many are left
        self._has_next = self._each([w.high > w.low for w in self._wanted]).astype(bool)
        bins = kept // max(1, shape[0] * shape[1])
        bits = min(max(bins, _LEAST_BINS), _MOST_BINS).bit_length() - 1
        self._bins = 1 << bits
        self._place = 0
        self._next: Keys = np.empty(shape, dtype=np.uint64)
        self._first: Keys = np.empty(shape, dtype=np.uint64)
        self._last: Keys = np.empty(shape, dtype=np.uint64)
        self.is_done = False
        self.low: Float64s = np.empty(shape)
        self.high: Float64s = np.empty(shape)
        self._plan()

    def _each(self, numbers: Sequence[int]) -> Ints:
        shape = (len(self._wanted), self._floor.shape[1])
        return np.broadcast_to(np.array(numbers, dtype=np.int64)[:, np.newaxis], shape).copy()

    def begin_at(self, place: int) -> None:
        """Says how many samples come before the next."""
        self._place = place

    def update(self, values: Float64s) -> None:
        """Takes in finite samples, float64 [n, k]."""
        keys = keys_of(values)
        for number, wanted in enumerate(self._wanted):
            start = max(wanted.start - self._place, 0)
            stop = min(wanted.stop - self._place, len(keys))
            if start < stop:
                part = keys[start:stop]
                above = part - self._floor[number]  # of what is below the floor: very great
                is_left = above <= self._width[number]
                if self._takes_in:
                    self._take_in(number, part, is_left)
                else:
                    self._count(number, above, is_left)
        self._place += len(keys)

    def merge(self, later: "Selection") -> None:
        """Takes in what was seen of later samples in the same pass."""
        self._counts += later._counts
        self._first = np.minimum(self._first, later._first)
        self._last = np.maximum(self._last, later._last)
        for mine, theirs in zip(self._taken, later._taken, strict=True):
            mine.extend(theirs)
        self._next = np.minimum(self._next, later._next)

    def again(self) -> bool:
        """Draws conclusions from a pass; whether another is needed.

        Raises:
            ValueError: If the samples were not those of the passes before.
        """
        if self.is_done:
            return False
        if self._takes_in:
            self._finish()
        else:
            self._narrow()
            self._plan()
        return not self.is_done

    def _plan(self) -> None:
        """Says what the next pass is to do."""
        self._place = 0
        self._is_open: Bools = self._width > 0
        needs_next = self._has_next & (self._rank + 1 >= self._inside)
        if not (self._is_open | needs_next).any():
            self.low = self.high = values_of(self._floor)
            self.is_done = True
            return
        self._takes_in = int(self._inside[self._is_open].sum()) <= self._kept
        bins = 0 if self._takes_in else self._bins
        self._counts: Ints = np.zeros((*self._floor.shape, bins), dtype=np.int64)
        self._shift = _shifts(self._width, self._bins)
        self._taken: list[list[tuple[Ints, Keys]]] = [[] for _ in self._wanted]
        self._next = np.full(self._floor.shape, LAST)
        self._first, self._last = self._width.copy(), np.zeros_like(self._width)

    def _count(self, number: int, above: Keys, is_left: Bools) -> None:
        columns = above.shape[1]
        place = (above >> self._shift[number]).astype(np.int64) + self._bins * np.arange(columns)
        counts = np.bincount(place[is_left], minlength=self._bins * columns)
        self._counts[number] += counts.reshape(columns, self._bins)
        first = np.where(is_left, above, LAST).min(axis=0)
        last = np.where(is_left, above, np.uint64(0)).max(axis=0)
        self._first[number] = np.minimum(self._first[number], first)
        self._last[number] = np.maximum(self._last[number], last)

    def _take_in(self, number: int, keys: Keys, is_left: Bools) -> None:
        top = self._floor[number] + self._width[number]
        self._next[number] = np.minimum(
            self._next[number], np.where(keys > top, keys, LAST).min(axis=0)
        )
        rows, columns = np.nonzero(is_left & self._is_open[number])
        self._taken[number].append((columns, keys[rows, columns]))

    def _narrow(self) -> None:
        """Goes on with the bin that holds the sample looked for, as far as samples reach.

        So one value that many samples share is soon alone.
        """
        if (self._counts.sum(axis=-1) != self._inside).any():
            raise ValueError(_CHANGED)
        up_to = np.cumsum(self._counts, axis=-1)
        place = (up_to <= self._rank[..., np.newaxis]).sum(axis=-1)[..., np.newaxis]
        inside = np.take_along_axis(self._counts, place, axis=-1)[..., 0]
        self._rank -= np.take_along_axis(up_to, place, axis=-1)[..., 0] - inside
        self._inside = inside
        begin = place[..., 0].astype(np.uint64) << self._shift
        one = np.uint64(1)
        end = np.minimum(begin + ((one << self._shift) - one), self._last)
        begin = np.maximum(begin, self._first)
        self._width = end - begin
        self._floor = self._floor + begin

    def _finish(self) -> None:
        low, high = self._floor.copy(), self._floor.copy()
        is_last = self._has_next & (self._rank + 1 >= self._inside)
        high[is_last] = self._next[is_last]
        for number, taken in enumerate(self._taken):
            columns = np.concatenate([np.empty(0, np.int64), *(c for c, _ in taken)])
            keys = np.concatenate([np.empty(0, np.uint64), *(k for _, k in taken)])
            for column in np.flatnonzero(self._is_open[number]):
                ordered = np.sort(keys[columns == column])
                if len(ordered) != self._inside[number, column]:
                    raise ValueError(_CHANGED)
                rank = self._rank[number, column]
                low[number, column] = ordered[rank]
                if not self._has_next[number, column]:
                    high[number, column] = ordered[rank]
                elif rank + 1 < len(ordered):
                    high[number, column] = ordered[rank + 1]
        self.low, self.high = values_of(low), values_of(high)
        self.is_done = True


_CHANGED = "The samples changed between two looks at them."


def _shifts(width: Keys, bins: int) -> Keys:
    """How many low bits to drop, so that keys up to `width` fall into so many bins."""
    lengths = [int(number).bit_length() for number in width.ravel().tolist()]
    shifts = [max(0, length - bins.bit_length() + 1) for length in lengths]
    return np.array(shifts, dtype=np.uint64).reshape(width.shape)
