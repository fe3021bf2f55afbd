"""Weights that are NaN or infinite already: nothing that comes after can mend them."""

from typing import Final

from gradgate.diagnosis import layers
from gradgate.diagnosis.causes.base import Grounds, KnownCause, seen
from gradgate.diagnosis.training import Training


def _look(training: Training) -> Grounds | None:
    symptoms = training.seen("nonfinite")
    if not symptoms:
        return None
    spoiled = next((s.variable for s in training.on("weights.nonfinite") if s.variable), None)
    variable = training.variable(spoiled)
    where = layers.in_words(training, variable.layer if variable else None)
    guard = training.card.on_nonfinite
    return Grounds(
        numbers=seen(training.on("weights.nonfinite") or symptoms)
        or (f"{len(symptoms)} rules met NaN or infinity",),
        explains=symptoms,
        layer=variable.layer if variable else None,
        change=(
            f"Start again: NaN in {where} stays there. Once the cause is mended, let the guard keep"
            " bad steps away from the weights, so that one of them no longer spoils all."
        )
        if guard == "record"
        else (
            "Bad steps were kept from the weights, which hides their cause: see which variable's"
            " gradient was not finite, and mend what feeds it."
        ),
        snippet='gradgate.instrument(model, record, on_nonfinite="skip")'
        if guard == "record"
        else "",
        confidence="possible",
        because="it says what to do about the damage, and not where it came from",
    )


SPOILED_WEIGHTS: Final = KnownCause(
    id="spoiled-weights",
    stage="symptom",
    title="A bad step reached the weights",
    meaning="NaN plus anything is NaN: every later step only spreads it.",
    source="AUTOTRAINER (ICSE 2021); OLMo-core skips such steps",
    look=_look,
)
