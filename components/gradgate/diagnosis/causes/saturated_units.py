"""Sigmoid or tanh units so far out that they hardly react any more."""

from typing import Final

from gradgate.diagnosis import layers
from gradgate.diagnosis.causes.base import Grounds, KnownCause, seen
from gradgate.diagnosis.training import Training
from gradgate.diagnosis.words import percent


def _look(training: Training) -> Grounds | None:
    symptoms = training.seen("saturated")
    if not symptoms:
        return None
    worst = symptoms[0]
    layer = (worst.variable or "").rpartition("/")[2] or None
    where = layers.in_words(training, layer)
    return Grounds(
        numbers=(f"{percent(worst.value)} of the outputs of {where} are at the flat ends",)
        if worst.value is not None
        else seen(symptoms),
        explains=symptoms,
        layer=layer,
        change=(
            f"Bring what goes into {where} back to a usual size: scale the inputs of the model,"
            " put a BatchNormalization before it, or begin with smaller weights (glorot_uniform)."
            " Or use relu with he_normal, which has no flat end on its side above 0."
        ),
        snippet=layers.written(training, layer, activation="relu", kernel_initializer="he_normal")
        if layer
        else "",
        confidence="likely",
        because="the outputs of that layer were looked at",
    )


SATURATED_UNITS: Final = KnownCause(
    id="saturated-units",
    stage="symptom",
    title="Many units are saturated",
    meaning="At the flat ends of sigmoid and tanh hardly any gradient gets through.",
    source="DeepDiagnosis (ICSE 2022); Glorot and Bengio (2010)",
    look=_look,
)
