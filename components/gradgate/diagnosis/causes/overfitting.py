"""The model learns its examples by heart."""

from typing import Final

from gradgate.diagnosis.causes.base import Grounds, KnownCause, seen
from gradgate.diagnosis.training import Training
from gradgate.diagnosis.words import percent


def _look(training: Training) -> Grounds | None:
    symptoms = training.seen("overfit")
    if not symptoms:
        return None
    gap = symptoms[0].value
    return Grounds(
        numbers=(f"the validation loss is {percent(gap)} above the training loss",)
        if gap is not None
        else seen(symptoms),
        explains=symptoms,
        change=(
            "Stop when the validation loss no longer falls; then add data or augmentation,"
            " dropout or weight decay, or make the model smaller. If it lies below the training"
            " loss, see that both are of the same kind of data."
        ),
        snippet=(
            "stop = keras.callbacks.EarlyStopping(patience=3, restore_best_weights=True)\n"
            "model.fit(..., callbacks=[stop])"
        ),
        confidence="likely",
        because="both losses were measured at the end of every epoch",
    )


OVERFITTING: Final = KnownCause(
    id="overfitting",
    stage="symptom",
    title="The model learns its examples by heart",
    meaning="It gets better at what it has seen, and no better at what it has not.",
    source="SageMaker Debugger, Overfit; AUTOTRAINER (ICSE 2021)",
    look=_look,
)
