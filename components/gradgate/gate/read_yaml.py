"""Reads the small, safe part of YAML that people write policies in: maps, lists, plain values.

What could run code, grow without bound or mean two things is refused: tags, anchors, aliases,
merge keys, directives, several documents, repeated keys, octal and other odd numbers. Values are
resolved here, by the core schema of YAML 1.2 (https://yaml.org/spec/1.2.2/#103-core-schema), so
`1e-7` is a number and `no` is a word.
"""

import math
import re
from collections.abc import Iterator
from typing import Any, Final

from ruamel.yaml import YAML, events
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from gradgate.gate.places import MAX_BYTES, Path, Places, Unreadable, field_name, short
from gradgate.gate.policy_error import Problem

_MAX_DEPTH: Final = 20
_MAX_NODES: Final = 4_000  # about a second for the parser, and some 300 rules
_MAX_LINES: Final = 5_000
_MAX_OPEN: Final = 100  # brackets: the parser's time rises with the square of open ones
_MAX_PROBLEMS: Final = 20
_MAX_INT: Final = 2**53
_MAX_SIZE: Final = 1e30
_INT: Final = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_ODD: Final = re.compile(r"[-+]?(0[0-9]+|0x[0-9a-fA-F]+|0o[0-7]+|[0-9]+(:[0-5]?[0-9])+)")
_NOT_FINITE: Final = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_WORDS: Final = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
# Line breaks and marks that make a text look other than it reads.
_HIDDEN: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\uffff]"
)


