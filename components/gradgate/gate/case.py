"""One rule while it is asked: which columns and steps it looks at, and what it has seen so far."""

import dataclasses
import functools
import itertools
from collections.abc import Callable

import numpy as np

from gradgate.contracts import Rule
from gradgate.gate.aggregates import Accumulator, accumulator
from gradgate.gate.aggregates.seen import Seen
from gradgate.gate.baseline.raw_limits import raw_limits
from gradgate.gate.baseline.relation import Relation
from gradgate.gate.compare import Expected
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
    columns_called,
    per_layer,
    per_replica,
    per_variable,
)
from gradgate.gate.signals.base import RUN, EvidenceClass, columns_of, layers_of, replicas_of
from gradgate.gate.window import Steps, resolve
from gradgate.gate.wording import counted


@dataclasses.dataclass(frozen=True, kw_only=True)
class Measured:
    """What a rule saw: one value a column, float64 [k], each of so many samples, int64 [k].

    Attributes:
        relation: What the values are compared with; None where the rule speaks of them alone.
    """

    columns: tuple[Column, ...]
    value: Float64s
    samples: Ints
    evidence: EvidenceClass = "reported"
    relation: Relation | None = None

    @functools.cached_property
    def compared(self) -> Float64s:
        """What the rule expects something of, float64 [k]: the values, or how far they are off."""
        return self.value if self.relation is None else self.relation.compared(self.value)

    def against(self, relation: Relation, keep: Bools) -> "Measured":
        """The columns to keep, compared with something."""
        return Measured(
            columns=tuple(itertools.compress(self.columns, keep)),
            value=self.value[keep],
            samples=self.samples[keep],
            evidence=self.evidence,
            relation=relation,
        )


class StepCase:
    """A rule on a signal that has a sample a step.

    Attributes:
        columns: What is in scope.
        parts: Stretches of `columns` that are accumulated together: all at once, or one by one
            where each has samples of its own.
        seen: What is accumulated in this pass over the steps.
        relation: What the columns are compared with; None where the rule speaks of them alone.
    """

    relation: Relation | None = None

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
        self.parts = self._parts()
        self._accumulators = [self._fresh(part) for part in self.parts]
        self.seen = Seen(self._accumulators)
        self._read: Callable[[StepBatch], Samples] | None = None

    def __getstate__(self) -> dict[str, object]:
        """Without what reads a pass: each process begins one of its own."""
        return {**self.__dict__, "_read": None}

    def _parts(self) -> tuple[slice, ...]:
        columns = len(self.columns)
        width = 1 if self.signal.has_gaps else columns
        return tuple(slice(at, at + width) for at in range(0, columns, width))

    def _fresh(self, part: slice) -> Accumulator:
        columns = part.stop - part.start
        return accumulator(self.rule.aggregate, columns=columns, of_columns=len(self.columns))

    def reading(self) -> Callable[[StepBatch], Samples]:
        """Returns what gives the samples in scope, batch after batch of one pass over the steps."""
        read = self.signal.reader()

        def samples(batch: StepBatch) -> Samples:
            found = read(batch, self._evidence)
            if len(self._index) == found.value.shape[1]:
                return found
            measured = None if found.measured is None else found.measured[:, self._index]
            return Samples(step=found.step, value=found.value[:, self._index], measured=measured)

        return samples

    def feed(self, batch: StepBatch) -> None:
        """Takes in the samples of a batch."""
        if self._read is None:
            self._read = self.reading()
        samples = self.inside(self._read(batch))
        looking = {id(each) for each in self.seen.accumulators}
        for part, each in zip(self.parts, self._accumulators, strict=True):
            if id(each) in looking:
                each.update(part_of(samples, part).value)

    def again(self) -> bool:
        """Whether it must see all steps once more before anything is known; it is then ready."""
        self._read = None
        return self.seen.again()

    def inside(self, samples: Samples) -> Samples:
        """Returns the samples within the window."""
        keep = (samples.step >= self.steps.start) & (samples.step < self.steps.stop)
        if keep.all():
            return samples
        measured = None if samples.measured is None else samples.measured[keep]
        return Samples(step=samples.step[keep], value=samples.value[keep], measured=measured)

    def measured(self, *, min_samples: int) -> Measured:
        """Returns what was seen.

        Raises:
            Unmeasured: If there were too few samples.
        """
        if per_layer(self.signal):
            self._leave_out_what_has_none()
        widths = [part.stop - part.start for part in self.parts]
        counts: Ints = np.repeat([seen.samples for seen in self._accumulators], widths)
        least = int(counts.argmin())
        if counts[least] < min_samples:
            of = f" for {self.columns[least].variable}" if self.signal.has_gaps else ""
            window = f"steps {self.steps.start} to before {self.steps.stop}"
            raise Unmeasured(
                f"{counted(int(counts[least]), 'sample')} of {self.signal.name}{of} in {window},"
                f" and at least {min_samples} are needed{self._remedy(int(counts[least]))}"
            )
        value = np.concatenate([seen.value() for seen in self._accumulators])
        return Measured(columns=self.columns, value=value, samples=counts)

    def _leave_out_what_has_none(self) -> None:
        """Leaves out the layers that never had a sample, unless that would be all of them."""
        # A part is one layer, since it has gaps.
        has = [bool(seen.samples) for seen in self._accumulators]
        if any(has):
            self.columns = tuple(itertools.compress(self.columns, has))
            self._index = self._index[has]
            self._accumulators = list(itertools.compress(self._accumulators, has))
            self.parts = self._parts()

    def relate(self, relation: Relation, keep: Bools) -> None:
        """Keeps the columns that can be compared with something, after they were measured."""
        self.relation = relation
        self.columns = tuple(itertools.compress(self.columns, keep))
        self._index = self._index[keep]
        self.parts = self._parts()

    def expected(self, part: slice) -> Expected:
        """What is expected of the aggregates of some columns, also where these are compared."""
        if self.relation is None:
            return self.rule.expect
        return raw_limits(self.rule.expect, self.relation, part)

    def _remedy(self, count: int) -> str:
        """What gives more samples: only those that are taken now and then can be asked for."""
        remedy = f"; {self.signal.remedy}" if self.signal.remedy and not count else ""
        if self.signal.level not in {"variable-sampled", "run-sampled"}:
            return remedy
        every = self._evidence.card.statistics_every
        if every == 1:
            return f"{remedy}; train for more steps, every one is sampled already"
        less = f"below {every}, or train for more steps" if every else "to 1 or more, 0 is never"
        setting = "set statistics_every of gradgate.instrument or gradgate.GuardSettings"
        return f"{remedy}; {setting} {less}"


