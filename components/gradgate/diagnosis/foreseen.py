"""What the lint said of a model before it trained, as evidence for what was found afterwards."""

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from gradgate.contracts import LintFinding
from gradgate.contracts.cause import Confidence
from gradgate.diagnosis.symptom import Kind
from gradgate.diagnosis.training import Training

if TYPE_CHECKING:
    from gradgate.diagnosis.causes.base import Grounds

_SURER: Final[dict[Confidence, Confidence]] = {
    "possible": "likely",
    "likely": "sure",
    "sure": "sure",
}


def _always(finding: LintFinding, training: Training) -> bool:  # noqa: ARG001 - the shape of `fits`
    return True


@dataclasses.dataclass(frozen=True, kw_only=True)
class Foreseen:
    """How a cause can have been seen in the model before it trained.

    Attributes:
        rules: Ids of the rules of the lint that speak of it.
        kinds: The troubles that it explains where nothing but the lint speaks for it.
        fits: Whether a finding of these rules speaks of it: some rules find several things.
    """

    rules: tuple[str, ...]
    kinds: tuple[Kind, ...]
    fits: Callable[[LintFinding, Training], bool] = _always

    def said(self, training: Training) -> tuple[LintFinding, ...]:
        """Errors and warnings that speak of it. Not `info`, which sound models have too."""
        found = training.card.lint.findings if training.card.lint else ()
        return tuple(
            finding
            for finding in found
            if finding.rule in self.rules
            and finding.severity != "info"
            and self.fits(finding, training)
        )


def supported(grounds: "Grounds", said: tuple[LintFinding, ...], training: Training) -> "Grounds":
    """Returns the grounds with what the lint said of the same; as they are if it said nothing.

    They are surer by it where it spoke of that very layer, of an input, or of the whole model: what
    is wrong with another layer is worth reading, and shows nothing of this one.
    """
    if not said:
        return grounds
    inputs = {card.name for card in training.card.layers if card.kind == "InputLayer"}
    of_it = {None, grounds.layer, *inputs}
    one = next((each for each in said if _name(each) in of_it), said[0])
    where = f" of {_name(one)}" if one.layer else ""
    surer, because = grounds.confidence, grounds.because
    if grounds.layer is None or _name(one) in of_it:
        surer = _SURER[surer]
    if surer != grounds.confidence:
        because += "; and the lint saw it in the model before the training"
    return dataclasses.replace(
        grounds,
        numbers=(*grounds.numbers, f"gradgate lint said {one.rule}{where} before the training"),
        confidence=surer,
        because=because,
    )


def _name(finding: LintFinding) -> str | None:
    return finding.layer.rpartition("/")[2] if finding.layer else None
