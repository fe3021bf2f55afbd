"""Loads a document that somebody wrote, and refuses whatever could mean two things.

All problems are reported at once, each with its line and column, the field, what was found there
and what to do. Nothing but `PolicyError` is ever raised, whatever the bytes.
"""

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path as FilePath
from typing import Any, TypeVar

from pydantic import ValidationError

from gradgate.contracts import Contract
from gradgate.gate.places import MAX_BYTES, Path, Places, Unreadable, field_name
from gradgate.gate.policy_error import PolicyError, Problem
from gradgate.gate.policy_fields import explain, place_of

_Document = TypeVar("_Document", bound=Contract)


def load_document(
    kind: type[_Document],
    text: str | bytes,
    *,
    source: str,
    code: str,
    noun: str,
    check: Callable[[_Document], list[tuple[Path, str]]],
) -> _Document:
    """Returns the document that a text says.

    Args:
        kind: What it must be.
        text: YAML 1.2 (so JSON too), at most 256 KiB.
        source: What messages call it.
        code: Of the error.
        noun: What it is, such as `a policy`.
        check: Finds the fields that make no sense, each with what to do.

    Raises:
        PolicyError: If it is no such document, or one that cannot be used; lists every problem.
    """
    # The parser is imported where there is something to read: whoever only judges starts without.
    from gradgate.gate.read_yaml import read_yaml

    try:
        value, places = read_yaml(text, noun=noun)
    except Unreadable as error:
        raise PolicyError(error.problems, source=source, code=code) from None
    try:
        document = kind.model_validate_json(json.dumps(value))
    except ValidationError as error:
        problems = _problems(error, value, places, kind)
        raise PolicyError(problems, source=source, code=code) from None
    misfits = check(document)
    if misfits:
        problems = [_problem(path, text, places) for path, text in misfits]
        raise PolicyError(problems, source=source, code=code)
    return document


def read_document(path: str | os.PathLike[str], *, code: str) -> bytes:
    """Returns the bytes of a file that somebody wrote.

    Raises:
        PolicyError: If there is no such file, or it is a link, a pipe, a directory, or too large.
    """
    source = os.fspath(path)
    try:
        flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW
        with os.fdopen(os.open(path, flags), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise PolicyError([Problem(text="is not a plain file")], source=source, code=code)
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        reason = "is a link; name the file itself" if FilePath(path).is_symlink() else None
        text = reason or f"cannot be read: {error.strerror}"
        raise PolicyError([Problem(text=text)], source=source, code=code) from None


def _problems(
    error: ValidationError, value: Any, places: Places, kind: type[Contract]
) -> list[Problem]:
    """One problem a field; a list that is empty only since its members are wrong is no other."""
    by_path: dict[Path, dict[str, None]] = {}
    for detail in error.errors(include_url=False):
        if detail["type"] == "too_short" and detail["input"]:
            continue
        path, text = explain(detail, value, kind)
        by_path.setdefault(path, {})[text] = None
    return [_problem(path, "; ".join(texts), places) for path, texts in by_path.items()]


def _problem(path: Path, text: str, places: Places) -> Problem:
    line, column = place_of(path, places)
    return Problem(text=text, field=field_name(path), line=line, column=column)
