"""Where a failing rule was broken for good, and what the signal looked like around it.

The first offence is the first step from which on the rule, asked of the steps so far, never held
again until the end of its window. It is looked for only when a rule has failed: one more pass
over the steps for all failing rules together, and one for what surrounds the offences.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from gradgate.contracts.verdict import Offence, Sample
from gradgate.gate.case import StepCase
from gradgate.gate.compare import holds
from gradgate.gate.evidence import Bools, Evidence, Float64s, Ints, StepBatch

_AROUND = 20


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Place:
    step: int
    column: int
    value: float


def first_offences(failed: Sequence[tuple[StepCase, Bools]], evidence: Evidence) -> list[Offence]:
    """Returns the earliest offence of each failing rule, in the same order.

    Args:
        failed: Each failing rule with the columns that failed, bool [k].
        evidence: Gives the steps once more, and once again if a rule failed on them.
    """
    searches = [_Search(case, columns) for case, columns in failed]
    if not searches:
        return []
    for batch in evidence.batches():
        for search in searches:
            search.feed(batch)
    views = [_View(search.case, search.earliest()) for search in searches]
    for batch in evidence.batches():
        for view in views:
            view.feed(batch)
    return [view.offence() for view in views]


class _Search:
    """Follows, for each column, the step since which the rule has not held."""

    def __init__(self, case: StepCase, columns: Bools) -> None:
        self.case = case
        self._columns = columns
        self._running = case.fresh()
        self._since: Ints = np.full(len(columns), -1)
        self._value: Float64s = np.zeros(len(columns))

    def feed(self, batch: StepBatch) -> None:
        samples = self.case.inside(self.case.samples(batch))
        if not len(samples.step):
            return
        is_held = holds(self.case.rule.expect, self._running.running(samples.value))
        rows = len(is_held)
        after_last_held = rows - is_held[::-1].argmax(axis=0)
        begins = np.where(is_held.any(axis=0), after_last_held, 0)
        still_broken = ~is_held.any(axis=0) & (self._since >= 0)
        broken_again = ~still_broken & (begins < rows)
        row = np.minimum(begins, rows - 1)
        columns = np.arange(is_held.shape[1])
        self._since = np.where(
            still_broken, self._since, np.where(broken_again, samples.step[row], -1)
        )
        self._value = np.where(still_broken, self._value, samples.value[row, columns])

    def earliest(self) -> _Place:
        """The earliest offence among the columns that failed; the first column of several."""
        candidates = np.flatnonzero(self._columns & (self._since >= 0))
        column = int(candidates[self._since[candidates].argmin()])
        return _Place(
            step=int(self._since[column]), column=column, value=float(self._value[column])
        )


class _View:
    """Collects the samples around an offence, also those outside the window of the rule."""

    def __init__(self, case: StepCase, place: _Place) -> None:
        self.case, self._place = case, place
        self._before: list[Sample] = []
        self._after: list[Sample] = []
        self._epoch: int | None = None

    def feed(self, batch: StepBatch) -> None:
        samples = self.case.samples(batch)
        value = samples.value[:, self._place.column]
        is_before = samples.step < self._place.step
        self._before = (self._before + _pairs(samples.step[is_before], value[is_before]))[-_AROUND:]
        missing = _AROUND + 1 - len(self._after)
        self._after += _pairs(samples.step[~is_before][:missing], value[~is_before][:missing])
        at = np.flatnonzero(batch.step == self._place.step)
        if len(at):
            self._epoch = int(batch.epoch[at[0]])

    def offence(self) -> Offence:
        return Offence(
            step=self._place.step,
            epoch=self._epoch,
            variable=self.case.columns[self._place.column].variable,
            value=self._place.value,
            excerpt=(*self._before, *self._after),
        )


def _pairs(steps: Ints, values: Float64s) -> list[Sample]:
    keep = slice(-_AROUND - 1, None) if len(steps) > _AROUND else slice(None)
    return [
        Sample(step=step, value=value)
        for step, value in zip(steps[keep].tolist(), values[keep].tolist(), strict=True)
    ]
