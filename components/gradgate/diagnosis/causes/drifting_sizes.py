"""Weights or outputs that grow, or shrink, all through the training."""

from typing import Final

from gradgate.diagnosis import layers, optimizers
from gradgate.diagnosis.causes.base import Grounds, KnownCause, seen
from gradgate.diagnosis.training import Training


def _look(training: Training) -> Grounds | None:
    symptoms = training.seen("grown", "shrunk", "drifting")
    if not symptoms:
        return None
    worst = symptoms[0]
    variable = training.variable(worst.variable)
    layer = variable.layer if variable else (worst.variable or "").rpartition("/")[2] or None
    where = layers.in_words(training, layer)
    _, lower = optimizers.lower_rate(training.card)
    if worst.kind == "shrunk":
        change = f"Use less weight decay, or a smaller regulariser, in {where}."
        snippet = "weight_decay=1e-4  # or less; likewise keras.regularizers.L2(1e-5)"
    else:
        change = (
            f"Hold {where} back: weight decay in the optimizer, a LayerNormalization behind it,"
            f" and a learning rate of {optimizers.plain(lower)}."
        )
        snippet = (
            "optimizer = keras.optimizers.AdamW("
            f"learning_rate={optimizers.plain(lower)}, weight_decay=0.004)"
        )
    return Grounds(
        numbers=seen(symptoms),
        explains=symptoms,
        layer=layer,
        change=change,
        snippet=snippet,
        confidence="likely",
        because="the sizes were measured again and again, and they do not settle",
    )


DRIFTING_SIZES: Final = KnownCause(
    id="drifting-sizes",
    stage="symptom",
    title="Weights or outputs do not settle",
    meaning="They keep growing or shrinking, which ends in numbers that a layer cannot work with.",
    source="TheDeepChecker (TOSEM 2022); OPT-175B's log of its training",
    look=_look,
)
