"""Whether consecutive gradients point the same way: a cosine below 0 is a step back and forth.

The cosine is estimated from a sketch (standard error about 0.2), so one sample says little and a
rate says much.
"""

from gradgate.gate.evidence import Evidence, StepBatch
from gradgate.gate.signals.base import (
    Samples,
    StepSignal,
    memoryless,
    of_sampled_run,
    without_nan,
)

_REMEDY = "it takes two finite steps in a row, and a record of an older gradgate does not hold it"


def _cosine(batch: StepBatch, evidence: Evidence) -> Samples:  # noqa: ARG001
    """NaN says that a cosine was not measured; it is no sample."""
    return without_nan(of_sampled_run(batch, batch.statistics.global_cosine))


def _flip(batch: StepBatch, evidence: Evidence) -> Samples:
    samples = _cosine(batch, evidence)
    return Samples(step=samples.step, value=(samples.value < 0).astype(samples.value.dtype))


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
