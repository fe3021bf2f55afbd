"""Steps so small that nothing moves."""

from typing import Final

from gradgate.contracts.cause import Confidence
from gradgate.diagnosis import optimizers
from gradgate.diagnosis.causes.base import Grounds, KnownCause, known
from gradgate.diagnosis.foreseen import Foreseen
from gradgate.diagnosis.training import Training
from gradgate.diagnosis.words import number, percent

_NEAR: Final = 1e-5  # of the weights' norm a step: torchmortem and DeepDiagnosis
_ALIVE: Final = 1e-7  # mean |g| below which a gradient has vanished
_BELOW: Final = 1e-2  # of Keras's default


def _look(training: Training) -> Grounds | None:
    card = training.card
    rate, usual = optimizers.learning_rate(card), optimizers.usual_rate(card)
    symptoms = training.seen("stuck", "near")
    alive = [v for v in training.kernels if (training.gradient(v) or 0.0) > _ALIVE]
    ratios = [(r, v) for v in alive if (r := training.update_ratio(v)) is not None]
    ratio, farthest = max(ratios, key=lambda found: found[0], default=(None, None))
    is_near = (ratio is not None and ratio < _NEAR) or bool(training.seen("near"))
    is_low = rate is not None and 0 <= rate < _BELOW * usual
    if not symptoms or not (is_near or is_low) or training.seen("clipped"):
        return None
    confidence: Confidence = "likely"
    if is_near and is_low:
        confidence = "sure"
    elif not alive or (rate or 0.0) >= usual:
        confidence = "possible"
    higher = usual if is_low or rate is None else rate * 10
    now = "" if rate is None else f" from {optimizers.plain(rate)}"
    return Grounds(
        numbers=known(
            f"the learning rate of {card.optimizer} is {optimizers.plain(rate)}; Keras's default is"
            f" {optimizers.plain(usual)}"
            if rate is not None
            else None,
            f"a step moves {farthest.path} by {percent(ratio)} of its size, and no other layer by"
            " more; about 0.1% is usual"
            if farthest is not None and ratio is not None
            else None,
            f"the loss went from {number(training.start_loss)} to {number(training.end_loss)}"
            if training.start_loss is not None and training.end_loss is not None
            else None,
        ),
        explains=symptoms,
        change=f"Raise the learning rate{now} to {optimizers.plain(higher)} and train again.",
        snippet=optimizers.set_rate(card, higher),
        confidence=confidence,
        because={
            "sure": "the rate is far below the usual one, and the weights hardly move",
            "likely": "there is a gradient, and yet the weights hardly move"
            if is_near
            else "the rate is far below the usual one",
            "possible": "the weights hardly move, but the rate is no lower than usual",
        }[confidence],
    )


LEARNING_RATE_TOO_LOW: Final = KnownCause(
    id="learning-rate-too-low",
    stage="setting",
    title="The learning rate is too low",
    meaning="The steps go the right way and are so small that the model stays where it began.",
    source=(
        "CS231n, ratio of updates to weights, https://cs231n.github.io/neural-networks-3/#ratio;"
        " UMLAUT (CHI 2021): below 1e-7; DeepDiagnosis (ICSE 2022)"
    ),
    look=_look,
    foreseen=Foreseen(
        rules=("learning-rate-bounds",),
        kinds=("stuck", "near"),
        fits=lambda _, training: not optimizers.is_above_usual(training.card),
    ),
)
