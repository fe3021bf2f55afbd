"""Where something stands in a document that somebody wrote, and how messages name the place.

Apart from the reader, so that who only checks a document does not import a parser.
"""

from typing import Final

from gradgate.gate.policy_error import Problem

Path = tuple[str | int, ...]
Places = dict[Path, tuple[int, int]]

MAX_BYTES: Final = 256 * 1024


class Unreadable(Exception):  # noqa: N818 - carries the problems up to the loader
    """The text is not the YAML that a policy is written in."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__(problems)
        self.problems = problems


def field_name(path: Path) -> str:
    """`rules[2].expect.op` of a path."""
    parts = [f"[{part}]" if isinstance(part, int) else f".{short(part)}" for part in path]
    return "".join(parts).removeprefix(".")


def short(text: str) -> str:
    """At most 40 characters of a text, none of which can move a cursor."""
    shown = text if text.isprintable() else repr(text)[1:-1]
    return shown if len(shown) <= 40 else f"{shown[:37]}..."
