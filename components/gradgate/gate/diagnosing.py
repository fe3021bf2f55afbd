"""Puts the likely causes beside the findings. They explain a decision and never change it."""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

from gradgate.contracts import Cause, IntegrityCheck, LintFinding, ModelCard, Policy
from gradgate.gate.asking import Answered
from gradgate.gate.evidence import Evidence


class Diagnosed(NamedTuple):
    """Answers of one optimizer, each that failed with what to change, and the causes, ranked."""

    answers: list[Answered]
    causes: tuple[Cause, ...]
    broken: tuple[str, ...]


def diagnosed(
    answers: Sequence[Answered],
    evidence: Evidence,
    *,
    shadow: Sequence[str] = (),
    optimizer: str = "",
) -> Diagnosed:
    """Returns the answers with their causes.

    A rule in shadow is told what to change; the causes are those that there would be without it.

    Args:
        answers: Of every rule to one optimizer's training.
        evidence: Of that training.
        shadow: Ids of rules in shadow.
        optimizer: Its name; empty where it is alone.
    """
    findings = [answer.finding for answer in answers]
    if all(finding.status in {"pass", "disabled"} for finding in findings):
        return Diagnosed(list(answers), (), ())
    # Imported where something failed alone: the causes are many files.
    from gradgate.diagnosis.finding_causes import diagnose, prescription

    found = whole = diagnose(findings, card=evidence.card, summary=evidence.summary)
    if any(finding.id in shadow for finding in findings):
        deciding = [finding for finding in findings if finding.id not in shadow]
        found = diagnose(deciding, card=evidence.card, summary=evidence.summary)
    told = [
        _told(
            answer,
            prescription(
                answer.finding.id, (whole if answer.finding.id in shadow else found).causes
            ),
        )
        for answer in answers
    ]
    causes = found.causes
    if optimizer:
        causes = tuple(cause.model_copy(update={"optimizer": optimizer}) for cause in causes)
    return Diagnosed(told, causes, found.broken)


def of_all(causes: Sequence[tuple[Cause, ...]], answers: Sequence[Answered]) -> tuple[Cause, ...]:
    """Returns the causes of every optimizer, ranked together.

    Args:
        causes: Of each.
        answers: Those that decide.
    """
    if not any(causes):
        return ()
    from gradgate.diagnosis.rank import ranked

    blocking = {a.finding.id for a in answers if a.finding.level == "block"}
    return ranked((cause for of_one in causes for cause in of_one), blocking)


def check_diagnosis(
    broken: Sequence[str], policy: Policy, answers: Sequence[Answered]
) -> tuple[IntegrityCheck, ...]:
    """Warns that some causes were not looked for, where the verdict is no pass anyway."""
    deciding = (a.finding for a in answers if a.finding.id not in policy.shadow_rules)
    if not broken or all(finding.level == "ok" for finding in deciding):
        return ()
    message = f"some causes could not be looked for, which changes no decision: {'; '.join(broken)}"
    return (IntegrityCheck(code="D-BROKEN", status="warn", message=message),)


def _told(answer: Answered, text: str) -> Answered:
    if not text:
        return answer
    finding = answer.finding.model_copy(update={"prescription": text})
    return dataclasses.replace(answer, finding=finding)


def design_of(card: ModelCard) -> tuple[LintFinding, ...]:
    """Returns what the lint warned of before the training, as the record has it."""
    found = card.lint.findings if card.lint else ()
    return tuple(finding for finding in found if finding.severity != "info")
