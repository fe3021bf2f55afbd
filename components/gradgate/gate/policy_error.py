"""The one error of a policy, or its waivers, that cannot be used, with every problem in it."""

import dataclasses
from collections.abc import Sequence


@dataclasses.dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        text: What was got and what to do.
        field: Such as `rules[2].expect.op`; empty for the text as a whole.
        line, column: From 1; None where there is no place.
    """

    text: str
    field: str = ""
    line: int | None = None
    column: int | None = None

    def at(self, source: str) -> str:
        """The problem as one line, `policy.yaml:12:5: rules[2].expect.op: ...`."""
        place = source if self.line is None else f"{source}:{self.line}:{self.column}"
        return ": ".join(part for part in (place, self.field, self.text) if part)


class PolicyError(ValueError):
    """A policy, or its waivers, that is missing or cannot be used.

    Attributes:
        code: `P-MISSING`, `P-INVALID` or `P-PIN`; `P-WAIVER` for waivers.
        problems: All of them, in the order of lines.
    """

    def __init__(
        self, problems: Sequence[Problem], *, source: str, code: str = "P-INVALID"
    ) -> None:
        in_order = sorted(problems, key=lambda problem: (problem.line or 0, problem.column or 0))
        super().__init__("\n".join(problem.at(source) for problem in in_order))
        self.code = code
        self.source = source
        self.problems = tuple(in_order)
