"""The loss scale of mixed precision, and the steps that were left out since it was too great.

A few are how it finds its scale; many mean that it finds none, as DeepSpeed says of a scale at
its minimum.
"""

import numpy as np

from gradgate.gate.evidence import Evidence, StepBatch
from gradgate.gate.integrity.model import ModelCheck
from gradgate.gate.signals.base import (
    FRACTION,
    NOT_NEGATIVE,
    RUN,
    Facts,
    FactSignal,
    Samples,
    StepSignal,
    Unmeasured,
    memoryless,
    of_run,
)


def _skipped(evidence: Evidence, model: ModelCheck | None) -> Facts:  # noqa: ARG001
    """Without loss scaling no step can be left out so, and the fraction is 0."""
    manifest = evidence.manifest
    tried = manifest.observed_steps + manifest.loss_scale_skips
    if not evidence.card.variables or not tried:
        raise Unmeasured(
            "the record names no trainable variable, or no step; was the model instrumented?"
        )
    return Facts(columns=RUN, value=np.array([manifest.loss_scale_skips / tried]))


def _unmeasured(evidence: Evidence) -> str:
    if evidence.card.loss_scaled:
        return ""
    return "this training does not scale its loss; leave out this rule"


def _scale(batch: StepBatch, evidence: Evidence) -> Samples:  # noqa: ARG001
    if batch.loss_scale is None:
        return Samples(step=batch.step[:0], value=np.empty((0, 1)))
    return of_run(batch, batch.loss_scale, keep=batch.applied)


LOSS_SCALE_SKIPPED = FactSignal(
    name="loss_scale.skipped",
    noun="steps left out by the loss scale",
    unit="of steps that were tried",
    what="Steps that a loss-scale optimizer left out, over all that were tried; 0 without one.",
    source="signals 4",
    level="run",
    per_variable=False,
    facts=_skipped,
    bounds=FRACTION,
)
LOSS_SCALE_VALUE = StepSignal(
    name="loss_scale.value",
    noun="loss scale",
    unit="",
    what="What the loss was multiplied by, of the steps that were applied; at its minimum, as 1,"
    " the scale has nowhere left to fall.",
    source="signals 4; DeepSpeed, min_loss_scale",
    level="run",
    kind="measure",
    reader=memoryless(_scale),
    unmeasured=_unmeasured,
    remedy="a record of an older gradgate does not hold it",
    bounds=NOT_NEGATIVE,
)
