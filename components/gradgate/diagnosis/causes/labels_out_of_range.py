"""Labels that the loss is not defined for, such as 1 and 2 where it wants 0 and 1."""

from typing import Final

from gradgate.diagnosis import losses
from gradgate.diagnosis.causes.base import Grounds, KnownCause, known
from gradgate.diagnosis.training import Training
from gradgate.diagnosis.words import number


def _look(training: Training) -> Grounds | None:
    loss = losses.name(training.card)
    wants = losses.labels_wanted(loss)
    least, constant = training.summary.loss.least, training.summary.constant_loss
    is_below = least is not None and least < 0
    is_odd = constant is not None and constant < 0
    if wants is None or not (is_below or is_odd):
        return None
    return Grounds(
        numbers=known(
            f"the loss went down to {number(least)}, and {loss} of proper labels is never below 0"
            if is_below and least is not None
            else None,
            f"the best constant guess on these labels would have a loss of {number(constant)}"
            if is_odd and constant is not None
            else None,
        ),
        explains=(*training.seen("stuck", "unmeasured", "large", "nonfinite", "far", "grown"),),
        layer=None,
        change=f"Number the labels as {loss} wants them: {wants[0]}.",
        snippet=wants[1],
        confidence="sure",
        because=f"{loss} can be below 0 only for labels outside of its range",
    )


LABELS_OUT_OF_RANGE: Final = KnownCause(
    id="labels-out-of-range",
    stage="data",
    title="The labels are outside of what the loss can take",
    meaning=(
        "The loss then rewards answers that are ever more extreme instead of right ones, or is no"
        " number at all."
    ),
    source="AUTOTRAINER (ICSE 2021): a loss below 0 is an improper loss; DeepDiagnosis (ICSE 2022)",
    look=_look,
)
