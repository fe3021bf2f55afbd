"""A lint report as SARIF 2.1.0, which code hosts show beside a change.

Source: OASIS, Static Analysis Results Interchange Format (SARIF) Version 2.1.0,
https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html.

A result lies in the file that people would change: the source of the function that makes the model,
or the model's file. Rules that were not asked are notifications of the tool.
"""

import json
import re
from pathlib import PurePath
from typing import Any, Final
from urllib.parse import quote

from gradgate.contracts import LintFinding, NotAsked
from gradgate.diagnosis.lint.render.shown import Shown
from gradgate.diagnosis.lint.rule import Rule
from gradgate.diagnosis.lint.rules import ALL

_SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVELS: Final = {"error": "error", "warning": "warning", "info": "note"}
_BRACKETS: Final = re.compile(r"[\\\[\]]")
_IDS: Final = tuple(rule.id for rule in ALL)


def render_sarif(shown: Shown) -> str:
    """Returns one SARIF log with one run; ASCII only."""
    results = [_result(shown, finding) for finding in shown.findings]
    ignored = [
        {**_result(shown, finding), "suppressions": [{"kind": "external"}]}
        for finding in shown.report.ignored
    ]
    run = {
        "tool": {
            "driver": {
                "name": "gradgate lint",
                "version": shown.version,
                "rules": [_rule(rule) for rule in ALL],
            }
        },
        "invocations": [
            {
                "executionSuccessful": True,
                "toolExecutionNotifications": [_not_asked(each) for each in shown.report.not_asked],
            }
        ],
        "results": [*results, *ignored],
    }
    document = {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(document, indent=2, allow_nan=False) + "\n"


def _rule(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "shortDescription": {"text": _text(rule.title)},
        "fullDescription": {"text": _text(rule.reason)},
        "help": {"text": _text("\n".join(("Sources:", *rule.sources)))},
        "defaultConfiguration": {"level": _LEVELS[rule.severity]},
    }


def _result(shown: Shown, finding: LintFinding) -> dict[str, Any]:
    location: dict[str, Any] = {}
    if shown.file is not None:
        uri = quote(PurePath(shown.file).as_posix())
        location["physicalLocation"] = {"artifactLocation": {"uri": uri}}
        if shown.line is not None:
            location["physicalLocation"]["region"] = {"startLine": shown.line}
    if finding.layer is not None:
        location["logicalLocations"] = [{"fullyQualifiedName": finding.layer, "kind": "object"}]
    return {
        "ruleId": finding.rule,
        "ruleIndex": _IDS.index(finding.rule),
        "level": _LEVELS[finding.severity],
        "message": {"text": _text(f"{finding.message}. To do: {finding.advice}.")},
        "locations": [location] if location else [],
        "partialFingerprints": {"ruleAndLayer/v1": f"{finding.rule}:{finding.layer or ''}"},
    }


def _not_asked(each: NotAsked) -> dict[str, Any]:
    return {
        "descriptor": {"id": "not-asked"},
        "associatedRule": {"id": each.rule},
        "level": "note",
        "message": {"text": _text(f"{each.rule} was not asked, or not of all layers: {each.why}")},
    }


def _text(text: str) -> str:
    """A message without placeholders and links of anybody else's (3.11.5 and 3.11.6)."""
    escaped = _BRACKETS.sub(lambda found: f"\\{found[0]}", text)
    return escaped.replace("{", "{{").replace("}", "}}")
