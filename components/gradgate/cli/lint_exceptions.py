"""Where exceptions to the lint are said: a file, the command line, comments of the source."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from gradgate.cli.exits import Exit, refuse
from gradgate.contracts.lint_config import LintConfig
from gradgate.diagnosis.lint.exceptions import from_comments, from_pattern, known_rule
from gradgate.gate.load_document import load_document, read_document
from gradgate.gate.policy_error import PolicyError

USUAL: Final = "gradgate-lint.yaml"
_CODE: Final = "L-config"


def config_of(path: Path | None, patterns: Sequence[str], source: str) -> LintConfig:
    """Returns what is let go by; ends the command where something is wrong in it.

    Args:
        path: Of the file; None takes the usual one if it is here.
        patterns: `RULE` or `RULE:LAYERS`.
        source: Of the function that makes the model; empty if there is none.

    Raises:
        typer.Exit: With status 13; what is wrong was said.
    """
    config = LintConfig()
    place = path or (Path(USUAL) if Path(USUAL).exists() else None)
    try:
        if place is not None:
            config = load_document(
                LintConfig,
                read_document(place, code=_CODE),
                source=str(place),
                code=_CODE,
                noun="a configuration of the lint",
                check=_check,
            )
        more = (*(from_pattern(pattern) for pattern in patterns), *from_comments(source))
    except (PolicyError, ValueError) as error:
        refuse(f"cannot lint: {error}", Exit.BAD_POLICY)
    return config.model_copy(update={"ignore": (*config.ignore, *more)})


def _check(config: LintConfig) -> list[tuple[Any, str]]:
    named: list[tuple[Any, str]] = [
        *((("ignore", at, "rule"), each.rule) for at, each in enumerate(config.ignore)),
        *((("severity", rule), rule) for rule in config.severity),
    ]
    wrong = []
    for path, rule in named:
        try:
            known_rule(rule)
        except ValueError as error:
            wrong.append((path, str(error)))
    return wrong
