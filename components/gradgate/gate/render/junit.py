"""The verdict as JUnit XML, which every build server shows: one test case for all that was judged.

A rule, a check of integrity or another judge that keeps the model from being pushed is a failure,
a rule that broke an error; a warning passes, with what it says in `system-out`.

The form is the one that Jenkins checks: `junit-10.xsd` of its xunit plugin. Times are 0: the same
verdict gives the same bytes.
"""

from collections.abc import Mapping, Sequence
from typing import Final
from xml.etree import ElementTree as ET

from gradgate.contracts import Verdict
from gradgate.gate.render import view
from gradgate.gate.render.clean import clean
from gradgate.gate.render.outcomes import Group, Outcome, outcomes

_SUITES: Final[Mapping[Group, str]] = {
    "decision": "decision",
    "rule": "rules",
    "shadow": "rules in shadow",
    "integrity": "integrity",
    "blessing": "other judges",
}
_NO_TIME: Final = "0"


def render_junit(verdict: Verdict) -> str:
    """Returns the verdict as one XML document."""
    shown = clean(verdict)
    judged = outcomes(shown)
    root = ET.Element("testsuites", {"name": "gradgate", **_counts(judged)})
    for group, name in _SUITES.items():
        members = [outcome for outcome in judged if outcome.group == group]
        if members:
            root.append(_suite(f"gradgate.{name}", members, _facts(shown, group)))
    ET.indent(root)
    text = ET.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


def _facts(verdict: Verdict, group: Group) -> list[tuple[str, str]]:
    """What is known of the whole stands with the decision, and nowhere else."""
    if group != "decision":
        return []
    waivers = [(f"Waiver {name}", text) for name, text in view.waivers(verdict)]
    return [*view.inputs(verdict), *view.coverage(verdict), *waivers]


def _suite(name: str, members: Sequence[Outcome], facts: Sequence[tuple[str, str]]) -> ET.Element:
    suite = ET.Element("testsuite", {"name": name, **_counts(members)})
    if facts:
        properties = ET.SubElement(suite, "properties")
        for key, value in facts:
            ET.SubElement(properties, "property", {"name": key, "value": value})
    for outcome in members:
        suite.append(_case(name, outcome))
    return suite


def _case(suite: str, outcome: Outcome) -> ET.Element:
    attributes = {"classname": suite, "name": outcome.name, "time": _NO_TIME}
    case = ET.Element("testcase", attributes)
    if _is_skipped(outcome):
        ET.SubElement(case, "skipped", {"message": outcome.text})
    elif outcome.level == "block":
        tag = "error" if outcome.status == "error" else "failure"
        said = ET.SubElement(case, tag, {"type": outcome.status, "message": _short(outcome)})
        said.text = outcome.text
    elif outcome.level == "warn":
        ET.SubElement(case, "system-out").text = f"warning: {outcome.text}"
    return case


def _is_skipped(outcome: Outcome) -> bool:
    return outcome.status == "disabled" and outcome.level != "block"


def _short(outcome: Outcome) -> str:
    return outcome.finding.message if outcome.finding else outcome.text


def _counts(members: Sequence[Outcome]) -> dict[str, str]:
    blocking = [outcome for outcome in members if outcome.level == "block"]
    errors = sum(outcome.status == "error" for outcome in blocking)
    return {
        "tests": str(len(members)),
        "failures": str(len(blocking) - errors),
        "errors": str(errors),
        "skipped": str(sum(_is_skipped(outcome) for outcome in members)),
        "time": _NO_TIME,
    }
