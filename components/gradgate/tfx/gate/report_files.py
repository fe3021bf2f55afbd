"""The files of a verdict artifact: the verdict itself first, then what shows it to people."""

import logging
from collections.abc import Iterator

from gradgate.contracts import Verdict
from gradgate.gate.render import render

VERDICT, POLICY, WAIVERS = "verdict.json", "policy.yaml", "waivers.yaml"
HTML, MARKDOWN = "report.html", "report.md"
_log = logging.getLogger(__name__)


def report_files(
    verdict: Verdict, *, policy: str, waivers: str | None = None
) -> Iterator[tuple[str, bytes]]:
    """Yields name and content of each file.

    A report that cannot be drawn is left out and named in the log: it is for people, and changes
    no decision.
    """
    yield VERDICT, render(verdict, "json").encode("utf-8")
    yield POLICY, policy.encode("utf-8")
    if waivers is not None:
        yield WAIVERS, waivers.encode("utf-8")
    for name, form in ((HTML, "html"), (MARKDOWN, "markdown")):
        try:
            data = render(verdict, form).encode("utf-8")
        except Exception:  # noqa: BLE001 - a drawing must not lose the verdict
            _log.exception("gradgate: %s could not be drawn; the verdict stands", name)
        else:
            yield name, data
