"""The files of a verdict artifact: the verdict itself first, then what shows it to people."""

import logging
from collections.abc import Callable, Iterator, Sequence

from gradgate.contracts import Verdict
from gradgate.gate.render import render, render_html
from gradgate.gate.render.picture import Picture

VERDICT, POLICY, WAIVERS = "verdict.json", "policy.yaml", "waivers.yaml"
HTML, MARKDOWN, PLOTS = "report.html", "report.md", "plots"
_log = logging.getLogger(__name__)


def report_files(
    verdict: Verdict,
    *,
    policy: str,
    waivers: str | None = None,
    pictures: Callable[[], Sequence[Picture]] = tuple,
) -> Iterator[tuple[str, bytes]]:
    """Yields path and content of each file.

    A report that cannot be drawn is left out and named in the log: it is for people, and changes
    no decision.

    Args:
        verdict: What they are about.
        policy: Its text.
        waivers: Theirs.
        pictures: Draws the training; called when the verdict is out of harm's way.
    """
    yield VERDICT, render(verdict, "json").encode("utf-8")
    yield POLICY, policy.encode("utf-8")
    if waivers is not None:
        yield WAIVERS, waivers.encode("utf-8")
    drawn = pictures()
    forms: tuple[tuple[str, Callable[[], str]], ...] = (
        (HTML, lambda: render_html(verdict, drawn)),
        (MARKDOWN, lambda: render(verdict, "markdown")),
    )
    for name, draw in forms:
        try:
            data = draw().encode("utf-8")
        except Exception:  # noqa: BLE001 - a drawing must not lose the verdict
            _log.exception("gradgate: %s could not be drawn; the verdict stands", name)
        else:
            yield name, data
    for picture in drawn:
        yield f"{PLOTS}/{picture.name}.svg", picture.file().encode("utf-8")
