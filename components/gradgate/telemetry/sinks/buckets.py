"""Which steps share a bucket: of each bucket, a series keeps the least and the greatest value.

Points that were sent while a training runs stay, and how long it will run may not be known. So the
width of a bucket is a power of two, and what is filled in at the end uses buckets that are halves,
quarters and so on of those that were used before: the extremes of a wide bucket are among those of
the narrow ones within, so every point that was sent belongs to the final series.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

_EXPONENTS = 41  # buckets of 2^40 steps: longer than any training


class Buckets:
    """Stretches of steps: `2 ** exponent` wide from each of some steps on.

    Args:
        segments: First step and exponent of each; the first begins at 0, the last never ends.
    """

    def __init__(self, segments: Sequence[tuple[int, int]]) -> None:
        self._segments = tuple(segments)
        self._starts = np.array([start for start, _ in segments], np.int64)
        self._exponents = np.array([exponent for _, exponent in segments], np.int64)
        widths = [
            _ceil(after - start, exponent) for (start, exponent), (after, _) in pairwise(segments)
        ]
        self._offsets = np.concatenate([[0], np.cumsum(widths, dtype=np.int64)]).astype(np.int64)

    def of(self, step: NDArray[np.int64]) -> NDArray[np.int64]:
        """Returns the number of the bucket of each step, rising with the steps."""
        which = np.searchsorted(self._starts, step, side="right") - 1
        inside = (step - self._starts[which]) >> self._exponents[which]
        return np.asarray(self._offsets[which] + inside, np.int64)

    def points(self, steps: int) -> int:
        """Most points that so many steps give: two a bucket, and the last step's."""
        total = 1
        for number, (start, exponent) in enumerate(self._segments):
            is_last = number + 1 == len(self._segments)
            end = steps if is_last else min(steps, self._segments[number + 1][0])
            if end > start:
                total += _ceil(end - start, exponent) * (2 if exponent else 1)
        return total

    def filled_in(self, steps: int, most: int) -> "Buckets":
        """Returns the narrowest halves of these with which so many steps give at most `most`."""
        for exponent in range(_EXPONENTS):
            finer = Buckets([(start, min(each, exponent)) for start, each in self._segments])
            if finer.points(steps) <= most + (exponent == 0):  # the last step is there already
                return finer
        return self


def live_buckets(most: int, planned: int | None) -> Buckets:
    """Returns the buckets while a training runs, of which nobody knows how long it will.

    With a plan, three quarters of the points are for the planned steps, in buckets of one width.
    Whatever comes after, and all steps when there is no plan, is in buckets that get wider and
    wider: twice as wide whenever a few of one width are full.

    Args:
        most: Points, at least 64. The buckets of 100 million steps give fewer.
        planned: Steps; None when nobody said.
    """
    if planned:
        exponent = 0
        while Buckets([(0, exponent)]).points(planned) > most * 3 // 4:
            exponent += 1
        segments, first = [(0, exponent)], _ceil(planned, exponent) << exponent
        each = max(most // 128, 1)
    else:
        segments, first, exponent, each = [(0, 0)], most // 4, 0, most // 64
    for wider in range(exponent + 1, _EXPONENTS):
        segments.append((first, wider))
        first += each << wider
    return Buckets(segments)


def _ceil(steps: int, exponent: int) -> int:
    return (steps + (1 << exponent) - 1) >> exponent
