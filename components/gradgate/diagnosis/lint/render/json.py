"""A lint report for programs."""

import json

from gradgate.diagnosis.lint.render.shown import SEVERITIES, Shown


def render_json(shown: Shown) -> str:
    """Returns one JSON object: all findings, shown or not, and what was not asked."""
    document = {
        "schema": "gradgate.lint/v1",
        "source": shown.source,
        "model": shown.card.model_name,
        "gradgate": shown.version,
        "counts": {severity: shown.count(severity) for severity in SEVERITIES},
        **shown.report.model_dump(mode="json"),
    }
    return json.dumps(document, indent=2, allow_nan=False) + "\n"
