"""A lint report for people, on a terminal."""

import textwrap
from typing import Final

from gradgate.contracts import LintFinding
from gradgate.diagnosis.lint.render.shown import Shown

_WIDTH: Final = 88


def render_text(shown: Shown) -> str:
    """Returns the findings, the worst first, what was not asked, and a count."""
    parts = [f"{shown.source}: {_model(shown)}"]
    parts += [_finding(finding) for finding in shown.findings]
    if shown.report.not_asked:
        width = max(len(each.rule) for each in shown.report.not_asked)
        listed = [
            _wrapped(f"  {each.rule:<{width}}  {each.why}", width + 4)
            for each in shown.report.not_asked
        ]
        parts.append("\n".join(["not asked, or not of all layers", *listed]))
    if shown.report.ignored:
        listed = [
            _wrapped(f"  {each.rule}{f'  {each.layer}' if each.layer else ''}", 4)
            for each in shown.report.ignored
        ]
        parts.append("\n".join(["ignored", *listed]))
    parts.append(_tally(shown))
    return "\n\n".join(parts) + "\n"


def _model(shown: Shown) -> str:
    card = shown.card
    layers = len({layer.path for layer in card.layers if layer.kind != "InputLayer"})
    compiled = f"{card.optimizer}, {card.loss or 'no loss'}" if card.optimizer else "not compiled"
    return f"model {card.model_name}, {layers} layers and operations, {compiled}"


def _finding(finding: LintFinding) -> str:
    head = f"{finding.severity} {finding.rule}"
    rows = [("what", finding.message), ("do", finding.advice)]
    return "\n".join([head, *(_wrapped(f"  {name:<5} {text}", 8) for name, text in rows)])


def _tally(shown: Shown) -> str:
    report = shown.report
    counts = [_some(shown.count("error"), "error"), _some(shown.count("warning"), "warning")]
    notes = shown.count("info")
    if notes:
        hidden = "" if shown.has_all else " not shown (--all)"
        counts.append(f"{_some(notes, 'note')}{hidden}")
    rules = [f"{len(report.passed)} rules passed"]
    if report.not_asked:
        rules.append(f"{len(report.not_asked)} not asked in full")
    if report.ignored:
        rules.append(f"{len(report.ignored)} ignored")
    return _wrapped(f"{', '.join(counts)}; {', '.join(rules)}")


def _some(count: int, noun: str) -> str:
    return f"{count or 'no'} {noun}{'' if count == 1 else 's'}"


def _wrapped(text: str, indent: int = 0) -> str:
    return textwrap.fill(
        text, _WIDTH, subsequent_indent=" " * indent, break_on_hyphens=False, break_long_words=False
    )
