"""The training loss, its non-finite values, and how it stands to a constant predictor.

Source of the last: signals 16b, "no better than a constant" explains a run without any gradient.
"""

import math

import numpy as np

from gradgate.gate.evidence import Evidence, StepBatch
from gradgate.gate.signals.base import Samples, StepSignal, memoryless, of_run


def loss_unmeasured(evidence: Evidence) -> str:
    """Why the loss was not measured; empty when it was."""
    if evidence.card.loss_measured:
        return ""
    return (
        "the training loop never showed its loss; train by `model.fit`, call"
        " `optimizer.scale_loss`, or call `guard.observe_loss(loss)` in the step"
    )


def _unmeasured_against_constant(evidence: Evidence) -> str:
    constant = evidence.summary.constant_loss
    if not evidence.card.loss_measured or (
        constant is not None and math.isfinite(constant) and constant > 0
    ):
        return loss_unmeasured(evidence)
    got = "was not measured" if constant is None else f"is {constant:g}"
    return (
        f"the loss of the best constant predictor {got}, so there is nothing to compare with;"
        " it is known for cross-entropy and squared error; else give it as"
        " gradgate.instrument(..., constant_loss=...), or leave out this rule"
    )


def _loss(batch: StepBatch, evidence: Evidence) -> Samples:  # noqa: ARG001
    return of_run(batch, batch.loss, keep=batch.applied)


def _nonfinite(batch: StepBatch, evidence: Evidence) -> Samples:  # noqa: ARG001
    return of_run(batch, ~np.isfinite(batch.loss))


def _nonfinite_applied(batch: StepBatch, evidence: Evidence) -> Samples:  # noqa: ARG001
    return of_run(batch, ~np.isfinite(batch.loss), keep=batch.applied)


def _vs_constant(batch: StepBatch, evidence: Evidence) -> Samples:
    constant = evidence.summary.constant_loss
    assert constant is not None  # else unmeasured, and never read
    samples = of_run(batch, batch.loss, keep=batch.applied)
    return Samples(step=samples.step, value=samples.value / constant)


LOSS = StepSignal(
    name="loss",
    noun="loss",
    unit="",
    what="Training loss of the batch, of the steps that were applied.",
    source="signals 14 to 16",
    level="run",
    kind="measure",
    reader=memoryless(_loss),
    unmeasured=loss_unmeasured,
)
LOSS_NONFINITE = StepSignal(
    name="loss.nonfinite",
    noun="non-finite loss",
    unit="",
    what="1 where the loss is NaN or infinite, else 0; of all steps.",
    source="signals 1",
    level="run",
    kind="indicator",
    reader=memoryless(_nonfinite),
    unmeasured=loss_unmeasured,
)
LOSS_NONFINITE_APPLIED = StepSignal(
    name="loss.nonfinite_applied",
    noun="non-finite loss on an applied step",
    unit="",
    what="1 where the loss is NaN or infinite, else 0; of the steps that were applied.",
    source="signals 1",
    level="run",
    kind="indicator",
    reader=memoryless(_nonfinite_applied),
    unmeasured=loss_unmeasured,
)
LOSS_VS_CONSTANT = StepSignal(
    name="loss.vs_constant",
    noun="loss against a constant predictor",
    unit="of the best constant predictor's loss",
    what="Loss over the loss of the best constant predictor, which is 1; applied steps.",
    source="signals 16b",
    level="run",
    kind="measure",
    reader=memoryless(_vs_constant),
    unmeasured=_unmeasured_against_constant,
)
