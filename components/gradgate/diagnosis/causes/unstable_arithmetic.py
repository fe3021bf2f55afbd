"""An operation that has no finite slope where it was used: the root, logarithm or quotient of 0."""

from typing import Final

from gradgate.contracts.cause import Confidence
from gradgate.diagnosis import birth, layers
from gradgate.diagnosis.causes.base import Grounds, KnownCause, known
from gradgate.diagnosis.training import Training
from gradgate.diagnosis.words import listed, number


def _look(training: Training) -> Grounds | None:
    symptoms = training.seen("nonfinite")
    if not symptoms:
        return None
    card, first = training.card, training.first_nonfinite
    own = [loss.name for loss in card.losses if not loss.is_keras]
    between = birth.suspects(training)
    if training.exploded and not own and not between:
        return None
    greatest = training.summary.global_norm.greatest
    last = first[-1].layer if first else None
    confidence: Confidence = "possible"
    because = "an operation without a finite slope does this; which it is, the record does not know"
    if own and not (training.was_exploding or training.exploded):
        confidence = "likely"
        because = "the loss is code of your own, and nothing grew before: it came at once"
    elif between and not birth.came_back(training):
        if training.inputs_are_fine:
            confidence = "likely"
        because = "nothing grew before, and it came from what can make NaN of a finite number"
    elif between:
        confidence = "likely"
        because = (
            f"it came back from behind layer {last}: what stands there can do it, and the layers"
            " behind that were still fine"
        )
    if confidence == "likely" and training.inputs_are_fine:
        because += "; the inputs that were looked at hold no NaN"
    what = f"the loss {listed(own)}" if own else layers.in_words(training, last)
    if between and not own:
        what = listed([f"{card.name} ({card.class_name})" for card in between])
    return Grounds(
        numbers=known(
            training.onset,
            f"before that no gradient norm was above {number(greatest)}"
            if greatest is not None and not training.was_exploding
            else None,
            f"behind layer {last} stands {what}; the gradients behind that were finite"
            if between and not own and birth.came_back(training)
            else None,
        )
        or tuple(f"{s.rule}: {number(s.value)}" for s in symptoms if s.value is not None)[:1],
        explains=training.spoiled,
        layer=between[0].name if between and not own else last,
        change=(
            f"Look in {what} for a square root, a logarithm, a power, a norm or a division, and"
            " keep it away from 0 by a small number. Its slope there is infinite, even where its"
            " value is fine. gradgate replay-step names the very operation."
        ),
        snippet=(
            "keras.ops.sqrt(x + 1e-7)  # not sqrt(x)\n"
            "keras.ops.log(x + 1e-7)  # not log(x)\n"
            "a / (b + 1e-7)  # not a / b"
        ),
        confidence=confidence,
        because=because,
    )


UNSTABLE_ARITHMETIC: Final = KnownCause(
    id="unstable-arithmetic",
    stage="wiring",
    title="A square root, logarithm or division meets 0",
    meaning="Its slope is infinite there, and an infinite step makes every weight NaN.",
    source="TensorFlow, tf.debugging.enable_check_numerics; gradgate's measurements of sqrt(0)",
    look=_look,
)
