"""Magnitudes of one variable's gradient, on the sampled steps that were applied."""

from gradgate.gate.evidence import Evidence, StepBatch
from gradgate.gate.signals.base import Samples, StepSignal, of_statistics


def _mean_abs(batch: StepBatch, evidence: Evidence) -> Samples:  # noqa: ARG001
    return of_statistics(batch, batch.statistics.mean_abs)


def _max_abs(batch: StepBatch, evidence: Evidence) -> Samples:  # noqa: ARG001
    return of_statistics(batch, batch.statistics.max_abs)


def _zero_fraction(batch: StepBatch, evidence: Evidence) -> Samples:  # noqa: ARG001
    return of_statistics(batch, batch.statistics.zero_fraction)


VARIABLE_MEAN_ABS = StepSignal(
    name="variable.mean_abs",
    noun="mean |g|",
    unit="",
    what="Mean of |g| over the entries of the variable's gradient.",
    source="signals 9",
    level="variable-sampled",
    kind="measure",
    read=_mean_abs,
)
VARIABLE_MAX_ABS = StepSignal(
    name="variable.max_abs",
    noun="max |g|",
    unit="",
    what="Greatest |g| among the entries of the variable's gradient.",
    source="signals 11",
    level="variable-sampled",
    kind="measure",
    read=_max_abs,
)
VARIABLE_ZERO_FRACTION = StepSignal(
    name="variable.zero_fraction",
    noun="fraction of zero gradients",
    unit="of entries",
    what="Fraction of the entries of the variable's gradient that are exactly 0.",
    source="signals 18, 27",
    level="variable-sampled",
    kind="measure",
    read=_zero_fraction,
)
