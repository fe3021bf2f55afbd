"""What a project lets go by: exceptions to the rules, by rule and by layer."""

import difflib
import fnmatch
import re
from collections.abc import Sequence
from typing import Final

from gradgate.contracts import LintFinding, LintReport
from gradgate.contracts.lint_config import Ignored, LintConfig
from gradgate.diagnosis.lint.asking import ordered
from gradgate.diagnosis.lint.rules import ALL

IDS: Final = tuple(rule.id for rule in ALL)
_COMMENT: Final = re.compile(r"#\s*gradgate:\s*ignore\b\s*(?:\[(?P<rules>[^\]]*)\])?(?P<reason>.*)")


def known_rule(name: str) -> str:
    """Returns the id of a rule.

    Raises:
        ValueError: If there is no such rule; says which one may be meant.
    """
    if name in IDS:
        return name
    close = difflib.get_close_matches(name, IDS, n=1)
    hint = f"did you mean {close[0]}?" if close else f"the rules are {', '.join(IDS)}"
    raise ValueError(f"there is no rule {name!r}; {hint}")


def from_pattern(pattern: str, reason: str = "told on the command line") -> Ignored:
    """Returns the exception that `RULE` or `RULE:LAYERS` says.

    Raises:
        ValueError: If there is no such rule.
    """
    rule, _, layers = pattern.partition(":")
    return Ignored(rule=known_rule(rule.strip()), layers=(layers,) if layers else (), reason=reason)


def from_comments(source: str) -> tuple[Ignored, ...]:
    """Returns the exceptions of comments `# gradgate: ignore[RULE, RULE] reason` in a source.

    Raises:
        ValueError: If one names no rule, or one that is none.
    """
    found = []
    for match in _COMMENT.finditer(source):
        named = [name.strip() for name in (match["rules"] or "").split(",") if name.strip()]
        if not named:
            raise ValueError("'# gradgate: ignore' must name its rules: # gradgate: ignore[RULE]")
        reason = match["reason"].strip(" :#-") or "told in a comment of the source"
        found += [Ignored(rule=known_rule(name), reason=reason) for name in named]
    return tuple(found)


def apply(report: LintReport, config: LintConfig) -> LintReport:
    """Returns the report with what is let go by set apart, and severities as they are here."""
    kept: list[LintFinding] = []
    ignored: list[LintFinding] = []
    for finding in (*report.findings, *report.ignored):
        severity = config.severity.get(finding.rule, finding.severity)
        weighed = finding.model_copy(update={"severity": severity})
        (ignored if _is_ignored(finding, config.ignore) else kept).append(weighed)
    return report.model_copy(update={"findings": ordered(kept), "ignored": tuple(ignored)})


def _is_ignored(finding: LintFinding, exceptions: Sequence[Ignored]) -> bool:
    return any(
        one.rule == finding.rule
        and (
            not one.layers
            or any(fnmatch.fnmatchcase(finding.layer or "", glob) for glob in one.layers)
        )
        for one in exceptions
    )
