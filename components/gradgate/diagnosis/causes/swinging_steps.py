"""Steps that go back and forth across the valley instead of along it."""

from typing import Final

from gradgate.diagnosis import optimizers
from gradgate.diagnosis.causes.base import Grounds, KnownCause, seen
from gradgate.diagnosis.training import Training


def _look(training: Training) -> Grounds | None:
    symptoms = training.seen("swings")
    if not symptoms:
        return None
    card = training.card
    rate, lower = optimizers.lower_rate(card)
    adam = "" if optimizers.normalises(card) else "Use Adam, which damps this by itself. Then lower"
    batch = card.batch_size
    larger = f" from {batch} to {4 * batch}" if batch else ""
    return Grounds(
        numbers=seen(symptoms),
        explains=symptoms,
        change=(
            f"{adam or 'Lower'} the learning rate"
            + ("" if rate is None else f" from {optimizers.plain(rate)}")
            + f" to {optimizers.plain(lower)}, and make the batch larger{larger}."
        ),
        snippet=optimizers.set_rate(card, lower),
        confidence="likely",
        because="consecutive steps were seen to undo each other",
    )


SWINGING_STEPS: Final = KnownCause(
    id="swinging-steps",
    stage="symptom",
    title="The steps go back and forth",
    meaning="One step undoes the one before, so much is computed and little is gained.",
    source="AUTOTRAINER (ICSE 2021): Adam, then a tenth of the rate, then larger batches",
    look=_look,
)
