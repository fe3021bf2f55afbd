"""The verdict as the contract says it, indented; ASCII only, so a terminal shows no tricks."""

import json

from gradgate.contracts import Verdict


def render_json(verdict: Verdict) -> str:
    """Returns the document as JSON that reads back to an equal verdict."""
    return json.dumps(verdict.document(), indent=2, sort_keys=True, allow_nan=False) + "\n"
