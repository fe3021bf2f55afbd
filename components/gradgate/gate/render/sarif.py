"""The verdict as SARIF 2.1.0, which code hosts show beside a change.

Source: OASIS, Static Analysis Results Interchange Format (SARIF) Version 2.1.0,
https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html.

What blocks is an `error`, what warns a `warning`; what passed is among the rules alone, since
viewers show every result as a finding. A result lies in the manifest of the record that was
judged: a verdict does not know the source of the training code.
"""

import json
import re
from collections.abc import Sequence
from typing import Any, Final

from gradgate.contracts import Verdict
from gradgate.gate.render import view
from gradgate.gate.render.clean import clean
from gradgate.gate.render.outcomes import Outcome, outcomes

_SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVELS: Final = {"block": "error", "warn": "warning", "ok": "none"}
_BRACKETS: Final = re.compile(r"[\\\[\]]")


def render_sarif(verdict: Verdict) -> str:
    """Returns the verdict as one SARIF log with one run; ASCII only."""
    shown = clean(verdict)
    judged = outcomes(shown)
    found = _found(judged)
    names = list(dict.fromkeys(outcome.name for outcome in (*judged[1:], *found)))
    rules = [_rule(name, judged) for name in names]
    run: dict[str, Any] = {
        "tool": {
            "driver": {
                "name": "gradgate",
                "version": shown.inputs.gate_version,
                "rules": rules,
            }
        },
        "invocations": [{"executionSuccessful": True}],
        "originalUriBaseIds": {
            "RECORD": {"description": {"text": "The health record that was judged."}}
        },
        "results": [_result(outcome, names.index(outcome.name)) for outcome in found],
        "properties": {
            "decision": shown.decision,
            "headline": shown.headline,
            "meaning": view.decided(shown),
            "blessed": shown.blessed,
            **dict(view.inputs(shown)),
            **{f"Waiver {name}": text for name, text in view.waivers(shown)},
        },
    }
    document = {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(document, indent=2, allow_nan=False) + "\n"


def _found(judged: Sequence[Outcome]) -> list[Outcome]:
    """What is worth a result; the decision only when nothing else says that it is no."""
    decision, *others = judged
    found = [outcome for outcome in others if outcome.level != "ok"]
    is_said = any(outcome.level == "block" for outcome in found)
    return found if is_said or decision.level != "block" else [decision, *found]


def _rule(name: str, judged: Sequence[Outcome]) -> dict[str, Any]:
    outcome = next(outcome for outcome in judged if outcome.name == name)
    rule: dict[str, Any] = {"id": name}
    if outcome.about:
        rule["fullDescription"] = {"text": _text(outcome.about)}
    if outcome.finding:
        severity = _LEVELS[outcome.finding.severity]
        rule["defaultConfiguration"] = {"level": severity}
    return rule


def _result(outcome: Outcome, index: int) -> dict[str, Any]:
    finding = outcome.finding
    offence = finding.first_offence if finding else None
    place = (offence.variable if offence else None) or ""
    location: dict[str, Any] = {
        "physicalLocation": {
            "artifactLocation": {"uri": "manifest.json", "uriBaseId": "RECORD"},
        }
    }
    if place:
        location["logicalLocations"] = [{"fullyQualifiedName": place, "kind": "variable"}]
    properties: dict[str, Any] = {"status": outcome.status, "group": outcome.group}
    if finding:
        properties |= {"observed": view.observed(finding), "expected": view.limit(finding)}
    if offence and offence.step is not None:
        properties["step"] = offence.step
    return {
        "ruleId": outcome.name,
        "ruleIndex": index,
        "level": _LEVELS[outcome.level],
        "message": {"text": _text(outcome.text)},
        "locations": [location],
        "partialFingerprints": {"ruleAndPlace/v1": f"{outcome.name}:{place}"},
        "properties": properties,
    }


def _text(text: str) -> str:
    """A message without placeholders and links of anybody else's (3.11.5 and 3.11.6)."""
    escaped = _BRACKETS.sub(lambda found: f"\\{found[0]}", text)
    return escaped.replace("{", "{{").replace("}", "}}")
