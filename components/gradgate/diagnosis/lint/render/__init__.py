"""A lint report as text, JSON and SARIF."""

from collections.abc import Callable, Mapping
from typing import Final

from gradgate.diagnosis.lint.render.json import render_json
from gradgate.diagnosis.lint.render.sarif import render_sarif
from gradgate.diagnosis.lint.render.shown import Shown as Shown
from gradgate.diagnosis.lint.render.text import render_text

FORMATS: Final[Mapping[str, Callable[[Shown], str]]] = {
    "text": render_text,
    "json": render_json,
    "sarif": render_sarif,
}
