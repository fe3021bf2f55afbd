"""Health of each layer's activations, from forward passes beside the training.

Dead units and saturated ones let no gradient through; both are seen here before the gradients
vanish. Source: signals 17, 19 and 25 (SageMaker Debugger, TheDeepChecker, DeepDiagnosis).
"""

from collections.abc import Callable

import numpy as np

from gradgate.gate.evidence import ActivationBatch, Evidence, Float32s, Float64s, StepBatch
from gradgate.gate.signals.base import FRACTION, NOT_NEGATIVE, Read, Samples, StepSignal, memoryless


def _unmeasured(evidence: Evidence) -> str:
    if evidence.card.activations:
        return ""
    return (
        "no activations were looked at; that takes a guard with statistics_every above 0, on one"
        " replica, and a model with an activation that Keras has a name for; else leave out this"
        " rule"
    )


def _spread_ratio() -> Read:
    first: list[Float64s] = []

    def read(batch: StepBatch, evidence: Evidence) -> Samples:
        """No sample of a layer that was not seen, or had no spread at the first look."""
        layers = len(evidence.card.activations)
        seen = batch.activations
        if seen is None or seen.spread is None:
            return Samples(step=batch.step[:0], value=np.empty((0, layers)))
        value = np.asarray(seen.spread, dtype=np.float64)
        if len(value) and not first:
            first.append(value[0])
        start = first[0] if first else np.ones(layers)
        has_start = np.isfinite(start) & (start > 0)
        ratio = value / np.where(has_start, start, 1.0)
        is_measured = has_start & ~np.isnan(value) | np.isinf(value)
        return Samples(step=seen.step, value=ratio, measured=is_measured)

    return read


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
    bounds=FRACTION,
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
    bounds=FRACTION,
)
ACTIVATION_SPREAD_RATIO = StepSignal(
    name="activation.spread_ratio",
    noun="spread of activations against the first look",
    unit="of the spread at the first look",
    what="Standard deviation of a layer's outputs over that at the first look; infinite where an"
    " output is.",
    source="signals 25",
    level="layer",
    kind="measure",
    reader=_spread_ratio,
    unmeasured=_unmeasured,
    remedy="a record of an older gradgate does not hold it",
    has_gaps=True,
    bounds=NOT_NEGATIVE,
)
