"""Gradients that are too large, with nothing that bounds a step."""

from typing import Final

from gradgate.diagnosis import layers, snippets
from gradgate.diagnosis.causes.base import Grounds, KnownCause, seen
from gradgate.diagnosis.training import Training
from gradgate.diagnosis.words import number


def _look(training: Training) -> Grounds | None:
    symptoms = training.seen("large")
    if not symptoms:
        return None
    worst = symptoms[0]
    variable = training.variable(worst.variable)
    layer = variable.layer if variable else None
    limit = snippets.usual_norm(training) or 1.0
    clips = training.card.clips
    return Grounds(
        numbers=seen(symptoms),
        explains=symptoms,
        layer=layer,
        change=(
            f"Tighten the clip to max_norm={number(limit)}"
            if clips
            else f"Clip the gradients by their global norm (max_norm={number(limit)})"
        )
        + f", begin with a lower learning rate for the first steps, and look at"
        f" {layers.in_words(training, layer)}: its initial weights and the size of its inputs.",
        snippet=snippets.clip_by(limit),
        confidence="possible",
        because="it bounds what was seen, but why the gradients are so large is another question",
    )


UNBOUNDED_GRADIENTS: Final = KnownCause(
    id="unbounded-gradients",
    stage="setting",
    title="Nothing bounds steps that are far too large",
    meaning="One enormous gradient can undo in a step what all the steps before have learned.",
    source="Pascanu, Mikolov and Bengio (2013), https://arxiv.org/abs/1211.5063; AUTOTRAINER",
    look=_look,
)
