"""What can be said of a model before it trains: findings, and what could not be asked."""

from typing import Literal

from gradgate.contracts.base import Recorded

Severity = Literal["error", "warning", "info"]


class LintFinding(Recorded):
    """What one rule says of one place of a model.

    Attributes:
        rule: Id of the rule, such as `softmax-on-one-unit`.
        severity: `error`: it cannot learn as it stands. `warning`: it is likely to learn badly.
            `info`: others would do otherwise; sound models do so too.
        layer: Path of the layer, as in `LayerCard`; None for what concerns the model as a whole.
        message: What is there, with names and numbers, and what comes of it.
        advice: What to change.
    """

    rule: str
    severity: Severity
    layer: str | None = None
    message: str
    advice: str


class NotAsked(Recorded):
    """A rule that could not be asked, or not of every layer, and why: it did not pass."""

    rule: str
    why: str


class LintReport(Recorded):
    """What the lint found.

    Attributes:
        findings: The worst first; then in the order of the rules, and of the layers.
        not_asked: In the order of the rules.
        ignored: What the configuration lets go by.
        passed: Ids of the rules that were asked of everything and found nothing.
    """

    findings: tuple[LintFinding, ...] = ()
    not_asked: tuple[NotAsked, ...] = ()
    ignored: tuple[LintFinding, ...] = ()
    passed: tuple[str, ...] = ()
