"""Where a failing rule was broken for good, and what the signal looked like around it.

The first offence is the first step from which on the rule, asked of the steps so far, never held
again until the end of its window; where some variables may fail, the step at which one too many had
stopped to hold for good. It is looked for only when a rule has failed: one more pass
over the steps for all failing rules together, and one for what surrounds the offences.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from gradgate.contracts.verdict import Offence, Sample
from gradgate.gate.case import StepCase, part_of
from gradgate.gate.compare import holds
from gradgate.gate.evidence import Bools, Evidence, Float64s, Ints, StepBatch
from gradgate.gate.outcome import Outcome
from gradgate.gate.signals import Samples

_AROUND = 20


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Place:
    step: int
    column: int
    value: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Failed:
    """A rule that failed.

    Attributes:
        columns: bool [k], those that it failed by.
        hopeless: bool [k], those of them that alone are enough.
        may_fail: How many others may fail.
    """

    case: StepCase
    columns: Bools
    hopeless: Bools
    may_fail: int

    @classmethod
    def of(cls, case: StepCase, outcome: Outcome) -> "Failed":
        """The failure that an outcome is."""
        return cls(
            case=case,
            columns=outcome.blamed,
            hopeless=outcome.hopeless,
            may_fail=outcome.may_fail,
        )


def first_offences(failed: Sequence[Failed], evidence: Evidence) -> list[Offence]:
    """Returns the earliest offence of each failing rule, in the same order.

    Args:
        failed: The failing rules.
        evidence: Gives the steps once more, and once again if a rule failed on them.
    """
    searches = [_Search(found) for found in failed]
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

    def __init__(self, failed: Failed) -> None:
        self.case = case = failed.case
        self._failed = failed
        self._read = case.reading()
        self._parts = [(part, _Since(case, part)) for part in case.parts]

    def feed(self, batch: StepBatch) -> None:
        samples = self.case.inside(self._read(batch))
        for part, since in self._parts:
            since.feed(part_of(samples, part))

    def earliest(self) -> _Place:
        """The step at which one column too many had failed; the first column of several."""
        steps = np.concatenate([since.step for _, since in self._parts])
        values = np.concatenate([since.value for _, since in self._parts])
        failed = self._failed
        candidates = np.flatnonzero(failed.columns & (steps >= 0))
        in_order = candidates[np.argsort(steps[candidates], kind="stable")]
        column = int(in_order[min(failed.may_fail, len(in_order) - 1)])
        hopeless = [int(place) for place in in_order if failed.hopeless[place]]
        if hopeless and (steps[hopeless[0]], hopeless[0]) < (steps[column], column):
            column = hopeless[0]
        return _Place(step=int(steps[column]), column=column, value=float(values[column]))


class _Since:
    """Some columns of a case that have their samples at the same steps.

    Attributes:
        step: int64 [k], the step since which the rule has not held; -1 where it holds.
        value: float64 [k], the signal there.
    """

    def __init__(self, case: StepCase, part: slice) -> None:
        width = part.stop - part.start
        self._expect, self._relation, self._part = case.rule.expect, case.relation, part
        self._running = case.fresh(part)
        self.step: Ints = np.full(width, -1)
        self.value: Float64s = np.zeros(width)

    def feed(self, samples: Samples) -> None:
        if not len(samples.step):
            return
        running = self._running.running(samples.value)
        if self._relation is not None:
            running = self._relation.compared(running, self._part)
        is_held = holds(self._expect, running)
        rows = len(is_held)
        after_last_held = rows - is_held[::-1].argmax(axis=0)
        begins = np.where(is_held.any(axis=0), after_last_held, 0)
        still_broken = ~is_held.any(axis=0) & (self.step >= 0)
        broken_again = ~still_broken & (begins < rows)
        row = np.minimum(begins, rows - 1)
        columns = np.arange(is_held.shape[1])
        self.step = np.where(still_broken, self.step, np.where(broken_again, samples.step[row], -1))
        self.value = np.where(still_broken, self.value, samples.value[row, columns])


class _View:
    """Collects the samples around an offence, also those outside the window of the rule."""

    def __init__(self, case: StepCase, place: _Place) -> None:
        self.case, self._place = case, place
        self._read = case.reading()
        self._before: list[Sample] = []
        self._after: list[Sample] = []
        self._epoch: int | None = None

    def feed(self, batch: StepBatch) -> None:
        column = self._place.column
        samples = part_of(self._read(batch), slice(column, column + 1))
        value = samples.value[:, 0]
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
