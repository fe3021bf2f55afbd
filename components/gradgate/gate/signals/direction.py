"""Whether consecutive gradients point the same way: a cosine below 0 is a step back and forth.

The cosine is estimated from a sketch (standard error about 0.2), so one sample says little and a
rate says much. Of a gradient that is 0 there is none.
"""

import numpy as np

from gradgate.gate.evidence import Evidence, StepBatch
from gradgate.gate.signals.base import (
    Samples,
    StepSignal,
    memoryless,
    of_sampled_run,
    of_statistics,
    without_nan,
)

_REMEDY = "it takes two finite steps in a row, and a record of an older gradgate does not hold it"


def _cosine(batch: StepBatch, evidence: Evidence) -> Samples:  # noqa: ARG001
    """NaN says that a cosine was not measured; it is no sample."""
    return without_nan(of_sampled_run(batch, batch.statistics.global_cosine))


def _flip(batch: StepBatch, evidence: Evidence) -> Samples:
    samples = _cosine(batch, evidence)
    return Samples(step=samples.step, value=(samples.value < 0).astype(samples.value.dtype))


def _cosine_of_each(batch: StepBatch, evidence: Evidence) -> Samples:  # noqa: ARG001
    cosine = batch.statistics.cosine
    return of_statistics(batch, cosine, measured=None if cosine is None else ~np.isnan(cosine))


def _flip_of_each(batch: StepBatch, evidence: Evidence) -> Samples:
    samples = _cosine_of_each(batch, evidence)
    flips = (samples.value < 0).astype(samples.value.dtype)
    return Samples(step=samples.step, value=flips, measured=samples.measured)


GRADIENT_COSINE = StepSignal(
    name="gradient.cosine",
    noun="gradient cosine",
    unit="",
    what="Cosine between the gradient of a sampled step and that of the step before.",
    source="signals 22",
    level="run-sampled",
    kind="measure",
    reader=memoryless(_cosine),
    remedy=_REMEDY,
    bounds=(-1.0, 1.0),
)
GRADIENT_DIRECTION_FLIP = StepSignal(
    name="gradient.direction_flip",
    noun="direction flipped",
    unit="of sampled steps",
    what="1 where that cosine is below 0, else 0; its mean is the rate of flips.",
    source="signals 22",
    level="run-sampled",
    kind="indicator",
    reader=memoryless(_flip),
    remedy=_REMEDY,
)
VARIABLE_COSINE = StepSignal(
    name="variable.cosine",
    noun="gradient cosine",
    unit="",
    what="Cosine between the variable's gradient at a sampled step and that of the step before.",
    source="signals 22",
    level="variable-sampled",
    kind="measure",
    reader=memoryless(_cosine_of_each),
    remedy=_REMEDY,
    has_gaps=True,
    bounds=(-1.0, 1.0),
)
VARIABLE_DIRECTION_FLIP = StepSignal(
    name="variable.direction_flip",
    noun="direction flipped",
    unit="of sampled steps",
    what="1 where that cosine is below 0, else 0; its mean is the rate of flips of the variable.",
    source="signals 22",
    level="variable-sampled",
    kind="indicator",
    reader=memoryless(_flip_of_each),
    remedy=_REMEDY,
    has_gaps=True,
)
