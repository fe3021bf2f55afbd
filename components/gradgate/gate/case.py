"""One rule while it is asked: which columns and steps it looks at, and what it has seen so far."""

import dataclasses

import numpy as np

from gradgate.contracts import Rule
from gradgate.gate.aggregates import Accumulator, accumulator
from gradgate.gate.evidence import Bools, Evidence, Float64s, Ints, StepBatch
from gradgate.gate.globs import matches_any
from gradgate.gate.integrity.model import ModelCheck
from gradgate.gate.signals import (
    CATALOGUE,
    Column,
    FactSignal,
    Samples,
    Signal,
    StepSignal,
    Unmeasured,
    per_variable,
)
from gradgate.gate.signals.base import RUN, EvidenceClass, columns_of
from gradgate.gate.window import Steps, resolve
from gradgate.gate.wording import counted


@dataclasses.dataclass(frozen=True, kw_only=True)
class Measured:
    """What a rule saw: one value a column, float64 [k], each of so many samples."""

    columns: tuple[Column, ...]
    value: Float64s
    samples: int
    evidence: EvidenceClass = "reported"


class StepCase:
    """A rule on a signal that has a sample a step."""

    def __init__(self, rule: Rule, signal: StepSignal, evidence: Evidence, *, stop: int) -> None:
        """Opens the case.

        Raises:
            Unmeasured: If this training has no such signal, or no variable is in scope.
        """
        reason = signal.unmeasured(evidence)
        if reason:
            raise Unmeasured(reason)
        self.rule, self.signal, self._evidence = rule, signal, evidence
        self.steps: Steps = resolve(rule.window, planned=evidence.manifest.planned_steps, stop=stop)
        self.columns, self._index = _columns(rule, signal, evidence)
        self._seen = self.fresh()

    def fresh(self) -> Accumulator:
        """Returns an empty accumulator for the columns of this case."""
        return accumulator(self.rule.aggregate, columns=len(self.columns))

    def feed(self, batch: StepBatch) -> None:
        """Takes in the samples of a batch."""
        self._seen.update(self.inside(self.samples(batch)).value)

    def samples(self, batch: StepBatch) -> Samples:
        """Returns the samples of a batch, of the columns in scope."""
        samples = self.signal.read(batch, self._evidence)
        return Samples(step=samples.step, value=samples.value[:, self._index])

    def inside(self, samples: Samples) -> Samples:
        """Returns the samples within the window."""
        keep = (samples.step >= self.steps.start) & (samples.step < self.steps.stop)
        return Samples(step=samples.step[keep], value=samples.value[keep])

    def measured(self, *, min_samples: int) -> Measured:
        """Returns what was seen.

        Raises:
            Unmeasured: If there were too few samples.
        """
        count = self._seen.samples
        if count < min_samples:
            window = f"steps {self.steps.start} to before {self.steps.stop}"
            raise Unmeasured(
                f"{counted(count, 'sample')} of {self.signal.name} in {window}, and at least"
                f" {min_samples} are needed{self._remedy()}"
            )
        return Measured(columns=self.columns, value=self._seen.value(), samples=count)

    def _remedy(self) -> str:
        """What gives more samples: only those of the statistics rows can be asked for."""
        if self.signal.level != "variable-sampled":
            return ""
        every = self._evidence.card.statistics_every
        if every == 1:
            return "; train for more steps, every one is sampled already"
        less = f"below {every}, or train for more steps" if every else "to 1 or more, 0 is never"
        return f"; set statistics_every of gradgate.instrument or gradgate.GuardSettings {less}"


class FactCase:
    """A rule on a signal that is known once."""

    def __init__(
        self, rule: Rule, signal: FactSignal, evidence: Evidence, model: ModelCheck | None
    ) -> None:
        """Opens the case.

        Raises:
            Unmeasured: If the signal is not known, or no variable is in scope.
        """
        self.rule, self.signal = rule, signal
        facts = signal.facts(evidence, model)
        keep = np.arange(len(facts.columns))
        if signal.per_variable:
            keep = _in_scope(rule, facts.columns, np.ones(len(facts.columns), dtype=bool))
        seen = accumulator(rule.aggregate, columns=len(keep))
        seen.update(facts.value[np.newaxis, keep])
        self._measured = Measured(
            columns=tuple(facts.columns[i] for i in keep),
            value=seen.value(),
            samples=1,
            evidence=facts.evidence,
        )

    def measured(self, *, min_samples: int) -> Measured:  # noqa: ARG002 - it is known, once
        """Returns what is known; a fact has no steps, so no fewest number of them."""
        return self._measured


Case = StepCase | FactCase


def open_case(rule: Rule, evidence: Evidence, model: ModelCheck | None, *, stop: int) -> Case:
    """Opens the case of a rule.

    Raises:
        Unmeasured: If there is nothing to look at.
        KeyError: If the catalogue has no such signal; the loader of policies sees to it.
    """
    signal = CATALOGUE[rule.signal]
    if isinstance(signal, FactSignal):
        return FactCase(rule, signal, evidence, model)
    return StepCase(rule, signal, evidence, stop=stop)


def _columns(rule: Rule, signal: Signal, evidence: Evidence) -> tuple[tuple[Column, ...], Ints]:
    if not per_variable(signal):
        return RUN, np.array([0])
    columns = columns_of(evidence.card)
    has_gradient = np.array([v.has_gradient for v in evidence.card.variables], dtype=bool)
    index = _in_scope(rule, columns, has_gradient)
    return tuple(columns[i] for i in index), index


def _in_scope(rule: Rule, columns: tuple[Column, ...], candidates: Bools) -> Ints:
    scope = rule.scope
    index = [
        i
        for i, column in enumerate(columns)
        if candidates[i]
        and column.rank >= scope.min_rank
        and matches_any(scope.include, column.variable or "")
        and not matches_any(scope.exclude, column.variable or "")
    ]
    if not index:
        raise Unmeasured(
            f"none of {len(columns)} variables is in scope (include {', '.join(scope.include)};"
            f" exclude {', '.join(scope.exclude) or 'none'}; min_rank {scope.min_rank}) and has a"
            " gradient"
        )
    return np.array(index)
