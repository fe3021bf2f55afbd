"""A verdict as a list of tests that passed or did not: what JUnit and SARIF are made of.

The first is the decision itself, so that a blocked model is a failure whatever else is listed.
"""

import dataclasses
from collections.abc import Mapping
from typing import Final, Literal

from gradgate.contracts import Finding, Verdict
from gradgate.contracts.verdict import Decision, OtherBlessing
from gradgate.gate.render import view

_LEVELS: Final[Mapping[str, Decision]] = {"pass": "ok", "warn": "warn"}
Group = Literal["decision", "rule", "shadow", "integrity", "blessing"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Outcome:
    """One thing that was judged.

    Attributes:
        name: Of the rule, the check or the other judge; several checks may share a code.
        level: What it does to the decision, or for another judge's blessing to the push. What is
            in shadow does nothing, so it warns of what it would do.
        status: Of the rule; `pass` or `fail` for everything else.
        text: What was found, where first, and what to change, a sentence each.
        about: What is asked; empty where the name says it.
        finding: Of the rule; None for everything else.
    """

    group: Group
    name: str
    level: Decision
    status: str
    text: str
    about: str = ""
    finding: Finding | None = None


def outcomes(verdict: Verdict) -> tuple[Outcome, ...]:
    """Returns every outcome: the decision, the rules worst first, the checks, the blessings."""
    is_shadow = verdict.mode == "shadow"
    decision = Outcome(
        group="decision",
        name="decision",
        level=verdict.decision,
        status="fail" if verdict.decision == "block" else "pass",
        text=f"{verdict.headline}. {view.decided(verdict)}",
        about="The model may be pushed.",
    )
    checks = (
        Outcome(
            group="integrity",
            name=check.code,
            level=_LEVELS.get(check.status, "block"),
            status=check.status,
            text=check.message or f"{check.code}: {check.status}",
        )
        for check in verdict.integrity
    )
    others = (_blessing(other) for other in verdict.others)
    rules = (_rule(finding, is_shadow=is_shadow) for finding in verdict.findings)
    apart = (_rule(finding, is_shadow=True, group="shadow") for finding in verdict.shadow_findings)
    return (decision, *rules, *apart, *checks, *others)


def _rule(finding: Finding, *, is_shadow: bool, group: Group = "rule") -> Outcome:
    is_mild = is_shadow and finding.level == "block"
    parts = ["In shadow; it would block."] if is_mild else []
    parts.append(_sentence(finding.message))
    if place := view.where(finding):
        parts.append(f"First at {place}.")
    if finding.prescription:
        parts.append(f"What to change: {finding.prescription}")
    return Outcome(
        group=group,
        name=finding.id,
        level="warn" if is_mild else finding.level,
        status=finding.status,
        text=" ".join(parts),
        about=finding.description,
        finding=finding,
    )


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _blessing(other: OtherBlessing) -> Outcome:
    is_yes = other.blessed and other.same_model
    text = "Did not bless this model."
    if other.blessed:
        text = "Blessed this model." if other.same_model else "Blessed another model."
    return Outcome(
        group="blessing",
        name=other.source,
        level="ok" if is_yes else "block",
        status="pass" if is_yes else "fail",
        text=f"{text} {other.message}".rstrip(),
        about="The other judge blessed the same model.",
    )
