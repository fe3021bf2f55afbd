"""How far a step moves each variable, and how large the variable is; on sampled steps.

Source: CS231n notes, https://cs231n.github.io/neural-networks-3/#ratio: about 1e-3 is healthy.
"""

from gradgate.gate.evidence import Evidence, StepBatch
from gradgate.gate.signals.base import Samples, StepSignal, memoryless, of_statistics

_REMEDY = "a record of an older gradgate does not hold it"


def _update_ratio(batch: StepBatch, evidence: Evidence) -> Samples:  # noqa: ARG001
    """A variable that is 0, as most biases are at first, has no ratio: that is no sample.

    Any other NaN of an applied step is one, of weights or of an update that are not finite.
    """
    sampled = batch.statistics
    measured = None if sampled.weight_norm is None else sampled.weight_norm != 0
    return of_statistics(batch, sampled.update_ratio, measured=measured)


def _weight_norm(batch: StepBatch, evidence: Evidence) -> Samples:  # noqa: ARG001
    return of_statistics(batch, batch.statistics.weight_norm)


VARIABLE_UPDATE_RATIO = StepSignal(
    name="variable.update_ratio",
    noun="update-to-weight ratio",
    unit="",
    what="L2 norm of the update over that of the variable before it; none where that is 0.",
    source="signals 20",
    level="variable-sampled",
    kind="measure",
    reader=memoryless(_update_ratio),
    remedy=_REMEDY,
    has_gaps=True,
)
VARIABLE_WEIGHT_NORM = StepSignal(
    name="variable.weight_norm",
    noun="weight norm",
    unit="",
    what="L2 norm of the variable before the step.",
    source="signals 26",
    level="variable-sampled",
    kind="measure",
    reader=memoryless(_weight_norm),
    remedy=_REMEDY,
)
