"""Health of each layer's activations, from forward passes beside the training.

Dead units and saturated ones let no gradient through; both are seen here before the gradients
vanish. Source: signals 17 and 19 (SageMaker Debugger, TheDeepChecker, DeepDiagnosis).
"""

from collections.abc import Callable

import numpy as np

from gradgate.gate.evidence import ActivationBatch, Evidence, Float32s, StepBatch
from gradgate.gate.signals.base import Read, Samples, StepSignal, memoryless


def _unmeasured(evidence: Evidence) -> str:
    if evidence.card.activations:
        return ""
    return (
        "no activations were looked at; that takes a guard with statistics_every above 0, on one"
        " replica, and a model with an activation that Keras has a name for; else leave out this"
        " rule"
    )


def _reader(field: Callable[[ActivationBatch], Float32s]) -> Callable[[], Read]:
    def read(batch: StepBatch, evidence: Evidence) -> Samples:
        """NaN says that a layer has no such thing, or not yet; it is no sample."""
        layers = len(evidence.card.activations)
        if batch.activations is None:
            return Samples(step=batch.step[:0], value=np.empty((0, layers)))
        value = np.asarray(field(batch.activations), dtype=np.float64)
        if value.shape != (len(batch.activations.step), layers):
            raise ValueError(
                f"The record has {layers} layers in model.json, and activations of shape"
                f" {value.shape} in its steps."
            )
        return Samples(step=batch.activations.step, value=value, measured=~np.isnan(value))

    return memoryless(read)


ACTIVATION_DEAD_FRACTION = StepSignal(
    name="activation.dead_fraction",
    noun="fraction of dead units",
    unit="of units",
    what="Fraction of a layer's units that were 0 on all examples of the last 8 looks; of ReLU and"
    " others that are 0 on one side.",
    source="signals 17",
    level="layer",
    kind="measure",
    reader=_reader(lambda a: a.dead_fraction),
    unmeasured=_unmeasured,
    remedy="it takes 8 looks at a ReLU: train for more steps, or lower statistics_every, since the"
    " looks are 10 times as far apart",
    has_gaps=True,
)
ACTIVATION_SATURATED_FRACTION = StepSignal(
    name="activation.saturated_fraction",
    noun="fraction of saturated outputs",
    unit="of outputs",
    what="Fraction of a hidden layer's outputs with |z| > 5 before a sigmoid, or |z| > 3 before a"
    " tanh.",
    source="signals 19",
    level="layer",
    kind="measure",
    reader=_reader(lambda a: a.saturated_fraction),
    unmeasured=_unmeasured,
    remedy="it takes looks at a hidden sigmoid or tanh; where there is none, leave out this rule",
    has_gaps=True,
)
