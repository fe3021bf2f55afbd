"""A verdict told to whoever is on call: what happened, where, why, what to change, how to check."""

import textwrap
from collections.abc import Mapping
from typing import Final

from gradgate.contracts import Cause, Finding, Verdict
from gradgate.diagnosis import telling
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
        places: Where its RECORD, MODEL, POLICY, WAIVERS, BASELINES and REPORT lie, as far as that
            is known.

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
        "\n".join(_wrapped(line) for line in (shown.headline, telling.in_a_line(shown)) if line),
        _wrapped(f"{view.decided(shown)} {view.tally(shown).capitalize()}."),
    ]
    sections += [
        _wrapped(f"{check.code}: {check.message}")
        for check in shown.integrity
        if check.status != "pass"
    ]
    sections += _why(shown, rule)
    sections += [_finding(shown, finding) for finding in chosen]
    if rule is None and shown.shadow_findings:
        sections.append(_wrapped(f"{view.shadow_tally(shown)}."))
        sections += [_finding(shown, f) for f in shown.shadow_findings if f.level != "ok"]
    if rule is None and shown.design:
        listed = [_wrapped(f"  {name}: {text}", indent=4) for name, text in view.design(shown)]
        sections.append("\n".join(["of the model, before it trained (gradgate lint)", *listed]))
    if shown.waivers:
        listed = [_wrapped(f"  {name}  {text}", indent=4) for name, text in view.waivers(shown)]
        sections.append("\n".join(["waivers", *listed]))
    sections.append(_again(shown, places or {}))
    return "\n\n".join(sections) + "\n"


def _why(verdict: Verdict, rule: str | None) -> list[str]:
    """The likely causes, each with its cure; of one rule, those of that rule."""
    if rule is not None:
        verdict = verdict.model_copy(update={"causes": telling.of_rule(verdict, rule)})
    first, others = telling.shown_first(verdict), telling.also_possible(verdict)
    if not first:
        return []
    sections = [f"why, and what to change{', the likeliest first' if len(first) > 1 else ''}"]
    sections += [_cause(place, cause) for place, cause in enumerate(first, start=1)]
    if others:
        listed = [_wrapped(f"  {telling.title(c)}: {c.change}", indent=4) for c in others]
        sections.append("\n".join(["also possible", *listed]))
    return [*sections, telling.ADVICE]


def _cause(place: int, cause: Cause) -> str:
    code = [f"{'':<18}{line}" for line in cause.snippet]
    return "\n".join(
        [
            f"{place}  {telling.title(cause)} ({telling.SURE[cause.confidence]})",
            *_rows(telling.rows(cause)),
            *(["", *code, ""] if code else []),
            *_rows(telling.small_print(cause)),
        ]
    )


def _rows(rows: list[tuple[str, str]]) -> list[str]:
    body = [_wrapped(f"{name:<15} {text}", indent=16) for name, text in rows if text]
    return [textwrap.indent(line, "  ") for line in body]


def _finding(verdict: Verdict, finding: Finding) -> str:
    rows = [("what happened", finding.message)]
    if finding.first_offence and view.where(finding):
        rows.append(("first", view.where(finding)))
        rows.append(("around it", _around(finding)))
    if len(finding.worst) > 1:
        worst = ", ".join(f"{w.variable} {view.value_of(finding, w)}" for w in finding.worst)
        rows.append(("worst", worst))
    rows += [
        ("the rule", finding.description),
        _cure(verdict, finding),
        ("evidence", _EVIDENCE[finding.evidence] if finding.observed.samples else ""),
    ]
    return "\n".join([f"{finding.level} {finding.id}", *_rows(rows)])


def _cure(verdict: Verdict, finding: Finding) -> tuple[str, str]:
    """The name of its cause; of a verdict from before there were causes, what it said."""
    if cause := telling.named(verdict, finding.id):
        return ("likely cause", cause)
    return ("what to change", finding.prescription)


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
    if missing := view.to_put_in(verdict, places):
        lines.append(f"  (write where it lies, for {', '.join(missing)})")
    names = {"Model", "Record", "Policy", "Policy digest", "Waivers digest", "Verdict"}
    names |= {"Baselines", "Anchor"}
    lines += [
        f"  {name.lower():<14} {text}" for name, text in view.inputs(verdict) if name in names
    ]
    if any(_is_about_nan(finding) for finding in verdict.findings):
        record = places.get("RECORD", "RECORD")
        lines += [
            "",
            "which operation gave the first NaN or infinity",
            f"  gradgate replay-step {record} --program MODULE:FUNCTION",
        ]
    return "\n".join(lines)


def _is_about_nan(finding: Finding) -> bool:
    return finding.level != "ok" and "nonfinite" in finding.signal


def _wrapped(text: str, indent: int = 0) -> str:
    return textwrap.fill(
        text, _WIDTH, subsequent_indent=" " * indent, break_on_hyphens=False, break_long_words=False
    )
