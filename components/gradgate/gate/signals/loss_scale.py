"""Steps that a loss-scale optimizer left out since its scale was too great.

A few are how it finds its scale; many mean that it finds none, as DeepSpeed says of a scale at
its minimum.
"""

import numpy as np

from gradgate.gate.evidence import Evidence
from gradgate.gate.integrity.model import ModelCheck
from gradgate.gate.signals.base import RUN, Facts, FactSignal, Unmeasured


def _skipped(evidence: Evidence, model: ModelCheck | None) -> Facts:  # noqa: ARG001
    """Without loss scaling no step can be left out so, and the fraction is 0."""
    manifest = evidence.manifest
    tried = manifest.observed_steps + manifest.loss_scale_skips
    if not evidence.card.variables or not tried:
        raise Unmeasured(
            "the record names no trainable variable, or no step; was the model instrumented?"
        )
    return Facts(columns=RUN, value=np.array([manifest.loss_scale_skips / tried]))


LOSS_SCALE_SKIPPED = FactSignal(
    name="loss_scale.skipped",
    noun="steps left out by the loss scale",
    unit="of steps that were tried",
    what="Steps that a loss-scale optimizer left out, over all that were tried; 0 without one.",
    source="signals 4",
    level="run",
    per_variable=False,
    facts=_skipped,
)
