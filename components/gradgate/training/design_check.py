"""The lint of a model that trains: what it says goes into the record, and is said at the start."""

import logging
from collections.abc import Sequence

from gradgate.contracts import ModelCard
from gradgate.contracts.lint_config import LintConfig
from gradgate.diagnosis.lint import lint
from gradgate.diagnosis.lint.exceptions import apply, from_pattern

_log = logging.getLogger("gradgate.lint")
_LEVELS = {"error": logging.ERROR, "warning": logging.WARNING}


def checked(card: ModelCard, ignored: Sequence[str]) -> ModelCard:
    """Returns the card with what the lint says of it.

    Args:
        card: Of a training.
        ignored: `RULE` or `RULE:LAYERS`, known rules.
    """
    exceptions = tuple(from_pattern(one, "told to the training") for one in ignored)
    report = apply(lint(card), LintConfig(ignore=exceptions))
    return card.model_copy(update={"lint": report})


def say(card: ModelCard) -> None:
    """Logs errors and warnings, one line each."""
    for finding in card.lint.findings if card.lint else ():
        if finding.severity in _LEVELS:
            _log.log(
                _LEVELS[finding.severity],
                "%s %s: %s. To do: %s",
                *(finding.severity, finding.rule, finding.message, finding.advice),
            )
