"""Something is not as it was in the trainings that this one is compared with."""

from typing import Final

from gradgate.diagnosis.causes.base import Grounds, KnownCause, seen
from gradgate.diagnosis.training import Training


def _look(training: Training) -> Grounds | None:
    symptoms = training.seen("changed")
    if not symptoms:
        return None
    return Grounds(
        numbers=seen(symptoms),
        explains=symptoms,
        change=(
            "See what changed since in the data (the scale of a feature, missing values, their"
            " order), in the code, and in the batch size, the learning rate and the loss. If the"
            " change was meant, begin anew: set baseline.since in the policy, by a commit that"
            " somebody reviews."
        ),
        snippet="baseline:\n  since: ...  # the time of the change, in the policy",
        confidence="possible",
        because="the numbers are far from the earlier ones, and do not say why",
    )


CHANGED_SINCE: Final = KnownCause(
    id="changed-since",
    stage="data",
    title="Something changed since the earlier trainings",
    meaning="The same code on the same kind of data gives about the same numbers; these differ.",
    source="gradgate's rules on baselines",
    look=_look,
)
