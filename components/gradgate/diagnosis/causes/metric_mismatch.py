"""A metric that does not move with the loss."""

from typing import Final

from gradgate.diagnosis import losses
from gradgate.diagnosis.causes.base import Grounds, KnownCause, seen
from gradgate.diagnosis.training import Training


def _look(training: Training) -> Grounds | None:
    symptoms = training.seen("disagreeing")
    if not symptoms:
        return None
    metric = symptoms[0].variable or "the metric"
    loss = losses.name(training.card) or "the loss"
    return Grounds(
        numbers=seen(symptoms),
        explains=symptoms,
        change=(
            f"See that {metric} is computed of the same outputs and labels as {loss}: a metric on"
            " probabilities is wrong on logits, and one on whole-number labels is wrong on rows of"
            " zeros and ones."
        ),
        snippet='model.compile(..., metrics=["accuracy"])  # by name, Keras chooses what fits',
        confidence="likely",
        because="loss and metric were compared over all epochs",
    )


METRIC_MISMATCH: Final = KnownCause(
    id="metric-mismatch",
    stage="wiring",
    title="Loss and metric do not measure the same",
    meaning="What the training lowers is then not what you look at.",
    source="TheDeepChecker (TOSEM 2022): loss and metric correlate",
    look=_look,
)
