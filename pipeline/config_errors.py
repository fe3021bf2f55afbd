"""Says what is wrong with a configuration so that one can mend it."""

import difflib
from collections.abc import Sequence
from typing import Any, get_args

from pydantic import BaseModel


def explain(document: type[BaseModel], source: str, entry: Any) -> str:
    """Returns one of pydantic's errors about a document as a sentence with a remedy."""
    where = [str(step) for step in entry["loc"]]
    if entry["type"] != "extra_forbidden":
        return f"{source}: {'.'.join(where)}: {entry['msg']}, got {entry['input']!r}."
    *parents, name = where
    known = _fields(document, parents)
    place = f" of {'.'.join(parents)}" if parents else ""
    return (
        f"{source}: unknown field {name!r}{did_you_mean(name, known)} Fields{place}:"
        f" {', '.join(known)}."
    )


def _fields(document: type[BaseModel], parents: list[str]) -> tuple[str, ...]:
    kind: Any = document
    for name in parents:
        annotation = kind.model_fields[name].annotation
        kinds = [annotation, *get_args(annotation)]
        kind = next(k for k in kinds if isinstance(k, type) and issubclass(k, BaseModel))
    return tuple(kind.model_fields)


def did_you_mean(name: str, known: Sequence[str]) -> str:
    """Returns the end of a sentence about an unknown name: the likely one, or a full stop."""
    close = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]!r}?" if close else "."
