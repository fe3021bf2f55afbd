"""One layer is almost the whole gradient, so a clip by the global norm scales all others away."""

from typing import Final

from gradgate.diagnosis import layers
from gradgate.diagnosis.causes.base import Grounds, KnownCause, seen
from gradgate.diagnosis.training import Training
from gradgate.diagnosis.words import percent


def _look(training: Training) -> Grounds | None:
    symptoms = training.seen("dominant")
    if not symptoms:
        return None
    variable = training.variable(symptoms[0].variable)
    layer = variable.layer if variable else None
    share = symptoms[0].value
    return Grounds(
        numbers=(f"{percent(share)} of the squared global norm comes from {symptoms[0].variable}",)
        if share is not None and symptoms[0].variable
        else seen(symptoms),
        explains=symptoms,
        layer=layer,
        change=(
            f"Clip each layer by itself, so that {layers.in_words(training, layer)} does not decide"
            " how far the others go; then look at its initial weights and the size of its inputs."
        ),
        snippet="gradgate.instrument(model, record, clip=gradgate.AdaptiveGradientClip())",
        confidence="likely",
        because="the norms of all layers were measured on every step",
    )


DOMINANT_LAYER: Final = KnownCause(
    id="dominant-layer",
    stage="structure",
    title="One layer is almost the whole gradient",
    meaning="A clip by the global norm then scales every other layer down together with that one.",
    source="NeMo, pull request 3136; AdaGC, https://arxiv.org/abs/2502.11034",
    look=_look,
)
