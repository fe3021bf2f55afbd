"""What a policy is expected to decide of a training: `expect.yaml` of a fixture.

A policy is code, and this is its unit test: the decision, exactly the rules and checks that fail,
and where the first offence lies.
"""

from typing import Final

from pydantic import Field

from gradgate.contracts import Verdict
from gradgate.contracts.base import Contract
from gradgate.contracts.policy import Identifier
from gradgate.contracts.verdict import Decision, Finding
from gradgate.gate.load_document import load_document
from gradgate.gate.places import Path

EXPECTATION: Final = "expect.yaml"
_LEVELS: Final = ("block", "warn", "ok")


class ExpectedOffence(Contract):
    """Where a rule was first broken for good; what is not said is not compared.

    Attributes:
        rule: Of which rule; None is the worst.
    """

    rule: Identifier | None = None
    step: int | None = Field(default=None, ge=0)
    variable: str | None = None


class Expectation(Contract):
    """What a policy is to decide of one training; what is in shadow as if it were enforced.

    Attributes:
        description: What the training is an example of.
        failed: Exactly the rules that fail, in any order. Rules that are unknown are not listed.
        checks: Exactly the codes of the checks of integrity that fail.
    """

    description: str = ""
    decision: Decision
    failed: tuple[Identifier, ...] = ()
    checks: tuple[str, ...] = ()
    first_offence: ExpectedOffence | None = None

    def differences(self, verdict: Verdict) -> list[str]:
        """Returns how a verdict differs from this, a line each; none if it does not."""
        lines = []
        decision = verdict.would_decide or verdict.decision
        if decision != self.decision:
            lines.append(f"decision: expected {self.decision}, got {decision}")
        failed = {finding.id for finding in _findings(verdict) if finding.status == "fail"}
        checks = {check.code for check in verdict.integrity if check.status == "fail"}
        lines += _sets("failed", set(self.failed), failed)
        lines += _sets("checks", set(self.checks), checks)
        if self.first_offence is not None:
            lines += _offence(self.first_offence, verdict)
        return lines


def load_expectation(text: str | bytes, source: str = EXPECTATION) -> Expectation:
    """Returns the expectation that a text says.

    Args:
        text: YAML 1.2, as a policy.
        source: What messages call it.

    Raises:
        PolicyError: If it is none; the message names every problem with its line.
    """
    return load_document(
        Expectation, text, source=source, code="P-EXPECTATION", noun="an expectation", check=_sound
    )


def _sound(_: Expectation) -> list[tuple[Path, str]]:
    """What has the right form is an expectation."""
    return []


def _sets(name: str, expected: set[str], found: set[str]) -> list[str]:
    parts = [
        f"{word} {', '.join(sorted(names))}"
        for word, names in (("without", expected - found), ("also", found - expected))
        if names
    ]
    return [f"{name}: {'; '.join(parts)}"] if parts else []


def _offence(expected: ExpectedOffence, verdict: Verdict) -> list[str]:
    finding = _finding(expected, verdict)
    if finding is None or finding.first_offence is None:
        return [f"first offence: expected one of {expected.rule or 'the worst rule'}, got none"]
    found = finding.first_offence
    return [
        f"first offence of {finding.id}: expected {name} {wanted}, got {getattr(found, name)}"
        for name in ("step", "variable")
        if (wanted := getattr(expected, name)) is not None and wanted != getattr(found, name)
    ]


def _finding(expected: ExpectedOffence, verdict: Verdict) -> Finding | None:
    if expected.rule is None:
        return next(iter(_findings(verdict)), None)
    return next((finding for finding in _findings(verdict) if finding.id == expected.rule), None)


def _findings(verdict: Verdict) -> list[Finding]:
    """All findings, worst first."""
    both = (*verdict.findings, *verdict.shadow_findings)
    return sorted(both, key=lambda finding: _LEVELS.index(finding.level))
