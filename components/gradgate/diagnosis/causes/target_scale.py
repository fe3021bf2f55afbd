"""Labels of a size that squared errors are not made for: hundreds where 1 is usual."""

import math
from typing import Final

from gradgate.diagnosis import losses
from gradgate.diagnosis.causes.base import Grounds, KnownCause, known
from gradgate.diagnosis.training import Training
from gradgate.diagnosis.words import number

_LARGE: Final = 10.0  # the limit of inputs, see `input_scale`; 1 is usual
_KINDS: Final = ("large", "nonfinite", "spike", "stuck", "far", "grown", "swings", "dominant")


def _look(training: Training) -> Grounds | None:
    variance = training.summary.constant_loss
    if losses.name(training.card) != "mean_squared_error" or variance is None or variance <= 0:
        return None
    size = math.sqrt(variance)
    if size < _LARGE:
        return None
    first = training.summary.loss.greatest
    is_seen = training.exploded or bool(training.seen("large", "far"))
    return Grounds(
        numbers=known(
            f"the labels have a standard deviation of {number(size)}; 1 is usual",
            f"so guessing their mean has a loss of {number(variance)}",
            f"the loss went up to {number(first)}"
            if first is not None and first > 10 * variance
            else None,
        ),
        explains=training.seen(*_KINDS),
        change=(
            "Bring the labels to mean 0 and standard deviation 1 before training, and bring answers"
            " back by the same two numbers. The squared error and its gradient are then of a size"
            " that usual learning rates are made for."
        ),
        snippet=(
            "mean, size = y_train.mean(), y_train.std()\n"
            "y_train = (y_train - mean) / size\n"
            "answer = model.predict(x) * size + mean"
        ),
        confidence="likely" if is_seen else "possible",
        because=(
            "the gradient of a squared error grows with its labels, and gradients were too large"
            if is_seen
            else "it makes learning slow, but that gradients were too large is not seen"
        ),
    )


TARGET_SCALE: Final = KnownCause(
    id="target-scale",
    stage="data",
    title="The labels are not scaled",
    meaning="A squared error of hundreds makes steps of hundreds, for weights of about 1.",
    source=(
        "LeCun et al. (1998), Efficient BackProp, http://yann.lecun.com/exdb/publis/pdf/lecun-98b.pdf;"
        " the limit is ours"
    ),
    look=_look,
)
