"""What a cause is: a frozen object that looks at a training and says whether it speaks for it."""

import dataclasses
from collections.abc import Callable, Iterable
from typing import Final, Literal

from gradgate.contracts import LintFinding
from gradgate.contracts.cause import Cause, Confidence
from gradgate.diagnosis.foreseen import Foreseen, supported
from gradgate.diagnosis.symptom import Symptom
from gradgate.diagnosis.training import Training

Stage = Literal["data", "wiring", "structure", "setting", "symptom"]
STAGES: Final[tuple[Stage, ...]] = ("data", "wiring", "structure", "setting", "symptom")
"""From what must be right first to what is only the look of it.

Source of the order: AUTOTRAINER (ICSE 2021), `modules.py`: abnormal data, then activation and loss,
then gradients, then slow training.
"""
_FEW: Final = 2


@dataclasses.dataclass(frozen=True, kw_only=True)
class Grounds:
    """Why a cause is suspected in a training, and what to do there.

    The fields are those of `gradgate.contracts.Cause`.

    Attributes:
        explains: The symptoms that would go away with it.
        snippet: Lines of code.
    """

    numbers: tuple[str, ...]
    explains: tuple[Symptom, ...]
    change: str
    confidence: Confidence
    because: str
    layer: str | None = None
    snippet: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class KnownCause:
    """One thing that can be wrong with a training.

    Attributes:
        id: Its name, in lower case with hyphens.
        stage: How deep it lies; see `STAGES`.
        title, meaning, source: As in `gradgate.contracts.Cause`.
        look: Returns the grounds for it in a training; None when there are none. Pure.
        foreseen: What the lint may have said of it before the training; None for what it cannot.
    """

    id: str
    stage: Stage
    title: str
    meaning: str
    source: str
    look: Callable[[Training], Grounds | None]
    foreseen: Foreseen | None = None

    def find(self, training: Training) -> Cause | None:
        """Returns the cause where it explains a symptom, and numbers speak for it."""
        grounds = self._grounds(training)
        if grounds is None or not grounds.explains or not grounds.numbers:
            return None
        return Cause(
            id=self.id,
            title=self.title,
            meaning=self.meaning,
            numbers=grounds.numbers,
            layer=grounds.layer,
            change=grounds.change,
            snippet=tuple(grounds.snippet.splitlines()),
            confidence=grounds.confidence,
            because=grounds.because,
            source=self.source,
            rules=tuple(dict.fromkeys(symptom.rule for symptom in grounds.explains)),
        )

    def _grounds(self, training: Training) -> Grounds | None:
        """Of the record's numbers, surer where the lint spoke of it; else of the lint alone."""
        grounds = self.look(training)
        said = self.foreseen.said(training) if self.foreseen else ()
        if self.foreseen is None or grounds is not None:
            return grounds and supported(grounds, said, training)
        symptoms = training.seen(*self.foreseen.kinds)
        return _by_lint(said[0], symptoms) if said and symptoms else None


def _by_lint(finding: LintFinding, symptoms: tuple[Symptom, ...]) -> Grounds:
    """What the lint said, where it alone speaks for the cause: an error cannot learn as it is."""
    return Grounds(
        numbers=(f"gradgate lint said {finding.rule} before the training: {finding.message}",),
        explains=symptoms,
        change=f"{finding.advice[0].upper()}{finding.advice[1:]}.",
        layer=finding.layer.rpartition("/")[2] if finding.layer else None,
        confidence="likely" if finding.severity == "error" else "possible",
        because="the model is so, but the numbers of the training do not show it by themselves",
    )


def known(*numbers: str | None) -> tuple[str, ...]:
    """Returns what could be said; None is what was not measured."""
    return tuple(number for number in numbers if number)


def seen(symptoms: Iterable[Symptom]) -> tuple[str, ...]:
    """What the rules saw, in their own words: where nothing is known that says more."""
    return tuple(symptom.message for symptom in symptoms if symptom.message)[:_FEW]
