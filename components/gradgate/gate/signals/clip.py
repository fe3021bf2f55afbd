"""How often the clip fired and how strongly, on the steps that were applied.

Saturation says that the clip fires, scale what that did: a run may be clipped at every step and
lose nothing, or be clipped so hard that it does not learn.
"""

from gradgate.gate.evidence import Evidence, StepBatch
from gradgate.gate.signals.base import FRACTION, Samples, StepSignal, memoryless, of_run


def _saturation(batch: StepBatch, evidence: Evidence) -> Samples:  # noqa: ARG001
    return of_run(batch, batch.clipped, keep=batch.applied)


def _scale(batch: StepBatch, evidence: Evidence) -> Samples:  # noqa: ARG001
    return of_run(batch, batch.clip_scale, keep=batch.applied)


CLIP_SATURATION = StepSignal(
    name="clip.saturation",
    noun="clipped",
    unit="of applied steps",
    what="1 where a clip changed the gradient, else 0; its mean is the clip rate.",
    source="signals 5",
    level="run",
    kind="indicator",
    reader=memoryless(_saturation),
)
CLIP_SCALE = StepSignal(
    name="clip.scale",
    noun="clip scale",
    unit="",
    what="Norm after the clips over norm before them: the factor on the learning rate.",
    source="signals 6",
    level="run",
    kind="measure",
    reader=memoryless(_scale),
    bounds=FRACTION,
)
