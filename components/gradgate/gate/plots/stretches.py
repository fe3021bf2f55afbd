"""Steps folded into a few hundred stretches, in one pass and in memory that does not grow.

Nobody need say beforehand how many steps there are: when the stretches are full, each two become
one of twice the length.
"""

import dataclasses
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

MOST: Final = 256
"""Most stretches; of a long training there are between half as many and so many."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Place:
    """Where consecutive steps belong: each stretch they touch, and the row where it begins."""

    columns: NDArray[np.int64]
    starts: NDArray[np.int64]


class Fold:
    """One number a row and stretch, made of many by a function such as `np.fmax`.

    Args:
        how: Joins two numbers; the order does not matter.
        nothing: What joins with x to x, and so says that nothing was there.
        rows: Number of rows.
    """

    def __init__(self, how: np.ufunc, nothing: float, rows: int) -> None:
        self._how, self._nothing = how, nothing
        self._table = np.full((rows, MOST), nothing)

    def add(self, place: Place, values: NDArray[Any]) -> None:
        """Adds values [n, rows] of n consecutive steps."""
        part = self._how.reduceat(values.astype(np.float64), place.starts, axis=0)
        self._table[:, place.columns] = self._how(self._table[:, place.columns], part.T)

    def halve(self) -> None:
        """Joins each two stretches."""
        joined = self._how(self._table[:, 0::2], self._table[:, 1::2])
        self._table[:, : MOST // 2] = joined
        self._table[:, MOST // 2 :] = self._nothing

    def table(self, count: int) -> NDArray[np.float64]:
        """The numbers of the first `count` stretches, float64 [rows, count]."""
        return self._table[:, :count].copy()


class Stretches:
    """The stretches of one training, and everything that is folded into them."""

    def __init__(self) -> None:
        self.width = 1
        self.first_step = 0
        self.last_step = -1
        self._folds: list[Fold] = []

    @property
    def count(self) -> int:
        """Stretches so far; the last may be cut short by the end of the training."""
        return max((self.last_step - self.first_step) // self.width + 1, 0)

    def fold(self, how: np.ufunc, nothing: float, rows: int = 1) -> Fold:
        """Returns a new fold over these stretches."""
        self._folds.append(Fold(how, nothing, rows))
        return self._folds[-1]

    def follow(self, step: NDArray[np.int64]) -> None:
        """Makes room for rising steps that come after those before."""
        if self.last_step < 0:
            self.first_step = int(step[0])
        self.last_step = int(step[-1])
        while self.count > MOST:
            self.width *= 2
            for fold in self._folds:
                fold.halve()

    def place(self, step: NDArray[np.int64]) -> Place:
        """Where rising steps belong, which room was made for before."""
        column = (step - self.first_step) // self.width
        starts = np.flatnonzero(np.diff(column, prepend=-1))
        return Place(columns=column[starts], starts=starts)
