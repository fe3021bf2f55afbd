"""The likeliest cause first, and among those that are likely the deepest."""

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from typing import Final

from gradgate.contracts.cause import Cause
from gradgate.diagnosis.causes import ALL, STAGES

STAGE: Final = {known.id: STAGES.index(known.stage) for known in ALL}
_PLACE: Final = {known.id: place for place, known in enumerate(ALL)}
_SURE: Final = {"sure": 0, "likely": 1, "possible": 2}


def ranked(causes: Iterable[Cause], blocking: AbstractSet[str]) -> tuple[Cause, ...]:
    """Returns the causes in the order in which somebody should try their cures.

    First what explains a rule that blocks; then what the numbers speak for before what is only
    possible; then root before symptom, by stage; then how sure it is; then the order of the table.

    Args:
        causes: In any order.
        blocking: Ids of the rules that block.
    """

    def place(cause: Cause) -> tuple[bool, bool, int, int, int]:
        return (
            blocking.isdisjoint(cause.rules),
            cause.confidence == "possible",
            STAGE[cause.id],
            _SURE[cause.confidence],
            _PLACE[cause.id],
        )

    return tuple(sorted(causes, key=place))
