"""From what the rules found to ranked causes: pure, and from the record alone."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from gradgate.contracts import Finding, ModelCard, Summary
from gradgate.contracts.cause import Cause
from gradgate.diagnosis.causes import ALL
from gradgate.diagnosis.rank import ranked
from gradgate.diagnosis.symptom import Symptom
from gradgate.diagnosis.training import Training


class Diagnosis(NamedTuple):
    """What was found.

    Attributes:
        causes: Ranked: the one to begin with first; none if nothing failed.
        broken: Which causes could not be looked for, since their code broke, and how.
    """

    causes: tuple[Cause, ...] = ()
    broken: tuple[str, ...] = ()


def diagnose(findings: Iterable[Finding], *, card: ModelCard, summary: Summary) -> Diagnosis:
    """Returns the causes of what failed. One that breaks is left out, and the others are heard.

    Args:
        findings: Of one optimizer's training, in any order; those that held are passed over.
        card: What was trained.
        summary: The run in numbers.
    """
    symptoms = tuple(found for finding in findings if (found := Symptom.of(finding)))
    if not symptoms:
        return Diagnosis()
    training = Training(symptoms=symptoms, card=card, summary=summary)
    causes: list[Cause] = []
    broken: list[str] = []
    for known in ALL:
        try:
            cause = known.find(training)
        except Exception as error:  # noqa: BLE001 - an explanation never changes a decision
            broken.append(f"{known.id}: {type(error).__name__}: {error}")
        else:
            causes += [cause] if cause else []
    blocking = {symptom.rule for symptom in symptoms if symptom.is_blocking}
    return Diagnosis(ranked(causes, blocking), tuple(broken))


def prescription(rule: str, causes: Sequence[Cause]) -> str:
    """The likeliest cause of what one rule found, and its cure, in one paragraph; or empty.

    Args:
        rule: Its id.
        causes: Ranked.
    """
    cause = next((cause for cause in causes if rule in cause.rules), None)
    return f"{cause.title}: {cause.change}" if cause else ""
