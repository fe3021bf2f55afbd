"""Arithmetic in 16 bits, which cannot hold what the training needs."""

from typing import Final

from gradgate.contracts.cause import Confidence
from gradgate.diagnosis.causes.base import Grounds, KnownCause, known
from gradgate.diagnosis.training import Training
from gradgate.diagnosis.words import code, counted, percent

_KINDS: Final = ("nonfinite", "overflow", "stuck", "zero", "small", "large", "spike", "near")


def _look(training: Training) -> Grounds | None:
    card, summary = training.card, training.summary
    symptoms = training.seen(*_KINDS)
    narrow = [v for v in training.variables if v.dtype == "float16"]
    overflowed = training.seen("overflow")
    is_half = "float16" in card.precision.replace("bfloat16", "")
    if not symptoms or not (overflowed or narrow or (is_half and training.seen("nonfinite"))):
        return None
    skips = summary.loss_scale_skips
    confidence: Confidence = "possible"
    because = "16 bits make a NaN more likely, but other things make one, too"
    if overflowed:
        confidence, because = "sure", "the loss scale itself counted the steps that overflowed"
    elif narrow:
        confidence = "likely"
        because = (
            "float16 ends at 65,504 and has nothing between 0 and 6e-8, where an optimizer's own"
            " sums lie"
        )
    return Grounds(
        numbers=known(
            f"the model computes in {card.precision}",
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
            "Compute in mixed_bfloat16, which has the range of float32 and needs no loss scale, or"
            " in float32. Keep softmax and loss in float32 either way."
        ),
        snippet=(
            "# before the model is made\n"
            f'keras.config.set_dtype_policy("mixed_bfloat16")  # was {code(card.precision)}'
        ),
        confidence=confidence,
        because=because,
    )


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
)
