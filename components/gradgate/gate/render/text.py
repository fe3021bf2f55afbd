"""The verdict for a terminal: one line a rule, without colours or boxes."""

from collections.abc import Sequence
from typing import Final

from gradgate.contracts import Finding, Verdict
from gradgate.diagnosis import telling
from gradgate.gate.render import view
from gradgate.gate.render.clean import clean

_MARKS: Final = {"block": "BLOCK", "warn": "warn", "ok": "ok"}


def render_text(verdict: Verdict) -> str:
    """Returns the verdict as plain lines."""
    shown = clean(verdict)
    cause = telling.in_a_line(shown)
    lines = [shown.headline, *([cause] if cause else []), view.decided(shown), ""]
    lines += _findings(shown, shown.findings)
    failed = [check for check in shown.integrity if check.status == "fail"]
    lines += [f"BLOCK {check.code}: {check.message}" for check in failed]
    lines += [
        f"{'BLOCK' if not (other.blessed and other.same_model) else 'ok':<5} {other.source}:"
        f" {'blessed' if other.blessed else 'not blessed'}"
        f"{'' if other.same_model else ', for another model'}"
        f"{f': {other.message}' if other.message else ''}"
        for other in shown.others
    ]
    warned = [check for check in shown.integrity if check.status == "warn"]
    lines += [f"warn  {check.code}: {check.message}" for check in warned]
    if not failed:
        lines.append(f"ok    integrity: {len(shown.integrity) - len(warned)} checks")
    if shown.waivers:
        lines += ["", "waivers", *(f"  {name}  {text}" for name, text in view.waivers(shown))]
    if shown.shadow_findings:
        lines += ["", view.shadow_tally(shown), *_findings(shown, shown.shadow_findings)]
    lines += _why(shown)
    lines += ["", "blessed" if shown.blessed else "not blessed"]
    return "\n".join(lines) + "\n"


def _findings(verdict: Verdict, findings: Sequence[Finding]) -> list[str]:
    lines = []
    width = max((len(finding.id) for finding in findings), default=0)
    for finding in findings:
        mark = "-" if view.is_left_out(finding) else _MARKS[finding.level]
        lines.append(f"{mark:<5} {finding.id:<{width}}  {finding.message}")
        if finding.first_offence and view.where(finding):
            lines.append(f"{'':<5} {'':<{width}}  first: {view.where(finding)}")
        if finding.prescription and not telling.named(verdict, finding.id):
            lines.append(f"{'':<5} {'':<{width}}  do: {finding.prescription}")
    return lines


def _why(verdict: Verdict) -> list[str]:
    """The likely causes, each with its cure; the others by name."""
    lines = []
    for cause in telling.shown_first(verdict):
        lines += ["", f"why: {telling.title(cause)} ({telling.SURE[cause.confidence]})"]
        lines += [f"  seen: {number}" for number in cause.numbers]
        lines.append(f"  do: {cause.change}")
        lines += [f"      {line}" for line in cause.snippet]
    if others := telling.also_possible(verdict):
        lines += ["", f"also possible: {'; '.join(telling.title(cause) for cause in others)}"]
    return lines
