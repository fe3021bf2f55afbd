"""Gradients are healthy and yet nothing is learned: the labels do not follow from the inputs."""

from typing import Final

from gradgate.diagnosis import losses
from gradgate.diagnosis.causes.base import Grounds, KnownCause, known, seen
from gradgate.diagnosis.training import Training
from gradgate.diagnosis.words import number

_LOST: Final = 1e-2  # of the first layer's gradient, by the last's: see `saturating_depth`


def _look(training: Training) -> Grounds | None:
    symptoms = training.seen("stuck")
    if not symptoms:
        return None
    others = [s for s in training.symptoms if s.kind not in {"stuck", "unmeasured"}]
    ratio = training.depth_ratio
    is_lost = ratio is not None and ratio < _LOST
    constant, end = training.summary.constant_loss, training.end_loss
    loss = losses.name(training.card) or "the loss"
    return Grounds(
        numbers=known(
            f"the loss ended at {number(end)}; guessing alone would give {number(constant)}"
            if constant is not None and end is not None
            else None,
        )
        or seen(symptoms),
        explains=symptoms,
        change=(
            "Check that each label belongs to its input: that both were shuffled, filtered and"
            " sorted together. A sound model can learn 32 examples by heart; try that. If it can,"
            f" the inputs do not tell the labels; if not, {loss} or the model is wrong."
        ),
        snippet=("model.fit(x[:32], y[:32], epochs=200)  # the loss must go to about 0"),
        confidence="possible" if others or is_lost else "likely",
        because=(
            "it would explain the loss, but other things are wrong, too"
            if others
            else "it would explain the loss, but hardly any gradient reaches the first layer"
            if is_lost
            else "every gradient is in order, so the fault is more likely in what there is to learn"
        ),
    )


NOTHING_TO_LEARN: Final = KnownCause(
    id="nothing-to-learn",
    stage="symptom",
    title="The labels may not belong to the inputs",
    meaning="If they do not, guessing is the best that any model can do.",
    source="UMLAUT (CHI 2021); TheDeepChecker (TOSEM 2022): a sound model fits one batch",
    look=_look,
)
