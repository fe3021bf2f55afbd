"""What a signal is: a named number of a training that rules can speak about.

A `StepSignal` has a sample at every step (or every sampled step) and a column for the run, for
each variable, or for each layer. A `FactSignal` is known once: of the model, of its exported
weights, or of the run.
"""

import dataclasses
import math
from collections.abc import Callable
from typing import Final, Literal

import numpy as np

from gradgate.contracts import ModelCard
from gradgate.gate.evidence import Bools, Evidence, Float32s, Float64s, Ints, StepBatch
from gradgate.gate.integrity.model import ModelCheck

EvidenceClass = Literal["reported", "recomputed"]
NOT_NEGATIVE: Final = (0.0, math.inf)
FRACTION: Final = (0.0, 1.0)
ANY_NUMBER: Final = (-math.inf, math.inf)


class Unmeasured(Exception):  # noqa: N818 - an answer, not an error: the rule is unknown
    """The signal was not measured; the message says why and what to do."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Column:
    """What one column of a signal is about: a variable, a layer, a replica; None is the run."""

    variable: str | None = None
    rank: int = 0


RUN = (Column(),)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Samples:
    """Samples of a signal, in the order of steps.

    Attributes:
        step: int64 [n].
        value: float64 [n, k], one column for the run, or one for each variable, layer or replica
            of the card.
        measured: bool [n, k], False where there is no sample; of signals that `has_gaps`. None
            when there is one everywhere.
    """

    step: Ints
    value: Float64s
    measured: Bools | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Facts:
    """A signal without steps: one value a column, float64 [k]."""

    columns: tuple[Column, ...]
    value: Float64s
    evidence: EvidenceClass = "reported"


Read = Callable[[StepBatch, Evidence], Samples]
"""Takes the samples out of a batch; a variable without a gradient has a column too."""

Level = Literal["run", "run-sampled", "variable", "variable-sampled", "layer", "replica"]


class Memoryless:
    """The reader of a signal whose samples need nothing but their own batch."""

    def __init__(self, read: Read) -> None:
        self._read = read

    def __call__(self) -> Read:
        """Returns what reads, every time the same."""
        return self._read


def memoryless(read: Read) -> Callable[[], Read]:
    """The reader of a signal whose samples need nothing but their own batch."""
    return Memoryless(read)


def _nothing(evidence: Evidence) -> str:  # noqa: ARG001 - the shape of `unmeasured` and `remark`
    return ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class StepSignal:
    """A signal with a sample a step.

    Attributes:
        noun: What a headline calls it.
        unit: Of one sample; empty for a number without one.
        what: What it is, in one sentence, with its formula.
        level: `run` or `variable` at every step; `run-sampled` or `variable-sampled` on the
            statistics rows; `layer` at every look at the activations, and of a layer that never
            had a sample it says nothing; `replica` at every step, of each of several replicas.
        kind: `measure`, or `indicator` when a sample is 0 or 1.
        reader: Gives what reads one pass over the steps, from the first batch to the last: anew
            for each pass, since it may remember what came before.
        unmeasured: Why this training has no such signal; empty when it has.
        remedy: What makes a training measure it, said where there was no sample at all.
        remark: What must be known to read its numbers of this training; empty for nothing.
        has_gaps: Whether one column may lack a sample where another has one.
        bounds: Least and greatest finite number that a sample can be; 0 and 1 of an indicator.
    """

    name: str
    noun: str
    unit: str
    what: str
    source: str
    level: Level
    kind: Literal["measure", "indicator"]
    reader: Callable[[], Read]
    unmeasured: Callable[[Evidence], str] = _nothing
    remedy: str = ""
    remark: Callable[[Evidence], str] = _nothing
    has_gaps: bool = False
    bounds: tuple[float, float] = ANY_NUMBER

    @property
    def remembers(self) -> bool:
        """Whether its samples depend on earlier batches."""
        return not isinstance(self.reader, Memoryless)

    def __reduce__(self) -> tuple[Callable[[str], "Signal"], tuple[str]]:
        return _of_name, (self.name,)


@dataclasses.dataclass(frozen=True, kw_only=True)
class FactSignal:
    """A signal without steps.

    Attributes:
        level: `static` of the model or its variables, `weights` of the exported model, or `run`.
        per_variable: Whether it has a column a variable, so that a scope makes sense.
        facts: Gives the values, or raises `Unmeasured`.
        bounds: Least and greatest finite number that a value can be.
    """

    name: str
    noun: str
    unit: str
    what: str
    source: str
    level: Literal["static", "weights", "run"]
    per_variable: bool
    facts: Callable[[Evidence, ModelCheck | None], Facts]
    bounds: tuple[float, float] = ANY_NUMBER

    def __reduce__(self) -> tuple[Callable[[str], "Signal"], tuple[str]]:
        return _of_name, (self.name,)


Signal = StepSignal | FactSignal


def _of_name(name: str) -> Signal:
    """The signal of the catalogue: what is sent to another process is its name."""
    from gradgate.gate.signals import CATALOGUE

    return CATALOGUE[name]


def per_variable(signal: Signal) -> bool:
    """Whether the signal has more columns than one, so that a scope makes sense."""
    if isinstance(signal, FactSignal):
        return signal.per_variable
    return signal.level not in {"run", "run-sampled"}


def per_layer(signal: Signal) -> bool:
    """Whether its columns are the layers whose activations are looked at."""
    return isinstance(signal, StepSignal) and signal.level == "layer"


def per_replica(signal: Signal) -> bool:
    """Whether its columns are the replicas that the training ran on."""
    return isinstance(signal, StepSignal) and signal.level == "replica"


def columns_called(signal: Signal) -> str:
    """What its columns are, such as `variables`."""
    if per_layer(signal):
        return "layers"
    return "replicas" if per_replica(signal) else "variables"


def columns_of(card: ModelCard) -> tuple[Column, ...]:
    """A column for each variable of the card, in its order."""
    return tuple(Column(variable=v.path, rank=len(v.shape)) for v in card.variables)


def layers_of(card: ModelCard) -> tuple[Column, ...]:
    """A column for each layer whose activations are looked at, in the order of the card."""
    return tuple(Column(variable=layer.layer) for layer in card.activations)


def replicas_of(card: ModelCard) -> tuple[Column, ...]:
    """A column for each of several replicas, in the order of the record."""
    return tuple(Column(variable=name) for name in card.replicas_by_name)


def of_run(batch: StepBatch, values: Float32s | Bools, *, keep: Bools | None = None) -> Samples:
    """Samples of a per-step series [n], at the steps to keep (all when None)."""
    column = np.asarray(values, dtype=np.float64)[:, np.newaxis]
    if keep is None:
        return Samples(step=batch.step, value=column)
    return Samples(step=batch.step[keep], value=column[keep])


def of_statistics(
    batch: StepBatch, values: Float32s | None, *, measured: Bools | None = None
) -> Samples:
    """Samples of a statistics field [m, v], at the sampled steps that were applied.

    Args:
        batch: Holds the sampled steps.
        values: None when it was not measured, which gives no sample.
        measured: bool [m, v], False where there is no sample.

    Raises:
        ValueError: If a sampled step is not among the steps of its batch.
    """
    keep = _applied(batch)
    if values is None:
        return Samples(step=batch.step[:0], value=np.empty((0, batch.norms.shape[1])))
    return Samples(
        step=batch.statistics.step[keep],
        value=np.asarray(values[keep], dtype=np.float64),
        measured=None if measured is None else measured[keep],
    )


def of_sampled_run(batch: StepBatch, values: Float32s | Float64s | None) -> Samples:
    """Samples of a statistics field [m] of the run, as `of_statistics` gives them."""
    keep = _applied(batch)
    if values is None:
        return Samples(step=batch.step[:0], value=np.empty((0, 1)))
    column = np.asarray(values[keep], dtype=np.float64)[:, np.newaxis]
    return Samples(step=batch.statistics.step[keep], value=column)


def without_nan(samples: Samples) -> Samples:
    """Leaves out the steps at which NaN says that nothing was measured, of a signal of the run."""
    keep = ~np.isnan(samples.value[:, 0])
    return Samples(step=samples.step[keep], value=samples.value[keep])


def _applied(batch: StepBatch) -> Bools:
    """Which of the sampled steps were applied, bool [m]."""
    sampled = batch.statistics.step
    row = np.searchsorted(batch.step, sampled)
    if len(sampled) and (row.max() >= len(batch.step) or (batch.step[row] != sampled).any()):
        raise ValueError("The record has statistics of a step that it does not have.")
    applied: Bools = batch.applied[row]
    return applied
