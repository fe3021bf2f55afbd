"""Arithmetic in 16 bits, which cannot hold what the training needs."""

from typing import Final

from gradgate.contracts.cause import Confidence
from gradgate.diagnosis.causes.base import Grounds, KnownCause, known
from gradgate.diagnosis.foreseen import Foreseen
from gradgate.diagnosis.training import Training
from gradgate.diagnosis.words import code, counted, listed, number, percent

_END: Final = 65504.0
_KINDS: Final = ("nonfinite", "overflow", "stuck", "zero", "small", "large", "spike", "near")


def _look(training: Training) -> Grounds | None:
    card, summary = training.card, training.summary
    symptoms = training.seen(*_KINDS)
    narrow = [v for v in training.variables if v.dtype == "float16"]
    overflowed = training.seen("overflow")
    halves = [one.name for one in card.layers if _is_half(one.dtype_policy or "")]
    is_half = bool(halves) or _is_half(card.precision)
    beyond = [x for x in card.inputs if max(abs(x.low), abs(x.high)) > _END] if is_half else []
    if not symptoms or not (overflowed or narrow or (is_half and training.seen("nonfinite"))):
        return None
    skips = summary.loss_scale_skips
    confidence: Confidence = "possible"
    because = "16 bits make a NaN more likely, but other things make one, too"
    if overflowed:
        confidence, because = "sure", "the loss scale itself counted the steps that overflowed"
    elif beyond:
        confidence = "sure"
        because = "the inputs themselves are beyond what float16 can hold"
    elif narrow:
        confidence = "likely"
        because = (
            "float16 ends at 65,504 and has nothing between 0 and 6e-8, where an optimizer's own"
            " sums lie"
        )
    return Grounds(
        numbers=known(
            f"the model computes in {card.precision}"
            if _is_half(card.precision) or not halves
            else f"float16 in {counted(len(halves), 'layer')}: {listed(halves)}",
            f"{beyond[0].name} goes from {number(beyond[0].low)} to {number(beyond[0].high)}, and"
            " float16 ends at 65,504"
            if beyond
            else None,
            f"{counted(len(narrow), 'variable')} of {len(training.variables)} are stored as float16"
            if narrow
            else None,
            f"{counted(skips, 'step')} left out since the scaled loss overflowed"
            f" ({percent(skips / (skips + summary.steps))})"
            if skips and summary.steps
            else None,
            training.onset,
        ),
        explains=symptoms,
        change=(
            f"{'Scale the inputs, and compute' if beyond else 'Compute'} in mixed_bfloat16, which"
            " has the range of float32 and needs no loss scale, or in float32. Keep softmax and"
            " loss in float32 either way."
        ),
        snippet=(
            "# before the model is made\n"
            f'keras.config.set_dtype_policy("mixed_bfloat16")  # was {code(card.precision)}'
        ),
        confidence=confidence,
        because=because,
    )


def _is_half(policy: str) -> bool:
    return "float16" in policy.replace("bfloat16", "")


PRECISION: Final = KnownCause(
    id="precision",
    stage="setting",
    title="16 bits are too few for this training",
    meaning=(
        "Numbers above 65,504 become infinite in float16 and very small ones become 0; dividing by"
        " such a 0 gives NaN."
    ),
    source="Micikevicius et al. (2018), https://arxiv.org/abs/1710.03740; Keras, mixed precision",
    look=_look,
    foreseen=Foreseen(
        rules=("softmax-in-float16",),
        kinds=("nonfinite", "overflow", "stuck"),
    ),
)