def read_yaml(data: str | bytes, *, noun: str = "a policy") -> tuple[Any, Places]:
    """Returns the value of a document, and where in the text each part of it stands.

    Args:
        data: The text.
        noun: What messages call such a document.

    Raises:
        Unreadable: If the text is anything else; nothing else is ever raised.
    """
    text = _decoded(data, noun)
    reader = _Reader(noun)
    try:
        value = reader.read(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        text = ", ".join(part for part in (error.context, error.problem) if part)
        raise Unreadable([_problem(f"is no YAML: {text}", mark)]) from None
    except (YAMLError, RecursionError, MemoryError, ValueError) as error:
        first_line = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise Unreadable([Problem(text=f"is no YAML: {first_line}")]) from None
    if reader.problems:
        raise Unreadable(reader.problems)
    return value, reader.places


def _decoded(data: str | bytes, noun: str) -> str:
    raw = data if isinstance(data, bytes) else data.encode("utf-8", "surrogatepass")
    if len(raw) > MAX_BYTES:
        raise Unreadable(
            [Problem(text=f"has {len(raw)} bytes, and {noun} has at most {MAX_BYTES}")]
        )
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Unreadable(
            [Problem(text=f"is not UTF-8 at byte {error.start}; save it as UTF-8")]
        ) from None
    text = text.replace("\r\n", "\n")
    for what, count, most in (
        ("lines", text.count("\n"), _MAX_LINES),
        ("open brackets", _open_brackets(text), _MAX_OPEN),
    ):
        if count > most:
            raise Unreadable([Problem(text=f"has {count} {what}, and {noun} has at most {most}")])
    hidden = _HIDDEN.search(text)
    if hidden:
        line = text.count("\n", 0, hidden.start()) + 1
        column = hidden.start() - text.rfind("\n", 0, hidden.start())
        name = f"U+{ord(hidden.group()):04X}"
        raise Unreadable(
            [
                Problem(
                    text=f"holds the invisible character {name}; remove it, since people and"
                    " programs would not read the same text",
                    line=line,
                    column=column,
                )
            ]
        )
    return text


def _open_brackets(text: str) -> int:
    """Most brackets open at once, counted before any parsing: also those within quotes."""
    depth = most = 0
    for bracket in re.findall(r"[\[\]{}]", text):
        depth = depth + 1 if bracket in "[{" else max(depth - 1, 0)
        most = max(most, depth)
    return most


def _problem(text: str, mark: Any, field: str = "") -> Problem:
    if mark is None:
        return Problem(text=text, field=field)
    return Problem(text=text, field=field, line=mark.line + 1, column=mark.column + 1)


class _Reader:
    """Builds the value straight from the parser's events, counting as it goes."""

    def __init__(self, noun: str) -> None:
        self.problems: list[Problem] = []
        self._noun = noun
        self.places: Places = {}
        self._nodes = 0

    def read(self, text: str) -> Any:
        stream: Iterator[Any] = iter(YAML(typ="safe", pure=True).parse(text))
        value, documents = None, 0
        for event in stream:
            if isinstance(event, events.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    self._stop(f"holds several documents; {self._noun} is one", event)
                if event.version or event.tags:
                    self._stop("has a directive (a line that starts with %); remove it", event)
                value = self._node(next(stream), stream, ())
        if not documents:
            text = f"is empty; {self._noun} says at least apiVersion and kind"
            raise Unreadable([Problem(text=text)])
        return value

    def _node(self, event: Any, stream: Iterator[Any], path: Path) -> Any:
        self._nodes += 1
        if self._nodes > _MAX_NODES:
            self._stop(f"has more than {_MAX_NODES} values", event)
        if len(path) > _MAX_DEPTH:
            self._stop(f"is nested more than {_MAX_DEPTH} deep", event)
        self.places.setdefault(path, (event.start_mark.line + 1, event.start_mark.column + 1))
        if isinstance(event, events.AliasEvent):
            self._note(f"is an alias (*{short(event.anchor)}); write the value out", event, path)
            return None
        if event.anchor:
            self._note(f"has an anchor (&{short(event.anchor)}); write the value out", event, path)
        if event.tag:
            self._note(f"has a tag ({short(str(event.tag))}); remove it", event, path)
        if isinstance(event, events.ScalarEvent):
            return self._scalar(event, path)
        if isinstance(event, events.SequenceStartEvent):
            return self._sequence(stream, path)
        return self._mapping(stream, path)

    def _sequence(self, stream: Iterator[Any], path: Path) -> list[Any]:
        values: list[Any] = []
        while not isinstance(event := next(stream), events.SequenceEndEvent):
            values.append(self._node(event, stream, (*path, len(values))))
        return values

    def _mapping(self, stream: Iterator[Any], path: Path) -> dict[str, Any]:
        values: dict[str, Any] = {}
        while not isinstance(event := next(stream), events.MappingEndEvent):
            key = self._key(event, path)
            here = (*path, key)
            if key in values:
                line, _ = self.places[here]
                self._note(f"stands twice, first in line {line}; keep one", event, here)
            else:
                self.places[here] = (event.start_mark.line + 1, event.start_mark.column + 1)
            values[key] = self._node(next(stream), stream, here)
        return values

    def _key(self, event: Any, path: Path) -> str:
        if not isinstance(event, events.ScalarEvent):
            self._stop("has a key that is no word", event)
        self._nodes += 1
        if event.anchor or event.tag:
            self._note("has a key with an anchor or a tag; remove it", event, path)
        if event.style is None and event.value == "<<":
            self._note("has a merge key (<<); write the fields out", event, path)
        return str(event.value)

    def _scalar(self, event: Any, path: Path) -> Any:
        text = str(event.value)
        if event.style is not None:  # quoted or a block: words, whatever they look like
            return text
        if text in _WORDS:
            return _WORDS[text]
        if _NOT_FINITE.fullmatch(text):
            self._note(f"is {text}; a limit is a finite number", event, path)
        elif _ODD.fullmatch(text):
            self._note(
                f"is {short(text)}, which programs read differently; write a decimal number, or"
                " quote it if it is a word",
                event,
                path,
            )
        elif _INT.fullmatch(text):
            return self._int(text, event, path)
        elif _FLOAT.fullmatch(text):
            return self._float(text, event, path)
        return text

    def _int(self, text: str, event: Any, path: Path) -> int:
        if len(text) <= 20 and abs(value := int(text)) <= _MAX_INT:
            return value
        self._note(f"is {short(text)}; a whole number is at most 2^53", event, path)
        return 0

    def _float(self, text: str, event: Any, path: Path) -> float:
        value = float(text)
        if math.isfinite(value) and abs(value) <= _MAX_SIZE:
            return value
        self._note(f"is {short(text)}; a number is at most 1e30", event, path)
        return 0.0

    def _note(self, text: str, event: Any, path: Path) -> None:
        self.problems.append(_problem(text, event.start_mark, field_name(path)))
        if len(self.problems) >= _MAX_PROBLEMS:
            raise Unreadable(self.problems)

    def _stop(self, text: str, event: Any) -> None:
        raise Unreadable([*self.problems, _problem(text, event.start_mark)])
