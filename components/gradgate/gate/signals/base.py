"""What a signal is: a named number of a training that rules can speak about.

A `StepSignal` has a sample at every step (or every sampled step) and a column for the run or for
each variable. A `FactSignal` is known once: of the model, or of its exported weights.
"""

import dataclasses
from collections.abc import Callable
from typing import Literal

import numpy as np

from gradgate.contracts import ModelCard
from gradgate.gate.evidence import Bools, Evidence, Float32s, Float64s, Ints, StepBatch
from gradgate.gate.integrity.model import ModelCheck

EvidenceClass = Literal["reported", "recomputed"]


class Unmeasured(Exception):  # noqa: N818 - an answer, not an error: the rule is unknown
    """The signal was not measured; the message says why and what to do."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Column:
    """What one column of a signal is about: a variable, or the run as a whole (None)."""

    variable: str | None = None
    rank: int = 0


RUN = (Column(),)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Samples:
    """Samples of a signal, in the order of steps.

    Attributes:
        step: int64 [n].
        value: float64 [n, k], one column for the run, or one for each variable of the card.
    """

    step: Ints
    value: Float64s


@dataclasses.dataclass(frozen=True, kw_only=True)
class Facts:
    """A signal without steps: one value a column, float64 [k]."""

    columns: tuple[Column, ...]
    value: Float64s
    evidence: EvidenceClass = "reported"


def _always(evidence: Evidence) -> str:  # noqa: ARG001 - the shape of `unmeasured`
    return ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class StepSignal:
    """A signal with a sample a step.

    Attributes:
        noun: What a headline calls it.
        unit: Of one sample; empty for a number without one.
        what: What it is, in one sentence, with its formula.
        level: `run`, or `variable` at every step, or `variable-sampled` on the statistics rows.
        kind: `measure`, or `indicator` when a sample is 0 or 1.
        read: Takes the samples out of a batch; a variable without gradient has a column too.
        unmeasured: Why this training has no such signal; empty when it has.
    """

    name: str
    noun: str
    unit: str
    what: str
    source: str
    level: Literal["run", "variable", "variable-sampled"]
    kind: Literal["measure", "indicator"]
    read: Callable[[StepBatch, Evidence], Samples]
    unmeasured: Callable[[Evidence], str] = _always


@dataclasses.dataclass(frozen=True, kw_only=True)
class FactSignal:
    """A signal without steps.

    Attributes:
        level: `static` of the model or its variables, or `weights` of the exported model.
        per_variable: Whether it has a column a variable, so that a scope makes sense.
        facts: Gives the values, or raises `Unmeasured`.
    """

    name: str
    noun: str
    unit: str
    what: str
    source: str
    level: Literal["static", "weights"]
    per_variable: bool
    facts: Callable[[Evidence, ModelCheck | None], Facts]


Signal = StepSignal | FactSignal


def per_variable(signal: Signal) -> bool:
    """Whether the signal has a column for each variable, so that a scope makes sense."""
    if isinstance(signal, FactSignal):
        return signal.per_variable
    return signal.level != "run"


def columns_of(card: ModelCard) -> tuple[Column, ...]:
    """A column for each variable of the card, in its order."""
    return tuple(Column(variable=v.path, rank=len(v.shape)) for v in card.variables)


def of_run(batch: StepBatch, values: Float32s | Bools, *, keep: Bools | None = None) -> Samples:
    """Samples of a per-step series [n], at the steps to keep (all when None)."""
    column = np.asarray(values, dtype=np.float64)[:, np.newaxis]
    if keep is None:
        return Samples(step=batch.step, value=column)
    return Samples(step=batch.step[keep], value=column[keep])


def of_statistics(batch: StepBatch, values: Float32s) -> Samples:
    """Samples of a statistics field [m, v], at the sampled steps that were applied.

    Raises:
        ValueError: If a sampled step is not among the steps of its batch.
    """
    sampled = batch.statistics.step
    row = np.searchsorted(batch.step, sampled)
    if len(sampled) and (row.max() >= len(batch.step) or (batch.step[row] != sampled).any()):
        raise ValueError("The record has statistics of a step that it does not have.")
    keep = batch.applied[row]
    return Samples(step=sampled[keep], value=np.asarray(values[keep], dtype=np.float64))
