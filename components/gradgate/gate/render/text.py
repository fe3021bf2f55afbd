"""The verdict for a terminal: one line a rule, without colours or boxes."""

from typing import Final

from gradgate.contracts import Verdict
from gradgate.gate.render import view
from gradgate.gate.render.clean import clean

_MARKS: Final = {"block": "BLOCK", "warn": "warn", "ok": "ok"}


def render_text(verdict: Verdict) -> str:
    """Returns the verdict as plain lines."""
    shown = clean(verdict)
    lines = [shown.headline, view.decided(shown), ""]
    width = max((len(finding.id) for finding in shown.findings), default=0)
    for finding in shown.findings:
        lines.append(f"{_MARKS[finding.level]:<5} {finding.id:<{width}}  {finding.message}")
        if finding.first_offence and view.where(finding):
            lines.append(f"{'':<5} {'':<{width}}  first: {view.where(finding)}")
        if finding.prescription:
            lines.append(f"{'':<5} {'':<{width}}  do: {finding.prescription}")
    failed = [check for check in shown.integrity if check.status == "fail"]
    lines += [f"BLOCK {check.code}: {check.message}" for check in failed]
    lines += [
        f"{'BLOCK' if not (other.blessed and other.same_model) else 'ok':<5} {other.source}:"
        f" {'blessed' if other.blessed else 'not blessed'}"
        f"{'' if other.same_model else ', for another model'}"
        f"{f': {other.message}' if other.message else ''}"
        for other in shown.others
    ]
    if not failed:
        lines.append(f"ok    integrity: {len(shown.integrity)} checks")
    lines += ["", "blessed" if shown.blessed else "not blessed"]
    return "\n".join(lines) + "\n"