def part_of(samples: Samples, part: slice) -> Samples:
    """Returns the samples of some columns: those steps at which all of them have one."""
    value = samples.value[:, part]
    if samples.measured is None:
        return Samples(step=samples.step, value=value)
    keep = samples.measured[:, part].all(axis=1)
    return Samples(step=samples.step[keep], value=value[keep])


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
            keep = _in_scope(rule, facts.columns, np.ones(len(facts.columns), dtype=bool), signal)
        seen = accumulator(rule.aggregate, columns=len(keep))
        seen.update(facts.value[np.newaxis, keep])
        self._measured = Measured(
            columns=tuple(facts.columns[i] for i in keep),
            value=seen.value(),
            samples=np.ones(len(keep), dtype=np.int64),
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


def _columns(rule: Rule, signal: StepSignal, evidence: Evidence) -> tuple[tuple[Column, ...], Ints]:
    """The columns in scope, and their places in the samples."""
    if not per_variable(signal):
        return RUN, np.array([0])
    card = evidence.card
    if per_layer(signal) or per_replica(signal):
        columns = layers_of(card) if per_layer(signal) else replicas_of(card)
        is_candidate = np.ones(len(columns), dtype=bool)
    else:
        columns = columns_of(card)
        is_candidate = np.array([v.has_gradient for v in card.variables], dtype=bool)
    index = _in_scope(rule, columns, is_candidate, signal)
    return tuple(columns[i] for i in index), index


def _in_scope(rule: Rule, columns: tuple[Column, ...], candidates: Bools, signal: Signal) -> Ints:
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
        noun = columns_called(signal)
        raise Unmeasured(
            f"none of {len(columns)} {noun} is in scope (include {', '.join(scope.include)};"
            f" exclude {', '.join(scope.exclude) or 'none'}; min_rank {scope.min_rank})"
            + (" and has a gradient" if noun == "variables" else "")
        )
    return np.array(index)
