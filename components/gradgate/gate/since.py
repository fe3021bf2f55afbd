"""Since when a rule has not held, column by column, asked of the steps so far.

From bounded memory: most aggregates are followed sample by sample in one pass over the steps. Of
medians of moving portions all samples are kept while they are few. Of more, further passes find the
ones that decide: three for most runs; should `LOOKS` not be enough, what is known then is a bound.
"""

from collections.abc import Callable
from typing import Final, Protocol

import numpy as np

from gradgate.contracts.aggregates import Aggregate, Improvement, TailMedian
from gradgate.gate.aggregates.follow import follower
from gradgate.gate.aggregates.kept import Thinned
from gradgate.gate.aggregates.selection import KEPT
from gradgate.gate.compare import Expected, Limits
from gradgate.gate.evidence import Bools, Float64s, Ints
from gradgate.gate.last_hold import LastHold, Stretch
from gradgate.gate.rank_bounds import InMemory
from gradgate.gate.signals import Samples
from gradgate.gate.since_by_medians import ColumnSearch

LOOKS: Final = 32


class Since(Protocol):
    """The search, over some columns of a case that have their samples at the same steps.

    Attributes:
        step: int64 [k], the step since which the rule has not held; -1 where it holds.
        value: float64 [k], the signal there.
        is_bound: bool [k], whether it may be since an earlier step too, and was not looked for
            further; never of an aggregate that is followed.
    """

    step: Ints
    value: Float64s
    is_bound: Bools

    def feed(self, samples: Samples) -> None:
        """Takes in samples within the window, in the order of steps."""

    def again(self) -> bool:
        """Whether it must see all of them once more before it knows; it is then ready."""


def since(
    aggregate: Aggregate,
    expect: Expected,
    columns: Bools,
    *,
    of_columns: int | None = None,
    kept: int = KEPT,
    looks: int = LOOKS,
) -> Since:
    """Returns a search at its beginning.

    Args:
        aggregate: Of the samples so far.
        expect: What must hold of it.
        columns: bool [k], those that matter, since they failed.
        of_columns: Those of all searches of the rule, which share the memory of one; None where
            there are no others.
        kept: Numbers that the rule may keep in memory.
        looks: Passes over the steps that may be taken, at most, after the first.
    """
    if isinstance(aggregate, Improvement | TailMedian):
        kept = kept * len(columns) // (of_columns or len(columns))
        return _SinceByMedians(aggregate, expect, columns, kept=kept, looks=looks)
    return _SinceFollowed(aggregate, expect, columns)


class _SinceFollowed:
    """Knows after every sample whether the rule holds."""

    def __init__(self, aggregate: Aggregate, expect: Expected, columns: Bools) -> None:
        self._follower = follower(aggregate, expect, columns=len(columns))
        self.step: Ints = np.full(len(columns), -1)
        self.value: Float64s = np.zeros(len(columns))
        self.is_bound: Bools = np.zeros(len(columns), dtype=bool)

    def feed(self, samples: Samples) -> None:
        if not len(samples.step):
            return
        with np.errstate(over="ignore", invalid="ignore"):
            is_held = self._follower.holding(samples.value)
        rows = len(is_held)
        after_last_held = rows - is_held[::-1].argmax(axis=0)
        begins = np.where(is_held.any(axis=0), after_last_held, 0)
        still_broken = ~is_held.any(axis=0) & (self.step >= 0)
        broken_again = ~still_broken & (begins < rows)
        row = np.minimum(begins, rows - 1)
        columns = np.arange(is_held.shape[1])
        self.step = np.where(still_broken, self.step, np.where(broken_again, samples.step[row], -1))
        self.value = np.where(still_broken, self.value, samples.value[row, columns])

    def again(self) -> bool:
        return False


class _SinceByMedians:
    """Looks first at all samples, then at those that decide, last at where the rule broke."""

    def __init__(
        self,
        aggregate: Improvement | TailMedian,
        expect: Expected,
        columns: Bools,
        *,
        kept: int,
        looks: int,
    ) -> None:
        width = len(columns)
        self.step: Ints = np.full(width, -1)
        self.value: Float64s = np.zeros(width)
        self.is_bound: Bools = np.zeros(width, dtype=bool)
        self._aggregate, self._expect, self._looks = aggregate, expect, looks
        self._columns = np.flatnonzero(columns).tolist()
        self._kept = kept
        self._some = Thinned(columns=width, rows=kept // width)
        self._finite: Ints = np.full(width, -1)  # samples before the first that is not; -1: all
        self._broken_by: Float64s = np.zeros(width)
        self._steps: list[Ints] = []
        self._found: dict[int, int] = {}
        self._searches: dict[int, ColumnSearch] = {}
        self._look: Callable[[Samples], None] = self._take_in
        self._place = 0

    def feed(self, samples: Samples) -> None:
        if len(samples.step):
            self._look(samples)
            self._place += len(samples.step)

    def again(self) -> bool:
        self._place = 0
        if self._look == self._look_up:
            return False
        if self._look == self._take_in:
            if self._some.is_whole:
                self._find_in_memory()
                return False
            self._begin()
        else:
            for column, search in tuple(self._searches.items()):
                if not search.again():
                    # A rule that failed does not hold after the last sample, bound or not.
                    last = self._some.count - 1 if search.is_bound else self._some.count
                    self._found[column] = min(search.found, last)
                    self.is_bound[column] = search.is_bound
                    del self._searches[column]
        self._look = self._search if self._searches else self._look_up
        return True

    def _take_in(self, samples: Samples) -> None:
        bad = ~np.isfinite(samples.value)
        newly = np.flatnonzero(bad.any(axis=0) & (self._finite < 0))
        rows = bad.argmax(axis=0)[newly]
        self._finite[newly] = self._place + rows
        self._broken_by[newly] = samples.value[rows, newly]
        self._some.add(np.where(bad, 0.0, samples.value) + 0.0)
        if self._some.is_whole:
            self._steps.append(samples.step)
        else:
            self._steps.clear()

    def _expected(self, column: int) -> Expected:
        """What must hold of one column."""
        return self._expect.of(column) if isinstance(self._expect, Limits) else self._expect

    def _count(self, column: int) -> int:
        """Samples before the first that is not finite."""
        finite = int(self._finite[column])
        return self._some.count if finite < 0 else finite

    def _find_in_memory(self) -> None:
        for column in self._columns if self._some.count else ():
            search = LastHold(self._aggregate, self._expected(column))
            values = np.ascontiguousarray(self._some.all()[:, column])
            count, found = self._count(column), 0
            if count:
                found, _ = search.search(Stretch(first=1, last=count), InMemory(values))
            if found < len(values):
                self.step[column] = np.concatenate(self._steps)[found]
                is_bad = found == self._finite[column]
                self.value[column] = self._broken_by[column] if is_bad else values[found]

    def _begin(self) -> None:
        for column in self._columns:
            self._searches[column] = ColumnSearch(
                self._aggregate,
                self._expected(column),
                count=self._count(column),
                some=self._some.all()[:, column],
                least=float(self._some.least[column]),
                kept=self._kept // len(self._columns),
                looks=self._looks,
            )

    def _search(self, samples: Samples) -> None:
        for column, search in self._searches.items():
            values = samples.value[:, column]
            search.update(self._place, np.where(np.isfinite(values), values, 0.0) + 0.0)

    def _look_up(self, samples: Samples) -> None:
        for column, found in self._found.items():
            row = found - self._place
            if 0 <= row < len(samples.step):
                self.step[column] = samples.step[row]
                self.value[column] = samples.value[row, column]
