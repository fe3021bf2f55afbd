"""Steps so large that the training overshoots, and may blow up."""

from typing import Final

from gradgate.contracts.cause import Confidence
from gradgate.diagnosis import optimizers
from gradgate.diagnosis.causes.base import Grounds, KnownCause, known
from gradgate.diagnosis.foreseen import Foreseen
from gradgate.diagnosis.training import Training
from gradgate.diagnosis.words import number, percent

_FAR: Final = 0.1  # of the weights' norm a step: torchmortem and DeepDiagnosis; 0.001 is usual
_ABOVE: Final = 10.0  # times Keras's default, UMLAUT's limit for Adam
_ROSE: Final = 3.0
_AIM: Final = 0.01
_KINDS: Final = (
    *("stuck", "large", "small", "zero", "dead", "saturated", "drifting", "disagreeing"),
    *("nonfinite", "spike", "swings", "far", "grown", "overflow"),
)
_PLAIN: Final = ("nonfinite", "large", "spike", "swings", "far", "grown", "overflow")


def _look(training: Training) -> Grounds | None:
    card = training.card
    rate, usual = optimizers.learning_rate(card), optimizers.usual_rate(card)
    ratios = [(r, v) for v in training.kernels if (r := training.update_ratio(v)) is not None]
    ratio, farthest = max(ratios, key=lambda found: found[0], default=(None, None))
    is_far = ratio is not None and ratio > _FAR
    above = rate / usual if rate else 0.0
    is_high = above > (_ABOVE if optimizers.normalises(card) else 10 * _ABOVE)
    rose = _rise(training)
    is_plain = bool(training.seen(*_PLAIN))
    if not (is_far or is_high or is_plain) or (is_far and training.is_learning and not is_plain):
        return None
    # NaN from the very first step is none of it: nothing had been stepped yet.
    if training.nonfinite_since == 0 and not (is_far or is_high):
        return None
    confidence: Confidence = "possible"
    if (is_far or rose) and is_high:
        confidence = "sure"
    elif is_high or (is_far and (training.exploded or _is_high_for_learning(training, above))):
        confidence = "likely"
    _, lower = optimizers.lower_rate(card)
    lower = min(lower, usual) if is_high else lower
    if rate and ratio and is_far and optimizers.follows_length(card):
        # Half the rate is half the step: the one that moves the weights by a usual part.
        lower = min(lower, float(f"{_AIM * rate / ratio:.1g}"))
    now = "" if rate is None else f" from {optimizers.plain(rate)}"
    return Grounds(
        numbers=known(
            f"the learning rate of {card.optimizer} is {optimizers.plain(rate)},"
            f" {number(above)} times Keras's default"
            if rate and is_high
            else (
                f"the learning rate of {card.optimizer} is {optimizers.plain(rate)}"
                if rate
                else None
            ),
            f"a step moves {farthest.path} by {percent(ratio)} of its size; about 0.1% is usual"
            if is_far and farthest is not None and ratio is not None
            else None,
            f"the loss went up to {number(rose)}" if rose else None,
        )
        or ("the learning rate is not known to the record",),
        explains=training.seen(*_KINDS),
        layer=farthest.layer if is_far and farthest is not None else None,
        change=(
            f"Lower the learning rate{now} to {optimizers.plain(lower)} and train again; if it"
            " is better but not good, lower it once more."
        ),
        snippet=optimizers.set_rate(card, lower),
        confidence=confidence,
        because={
            "sure": "the rate is far above the usual one, and the steps show it",
            "likely": "the rate is far above the usual one"
            if is_high
            else "the weights are moved far in every step, and the numbers grew until they were"
            " infinite"
            if training.exploded
            else "the weights are moved far in every step",
            "possible": "the weights are moved far in every step, but nothing grew before"
            if is_far
            else "a rate that is too high looks like this, but the steps are not seen to be too"
            " large",
        }[confidence],
    )


def _is_high_for_learning(training: Training, above: float) -> bool:
    return above > 1 and training.nonfinite_since is None


def _rise(training: Training) -> float | None:
    """The greatest loss, if it was far above that of guessing, or of the first epoch, and later."""
    loss = training.summary.loss
    usual = training.summary.constant_loss or training.start_loss
    if loss.greatest is None or not usual or usual <= 0 or not loss.greatest_step:
        return None
    return loss.greatest if loss.greatest > _ROSE * usual else None


LEARNING_RATE_TOO_HIGH: Final = KnownCause(
    id="learning-rate-too-high",
    stage="setting",
    title="The learning rate is too high",
    meaning=(
        "Each step goes further than the slope it follows holds, so it lands somewhere worse, and"
        " the next one too."
    ),
    source=(
        "CS231n, ratio of updates to weights, https://cs231n.github.io/neural-networks-3/#ratio;"
        " UMLAUT (CHI 2021): above 0.01; DeepDiagnosis (ICSE 2022)"
    ),
    look=_look,
    foreseen=Foreseen(
        rules=("learning-rate-bounds",),
        kinds=_PLAIN,
        fits=lambda _, training: optimizers.is_above_usual(training.card),
    ),
)
