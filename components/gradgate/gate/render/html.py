"""The report: one self-contained file that opens anywhere, offline, for years.

It tells an on-call person in five seconds what was decided, why, since which step, in which
layer, and what to change; then it shows all the evidence.
"""

import functools
from collections.abc import Sequence
from pathlib import Path

import jinja2
import markupsafe

from gradgate.contracts import Verdict
from gradgate.diagnosis import telling
from gradgate.gate.render import sparkline, view
from gradgate.gate.render.clean import clean
from gradgate.gate.render.picture import Picture, plots_style

_FOLDER = Path(__file__).parent


def render_html(verdict: Verdict, pictures: Sequence[Picture] = ()) -> str:
    """Returns the report as one HTML document; every text in it is escaped.

    Args:
        verdict: What it is about.
        pictures: Drawn from the record of the same training.
    """
    shown = clean(verdict)
    return _template().render(
        verdict=shown,
        chief=view.chief(shown),
        failed=[check for check in shown.integrity if check.status == "fail"],
        drawings={
            finding.id: sparkline.draw(finding)
            for finding in (*shown.findings, *shown.shadow_findings)
        },
        width=sparkline.WIDTH,
        height=sparkline.HEIGHT,
        view=view,
        telling=telling,
        pictures=[
            (picture.is_wide, markupsafe.Markup(picture.inline()))  # noqa: S704 - escaped by Sheet
            for picture in pictures
        ],
        plots_style=markupsafe.Markup(plots_style()),  # noqa: S704 - a file of ours
    )


@functools.lru_cache(maxsize=1)
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    style = (_FOLDER / "report.css").read_text(encoding="utf-8")
    environment.globals["style"] = markupsafe.Markup(style)  # noqa: S704 - a file of ours
    return environment.get_template("report.html.j2")
