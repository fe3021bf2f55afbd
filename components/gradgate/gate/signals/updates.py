"""How far a step moves each variable, and how large the variable is; on sampled steps.

Source: CS231n notes, https://cs231n.github.io/neural-networks-3/#ratio: about 1e-3 is healthy.
"""

import numpy as np

from gradgate.gate.evidence import Evidence, Float64s, StepBatch
from gradgate.gate.signals.base import (
    NOT_NEGATIVE,
    Read,
    Samples,
    StepSignal,
    memoryless,
    of_statistics,
)

_REMEDY = "a record of an older gradgate does not hold it"


def _update_ratio(batch: StepBatch, evidence: Evidence) -> Samples:  # noqa: ARG001
    """A variable that is 0, as most biases are at first, has no ratio: that is no sample.

    Any other NaN of an applied step is one, of weights or of an update that are not finite.
    """
    sampled = batch.statistics
    measured = None if sampled.weight_norm is None else sampled.weight_norm != 0
    return of_statistics(batch, sampled.update_ratio, measured=measured)


def _adam_rms(batch: StepBatch, evidence: Evidence) -> Samples:  # noqa: ARG001
    return of_statistics(batch, batch.statistics.adam_rms)


def _weight_norm(batch: StepBatch, evidence: Evidence) -> Samples:  # noqa: ARG001
    return of_statistics(batch, batch.statistics.weight_norm)


def _weight_growth() -> Read:
    first: list[Float64s] = []

    def read(batch: StepBatch, evidence: Evidence) -> Samples:  # noqa: ARG001
        norms = of_statistics(batch, batch.statistics.weight_norm)
        if len(norms.step) and not first:
            first.append(norms.value[0])
        start = first[0] if first else np.ones(norms.value.shape[1])
        is_measured = np.broadcast_to(start != 0, norms.value.shape)
        growth = norms.value / np.where(start != 0, start, 1.0)
        return Samples(step=norms.step, value=growth, measured=is_measured)

    return read


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
    bounds=NOT_NEGATIVE,
)
VARIABLE_ADAM_RMS = StepSignal(
    name="variable.adam_rms",
    noun="gradient by Adam's second moment",
    unit="",
    what="sqrt(mean(g^2 / max(v, epsilon^2))) of the variable's gradient after the clips, v being"
    " Adam's second moment after the step, without its bias; 1 where squares are what they were.",
    source="signals 21; StableAdamW, https://arxiv.org/abs/2304.13013",
    level="variable-sampled",
    kind="measure",
    reader=memoryless(_adam_rms),
    remedy=f"of Adam, AdamW, Nadam and Lamb alone, and {_REMEDY}",
    bounds=NOT_NEGATIVE,
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
    bounds=NOT_NEGATIVE,
)
VARIABLE_WEIGHT_GROWTH = StepSignal(
    name="variable.weight_growth",
    noun="growth of the weight norm",
    unit="of the norm at the first sampled step",
    what="L2 norm of the variable before the step over that at the first sampled step; none of a"
    " variable that was 0 then.",
    source="signals 26",
    level="variable-sampled",
    kind="measure",
    reader=_weight_growth,
    remedy=_REMEDY,
    has_gaps=True,
    bounds=NOT_NEGATIVE,
)
