"""The verdict for a pull request, a chat or a run's description: short, worst first."""

import html
import re
from typing import Final

from gradgate.contracts import Cause, Finding, Verdict
from gradgate.diagnosis import telling
from gradgate.gate.render import view
from gradgate.gate.render.clean import clean

_MARKS: Final = {"block": "\u26d4", "warn": "\u26a0\ufe0f", "ok": "\u2705"}
_LEVEL: Final = {"pass": "ok", "warn": "warn", "fail": "block"}
_HEAD: Final = ("| | rule | observed | expected | first offence |", "|---|---|---|---|---|")
_SPECIAL: Final = re.compile(r"([\\`*_{}\[\]()#+!|~$])")
_PLAIN: Final = re.compile(r"[\w:., -]+")


def render_markdown(verdict: Verdict) -> str:
    """Returns the verdict as Markdown that shows no markup of anybody else's."""
    shown = clean(verdict)
    mark = _MARKS[shown.decision]
    lines = [f"# {mark} {_text(shown.headline)}", "", _text(view.decided(shown)), ""]
    if cause := telling.in_a_line(shown):
        begin, _, said = cause.partition(": ")
        lines += [f"**{begin.capitalize()}:** {_text(said)}", ""]
    chief = view.chief(shown)
    if chief:
        lines += [
            f"- **Observed** {_text(view.observed(chief))}, expected {_text(view.limit(chief))}",
            f"- **First** {_text(view.where(chief))}",
            f"- **The rule** {_text(chief.description)}",
            f"- **What to change** {_text('' if verdict.causes else chief.prescription)}",
            "",
        ]
        lines = [line for line in lines if not line.endswith("** ")]
    lines += _why(shown)
    lines += [f"## {view.tally(shown).capitalize()}", ""]
    if shown.findings:
        lines += [*_HEAD, *(_row(finding) for finding in shown.findings), ""]
    if shown.shadow_findings:
        lines += [f"## {_text(view.shadow_tally(shown))}", "", *_HEAD]
        lines += [*(_row(finding) for finding in shown.shadow_findings), ""]
    others = [f for f in shown.findings if f.prescription and f != chief and not shown.causes]
    if others:
        lines += ["## What else to change", ""]
        lines += [f"- **{_text(f.id)}** {_text(f.prescription)}" for f in others]
        lines.append("")
    if shown.design:
        lines += ["## Of the model, before it trained", ""]
        lines += [f"- **{_text(name)}** {_text(text)}" for name, text in view.design(shown)]
        lines.append("")
    lines += ["## Evidence", ""]
    lines += [f"- {name}: {_text(value)}" for name, value in view.coverage(shown)]
    lines += [
        f"- {_MARKS[_LEVEL[check.status]]} {_text(check.code)}"
        f"{' ' + _text(check.message) if check.message else ''}"
        for check in shown.integrity
    ]
    lines += [
        f"- {_MARKS['ok' if other.blessed and other.same_model else 'block']}"
        f" {_text(other.source)} {_text(other.message)}".rstrip()
        for other in shown.others
    ]
    if shown.waivers:
        lines += ["", "## Waivers", ""]
        lines += [f"- **{_text(name)}** {_text(text)}" for name, text in view.waivers(shown)]
    lines += ["", "## Inputs", ""]
    lines += [f"- {name}: {_code(value)}" for name, value in view.inputs(shown)]
    lines += ["", "Again:", "", f"    {view.reproduce(shown)}", "", f"_{_text(view.PROMISE)}_"]
    return "\n".join(lines) + "\n"


def _why(verdict: Verdict) -> list[str]:
    """The likely causes, each with its cure; the others in a line each."""
    first, others = telling.shown_first(verdict), telling.also_possible(verdict)
    if not first:
        return []
    lines = ["## Why, and what to change", ""]
    for place, cause in enumerate(first, start=1):
        lines += _cause(place, cause)
    if others:
        lines += ["Also possible:", ""]
        lines += [f"- **{_text(telling.title(c))}** {_text(c.change)}" for c in others]
        lines.append("")
    return [*lines, _text(telling.ADVICE), ""]


def _cause(place: int, cause: Cause) -> list[str]:
    head = f"### {place}. {_text(telling.title(cause))} ({telling.SURE[cause.confidence]})"
    code = [f"    {line}" for line in cause.snippet]
    return [
        *(head, "", _text(cause.meaning), ""),
        *(f"- {_text(number)}" for number in cause.numbers),
        *("", f"**What to change** {_text(cause.change)}", ""),
        *([*code, ""] if code else []),
        *(f"_{name}: {_text(text)}_  " for name, text in telling.small_print(cause)),
        "",
    ]


def _row(finding: Finding) -> str:
    cells = (
        "\u2796" if view.is_left_out(finding) else _MARKS[finding.level],
        _text(finding.id + (" (waived)" if finding.status == "waived" else "")),
        _text(view.observed(finding)),
        _text(view.limit(finding)),
        _text(view.where(finding)),
    )
    return f"| {' | '.join(cells)} |"


def _text(text: str) -> str:
    return html.escape(_SPECIAL.sub(r"\\\1", text), quote=False)


def _code(text: str) -> str:
    return f"`{text}`" if _PLAIN.fullmatch(text) else _text(text)
