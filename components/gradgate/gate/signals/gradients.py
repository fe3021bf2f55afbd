"""Norms of the aggregated gradient before any clip, and whether it was finite.

The norms are overflow-safe, so one that is not finite means a gradient that holds a NaN or an
infinity; magnitudes are judged on the steps that were applied.
"""

import numpy as np

from gradgate.gate.evidence import Evidence, StepBatch
from gradgate.gate.signals.base import (
    FRACTION,
    NOT_NEGATIVE,
    Samples,
    StepSignal,
    memoryless,
    of_run,
)


def _norm(batch: StepBatch, evidence: Evidence) -> Samples:  # noqa: ARG001
    keep = batch.applied
    return Samples(step=batch.step[keep], value=np.asarray(batch.norms[keep], dtype=np.float64))


def _global_norm(batch: StepBatch, evidence: Evidence) -> Samples:  # noqa: ARG001
    return of_run(batch, batch.global_norm, keep=batch.applied)


def _norm_share(batch: StepBatch, evidence: Evidence) -> Samples:  # noqa: ARG001
    """Norms are scaled by their greatest first, so that no square overflows; 0 of 0 is 0."""
    keep = batch.applied
    norms = np.asarray(batch.norms[keep], dtype=np.float64)
    greatest = norms.max(axis=1, keepdims=True, initial=0.0)
    with np.errstate(invalid="ignore"):
        squares = (norms / np.where(greatest > 0, greatest, 1.0)) ** 2
        total = squares.sum(axis=1, keepdims=True)
        share = squares / np.where(total > 0, total, 1.0)
    return Samples(step=batch.step[keep], value=np.where(np.isfinite(norms), share, norms))


def _nonfinite(batch: StepBatch, evidence: Evidence) -> Samples:  # noqa: ARG001
    return Samples(step=batch.step, value=(~np.isfinite(batch.norms)).astype(np.float64))


def _nonfinite_applied(batch: StepBatch, evidence: Evidence) -> Samples:  # noqa: ARG001
    bad = ~np.isfinite(batch.norms) & batch.applied[:, np.newaxis]
    return Samples(step=batch.step, value=bad.astype(np.float64))


def _nonfinite_skipped(batch: StepBatch, evidence: Evidence) -> Samples:  # noqa: ARG001
    bad = ~np.isfinite(batch.norms) & ~batch.applied[:, np.newaxis]
    return Samples(step=batch.step, value=bad.astype(np.float64))


GRADIENT_NONFINITE = StepSignal(
    name="gradient.nonfinite",
    noun="non-finite gradient",
    unit="",
    what="1 where the variable's gradient holds a NaN or an infinity, else 0; of all steps.",
    source="signals 2",
    level="variable",
    kind="indicator",
    reader=memoryless(_nonfinite),
)
GRADIENT_NONFINITE_APPLIED = StepSignal(
    name="gradient.nonfinite_applied",
    noun="non-finite gradient applied",
    unit="",
    what="1 where such a gradient was applied to the weights, else 0; of all steps.",
    source="signals 2",
    level="variable",
    kind="indicator",
    reader=memoryless(_nonfinite_applied),
)
GRADIENT_NONFINITE_SKIPPED = StepSignal(
    name="gradient.nonfinite_skipped",
    noun="non-finite gradient skipped",
    unit="",
    what="1 where such a gradient was kept from the weights by skipping the step; of all steps.",
    source="signals 2",
    level="variable",
    kind="indicator",
    reader=memoryless(_nonfinite_skipped),
)
GRADIENT_GLOBAL_NORM = StepSignal(
    name="gradient.global_norm",
    noun="global gradient norm",
    unit="",
    what="L2 norm of all gradients together, sqrt of the sum of squares; applied steps.",
    source="Pascanu et al. (2013), https://arxiv.org/abs/1211.5063",
    level="run",
    kind="measure",
    reader=memoryless(_global_norm),
    bounds=NOT_NEGATIVE,
)
VARIABLE_NORM = StepSignal(
    name="variable.norm",
    noun="gradient norm",
    unit="",
    what="L2 norm of the variable's gradient; applied steps.",
    source="signals 11",
    level="variable",
    kind="measure",
    reader=memoryless(_norm),
    bounds=NOT_NEGATIVE,
)
VARIABLE_NORM_SHARE = StepSignal(
    name="variable.norm_share",
    noun="share of the global norm",
    unit="of the squared global norm",
    what="Squared L2 norm of the variable's gradient over that of all together; applied steps.",
    source="signals 8",
    level="variable",
    kind="measure",
    reader=memoryless(_norm_share),
    bounds=FRACTION,
)
