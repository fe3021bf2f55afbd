"""Since when a rule has not held, column by column, asked of the steps so far.

From bounded memory: most aggregates are followed sample by sample in one pass over the steps. Of
medians of moving portions all samples are kept while they are few; of more, further passes find
the ones that decide.
"""

from collections.abc import Callable
from typing import Protocol

import numpy as np

from gradgate.contracts.aggregates import Improvement, TailMedian
from gradgate.contracts.policy import Rule
from gradgate.gate.aggregates.follow import follower
from gradgate.gate.aggregates.kept import Thinned
from gradgate.gate.aggregates.selection import KEPT
from gradgate.gate.evidence import Bools, Float64s, Ints
from gradgate.gate.last_hold import LastHold, Stretch
from gradgate.gate.rank_bounds import InMemory
from gradgate.gate.signals import Samples
from gradgate.gate.since_by_medians import ColumnSearch


class Since(Protocol):
    """The search, over some columns of a case that have their samples at the same steps.

    Attributes:
        step: int64 [k], the step since which the rule has not held; -1 where it holds.
        value: float64 [k], the signal there.
    """

    step: Ints
    value: Float64s

    def feed(self, samples: Samples) -> None:
        """Takes in samples within the window, in the order of steps."""

    def again(self) -> bool:
        """Whether it must see all of them once more before it knows; it is then ready."""


def since(rule: Rule, columns: Bools, *, of_columns: int | None = None, kept: int = KEPT) -> Since:
    """Returns a search at its beginning.

    Args:
        rule: What must hold.
        columns: bool [k], those that matter.
        of_columns: Those of all searches of the rule, which share the memory of one; None where
            there are no others.
        kept: Numbers that the rule may keep in memory.
    """
    if isinstance(rule.aggregate, Improvement | TailMedian):
        kept = kept * len(columns) // (of_columns or len(columns))
        return _SinceByMedians(rule, rule.aggregate, columns, kept=kept)
    return _SinceFollowed(rule, columns)


class _SinceFollowed:
    """Knows after every sample whether the rule holds."""

    def __init__(self, rule: Rule, columns: Bools) -> None:
        self._follower = follower(rule.aggregate, rule.expect, columns=len(columns))
        self.step: Ints = np.full(len(columns), -1)
        self.value: Float64s = np.zeros(len(columns))

    def feed(self, samples: Samples) -> None:
        if not len(samples.step):
            return
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
        self, rule: Rule, aggregate: Improvement | TailMedian, columns: Bools, *, kept: int
    ) -> None:
        width = len(columns)
        self.step: Ints = np.full(width, -1)
        self.value: Float64s = np.zeros(width)
        self._rule, self._aggregate = rule, aggregate
        self._columns = np.flatnonzero(columns).tolist()
        self._kept = kept
        self._some = Thinned(columns=width, rows=kept // width)
        self._finite: Ints = np.full(width, -1)  # samples before the first that is not; -1: all
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
            self._begin()
        else:
            for column, search in tuple(self._searches.items()):
                if not search.again():
                    self._found[column] = self._searches.pop(column).found
        self._look = self._search if self._searches else self._look_up
        return True

    def _take_in(self, samples: Samples) -> None:
        bad = ~np.isfinite(samples.value)
        newly = np.flatnonzero(bad.any(axis=0) & (self._finite < 0))
        self._finite[newly] = self._place + bad.argmax(axis=0)[newly]
        self._some.add(np.where(bad, 0.0, samples.value) + 0.0)

    def _begin(self) -> None:
        some = self._some.all()
        for column in self._columns:
            finite = int(self._finite[column])
            count = self._some.count if finite < 0 else finite
            values = np.ascontiguousarray(some[:, column])
            if self._some.is_whole:
                search, all_of_it = LastHold(self._aggregate, self._rule.expect), InMemory(values)
                whole = Stretch(first=1, last=count)
                self._found[column] = search.search(whole, all_of_it)[0] if count else 0
                continue
            self._searches[column] = ColumnSearch(
                self._rule,
                self._aggregate,
                count=count,
                some=values,
                least=float(self._some.least[column]),
                kept=self._kept // len(self._columns),
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
