"""What somebody decided to let go by: the file `gradgate-lint.yaml`."""

from typing import Literal

from pydantic import Field

from gradgate.contracts.base import Contract


class Ignored(Contract):
    """One exception.

    Attributes:
        rule: Id of a rule.
        layers: Glob patterns of layer paths, such as `encoder/*`; empty is all of the model.
        reason: Why, for whoever reads it next.
    """

    rule: str
    layers: tuple[str, ...] = ()
    reason: str = Field(min_length=1)


class LintConfig(Contract):
    """How a project wants its models looked at.

    Attributes:
        ignore: What is let go by; it is told as ignored, not left out.
        severity: Of rules that weigh more or less here, by id.
    """

    ignore: tuple[Ignored, ...] = ()
    severity: dict[str, Literal["error", "warning", "info"]] = Field(default_factory=dict)
