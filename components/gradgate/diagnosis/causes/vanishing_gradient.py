"""Almost no gradient reaches some layers, and nothing that is known says why."""

from typing import Final

from gradgate.diagnosis import layers
from gradgate.diagnosis.causes.base import Grounds, KnownCause, known, seen
from gradgate.diagnosis.training import Training
from gradgate.diagnosis.words import number


def _look(training: Training) -> Grounds | None:
    symptoms = training.seen("small", "zero", "near")
    if not symptoms:
        return None
    variable = training.variable(symptoms[0].variable)
    layer = variable.layer if variable else training.first_layer
    if layers.is_output(training, layer):
        layer = training.first_layer
    activation = layers.activation(training, layer) if layer else None
    is_saturating = activation in layers.SATURATING
    better = (
        f"Replace {activation} by relu with he_normal weights in {layer} and the layers behind it"
        if is_saturating
        else "Use relu with he_normal weights, or selu with lecun_normal, in the layers behind"
        f" {layers.in_words(training, layer)}"
    )
    ratio = training.depth_ratio
    return Grounds(
        numbers=known(
            *seen(symptoms),
            f"the gradient of the first layer is {number(ratio)} of that of the last"
            if ratio is not None
            else None,
        ),
        explains=symptoms,
        layer=layer,
        change=(
            f"{better}; then put a BatchNormalization or LayerNormalization behind every second"
            " layer, then add residual connections."
        ),
        snippet=layers.written(training, layer, activation="relu", kernel_initializer="he_normal")
        if layer
        else "",
        confidence="possible",
        because="it is what helps most often, but where the gradient is lost is not known",
    )


VANISHING_GRADIENT: Final = KnownCause(
    id="vanishing-gradient",
    stage="symptom",
    title="Hardly any gradient reaches some layers",
    meaning="What comes back from the loss is so small by then that these layers stay as they are.",
    source="AUTOTRAINER (ICSE 2021): selu, then relu, then batch normalisation",
    look=_look,
)
