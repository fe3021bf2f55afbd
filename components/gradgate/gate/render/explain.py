"""A verdict told to whoever is on call: what happened, where, why, what to change, how to check."""

import textwrap
from collections.abc import Mapping
from typing import Final

from gradgate.contracts import Finding, Verdict
from gradgate.gate.render import view
from gradgate.gate.render.clean import clean
from gradgate.gate.wording import number

_WIDTH = 88


def explain(
    verdict: Verdict, rule: str | None = None, places: Mapping[str, str] | None = None
) -> str:
    """Returns the explanation as plain text.

    Args:
        verdict: Any verdict, passed ones too.
        rule: Only this rule; None for all that did not pass.
        places: Where its RECORD, MODEL, POLICY, WAIVERS and REPORT lie, as far as that is known.

    Raises:
        ValueError: If the verdict has no such rule.
    """
    shown = clean(verdict)
    if rule is not None:
        all_findings = (*shown.findings, *shown.shadow_findings)
        chosen = [finding for finding in all_findings if finding.id == rule]
        if not chosen:
            names = ", ".join(finding.id for finding in all_findings)
            raise ValueError(f"The verdict has no rule {rule!r}; its rules are {names}.")
    else:
        chosen = [finding for finding in shown.findings if finding.level != "ok"]
    sections = [
        _wrapped(shown.headline),
        _wrapped(f"{view.decided(shown)} {view.tally(shown).capitalize()}."),
    ]
    sections += [
        _wrapped(f"{check.code}: {check.message}")
        for check in shown.integrity
        if check.status != "pass"
    ]
    sections += [_finding(finding) for finding in chosen]
    if rule is None and shown.shadow_findings:
        sections.append(_wrapped(f"{view.shadow_tally(shown)}."))
        sections += [_finding(f) for f in shown.shadow_findings if f.level != "ok"]
    if shown.waivers:
        listed = [_wrapped(f"  {name}  {text}", indent=4) for name, text in view.waivers(shown)]
        sections.append("\n".join(["waivers", *listed]))
    sections.append(_again(shown, places or {}))
    return "\n\n".join(sections) + "\n"


def _finding(finding: Finding) -> str:
    rows = [("what happened", finding.message)]
    if finding.first_offence and view.where(finding):
        rows.append(("first", view.where(finding)))
        rows.append(("around it", _around(finding)))
    if len(finding.worst) > 1:
        worst = ", ".join(f"{w.variable} {view.value_of(finding, w)}" for w in finding.worst)
        rows.append(("worst", worst))
    rows += [
        ("the rule", finding.description),
        ("what to change", finding.prescription),
        ("evidence", _EVIDENCE[finding.evidence] if finding.observed.samples else ""),
    ]
    head = f"{finding.level} {finding.id}"
    body = [_wrapped(f"{name:<15} {text}", indent=16) for name, text in rows if text]
    return "\n".join([head, *(textwrap.indent(line, "  ") for line in body)])


_EVIDENCE: Final = {
    "reported": "reported by the training code",
    "recomputed": "recomputed by the gate from the bytes of the model",
}


def _around(finding: Finding) -> str:
    """A few samples before and after the first offence."""
    offence = finding.first_offence
    if offence is None or not offence.excerpt:
        return ""
    at = next((i for i, s in enumerate(offence.excerpt) if s.step == offence.step), 0)
    shown = offence.excerpt[max(0, at - 3) : at + 4]
    return ", ".join(f"{sample.step}: {number(sample.value)}" for sample in shown)


def _again(verdict: Verdict, places: Mapping[str, str]) -> str:
    lines = ["the report, with charts", f"  {places['REPORT']}", ""] if "REPORT" in places else []
    lines += ["to judge again", f"  {view.reproduce(verdict, places)}"]
    names = {"Model", "Record", "Policy", "Policy digest", "Waivers digest", "Verdict"}
    names |= {"Baselines", "Anchor"}
    lines += [
        f"  {name.lower():<14} {text}" for name, text in view.inputs(verdict) if name in names
    ]
    return "\n".join(lines)


def _wrapped(text: str, indent: int = 0) -> str:
    return textwrap.fill(
        text, _WIDTH, subsequent_indent=" " * indent, break_on_hyphens=False, break_long_words=False
    )
