"""One of several workers gave the numbers that spoiled the sum, or others than the rest."""

from typing import Final

from gradgate.diagnosis.causes.base import Grounds, KnownCause, known, seen
from gradgate.diagnosis.training import Training
from gradgate.diagnosis.words import listed


def _look(training: Training) -> Grounds | None:
    return _nonfinite(training) or _lopsided(training)


def _nonfinite(training: Training) -> Grounds | None:
    bad = [each for each in training.summary.replicas if each.first_nonfinite_step is not None]
    if not bad or not training.seen("nonfinite"):
        return None
    since = min(each.first_nonfinite_step or 0 for each in bad)
    began = [each.name for each in bad if each.first_nonfinite_step == since]
    if len(began) == len(training.summary.replicas):
        return None  # all of them at once: it is in the model, or in all data
    names = listed(began)
    return Grounds(
        numbers=known(f"step {since} had the first NaN or infinity, in {names} alone"),
        explains=training.spoiled,
        change=(
            f"Look at what only {names} has: its share of the data, then its machine. Train on that"
            " share alone: if the NaN comes, fill or drop what is missing there in preprocessing;"
            " if not, leave the machine out, and have its memory and accelerator tested."
        ),
        confidence="sure",
        because="the loss and the gradient of each worker were seen before they were summed",
    )


def _lopsided(training: Training) -> Grounds | None:
    symptoms = training.seen("lopsided")
    if not symptoms:
        return None
    names = listed([symptom.variable or "a worker" for symptom in symptoms])
    return Grounds(
        numbers=seen(symptoms),
        explains=symptoms,
        change=(
            f"Compare the data of {names} with those of the others: how they were prepared, their"
            " labels, their order. Shuffle before the rows are shared out."
        ),
        confidence="likely",
        because="all workers have the same weights, so what differs is what goes in",
    )


SICK_WORKER: Final = KnownCause(
    id="sick-worker",
    stage="data",
    title="One of the workers has other numbers than the rest",
    meaning=(
        "Workers have the same weights, and each its own rows. A sum over all of them is spoiled by"
        " one, and does not say by which."
    ),
    source="gradgate's own measurements: numbers of each replica before the sum",
    look=_look,
)
