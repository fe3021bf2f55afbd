"""Asks all rules of a model's description. Pure: the same card, the same report."""

from collections.abc import Sequence
from typing import Final

from gradgate.contracts import LintFinding, LintReport, ModelCard, NotAsked
from gradgate.diagnosis.lint.design import Design
from gradgate.diagnosis.lint.needs import is_in_part, missing
from gradgate.diagnosis.lint.rule import Rule
from gradgate.diagnosis.lint.rules import ALL

_ORDER: Final = ("error", "warning", "info")


def findings(card: ModelCard) -> tuple[LintFinding, ...]:
    """What the rules find in a model, the worst first; `info` is told too."""
    return lint(card).findings


def lint(card: ModelCard, rules: Sequence[Rule] = ALL) -> LintReport:
    """Asks rules of a model.

    A rule that raises is told as one that was not asked; the others are still heard.
    """
    design = Design(card)
    found: list[LintFinding] = []
    unasked: list[NotAsked] = []
    passed: list[str] = []
    for rule in rules:
        try:
            here, why = _ask(rule, design)
        except Exception as error:  # noqa: BLE001 - one broken rule must not silence the others
            here, why = [], f"the rule broke: {type(error).__name__}: {error}"
        found += here
        if why is not None:
            unasked.append(NotAsked(rule=rule.id, why=why))
        elif not here:
            passed.append(rule.id)
    return LintReport(findings=ordered(found), not_asked=tuple(unasked), passed=tuple(passed))


def ordered(found: Sequence[LintFinding]) -> tuple[LintFinding, ...]:
    """The worst first; else as they come."""
    return tuple(sorted(found, key=lambda finding: _ORDER.index(finding.severity)))


def _ask(rule: Rule, design: Design) -> tuple[list[LintFinding], str | None]:
    if design.layers and not rule.concerns(design):
        return [], None
    why = missing(rule, design)
    if why is not None and not is_in_part(rule, design):
        return [], why
    told = [
        LintFinding(
            rule=rule.id,
            severity=each.severity or rule.severity,
            layer=None if each.place is None else design.path(each.place),
            message=each.message,
            advice=each.advice,
        )
        for each in rule.ask(design)
    ]
    return told, why
