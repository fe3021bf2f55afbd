"""A verdict as people and programs read it: text, Markdown, HTML, JSON, JUnit, SARIF; explained.

Pure functions of the verdict: equal verdicts render to equal bytes, with no clock, network or
file but the template.
"""

from collections.abc import Callable, Mapping
from typing import Final

from gradgate.contracts import Verdict
from gradgate.gate.render.document import render_json
from gradgate.gate.render.explain import explain as explain
from gradgate.gate.render.html import render_html as render_html
from gradgate.gate.render.junit import render_junit
from gradgate.gate.render.markdown import render_markdown
from gradgate.gate.render.sarif import render_sarif
from gradgate.gate.render.text import render_text

FORMATS: Final[Mapping[str, Callable[[Verdict], str]]] = {
    "text": render_text,
    "json": render_json,
    "markdown": render_markdown,
    "html": render_html,
    "junit": render_junit,
    "sarif": render_sarif,
}


def render(verdict: Verdict, form: str) -> str:
    """Returns the verdict in one of `FORMATS`.

    Raises:
        ValueError: If there is no such format.
    """
    if form not in FORMATS:
        raise ValueError(f"There is no format {form!r}; use one of {', '.join(FORMATS)}.")
    return FORMATS[form](verdict)
