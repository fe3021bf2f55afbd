"""From what pydantic says of a value to what a person needs: which field, got what, what to do."""

import re
import types
import typing
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from gradgate.contracts import Policy
from gradgate.gate.check_policy import did_you_mean
from gradgate.gate.places import Path, Places


def explain(
    detail: Mapping[str, Any], value: Any, document: type[BaseModel] = Policy
) -> tuple[Path, str]:
    """Returns the field of one validation error and the sentence about it.

    Args:
        detail: One of `ValidationError.errors()`.
        value: The whole document.
        document: What it should have been.
    """
    location = tuple(detail["loc"])
    path, context = _inside(location, value), detail.get("ctx", {})
    if "quantifier" in path:
        path = path[: path.index("quantifier") + 1]
        written = shown(_at(path, value))
        return path, f"got {written}; use all, any, {{at_most: 2}} or {{fraction: 0.05}}"
    if path[-3:-1] == ("window", "range"):
        text = f"got {shown(detail['input'])}; give a number of steps or a percentage as 5%"
        return path, text
    if path[-2:] == ("window", "range"):
        text = f"got {shown(detail['input'])}; give where it begins and ends, as [10%, 50%]"
        return path, text
    if path[-2:-1] == ("window",) and detail["type"] != "extra_forbidden":
        burn_in = ", or burn-in" if path[-1] == "skip_first" else ""
        text = f"got {shown(detail['input'])}; give a number of steps, a percentage as 5%{burn_in}"
        return path, text
    kind, got = detail["type"], detail.get("input")
    if kind == "extra_forbidden":
        known = _fields_at(location[:-1], document)
        hint = did_you_mean(str(location[-1]), known)
        return path, f"there is no such field;{hint} the fields here are {', '.join(known)}"
    if kind == "missing":
        return path, f"{location[-1]} is missing"
    if kind in {"union_tag_invalid", "union_tag_not_found"}:
        tag = str(context["discriminator"]).strip("'")
        if kind == "union_tag_not_found":
            return path, f"{tag} is missing"
        tags = str(context["expected_tags"])
        hint = _hint(context["tag"], tags)
        return (*path, tag), f"got {context['tag']!r};{hint} use one of {tags}"
    if kind == "literal_error":
        words = str(context["expected"])
        return path, f"got {shown(got)};{_hint(got, words)} use {words}"
    if kind == "string_pattern_mismatch":
        if path[:1] == ("staleness",):
            return path, f"got {shown(got)}; give a length of time as 90s, 5m, 24h or 7d"
        return path, f"got {shown(got)}; must match {context['pattern']}"
    message = str(detail["msg"]).removeprefix("Value error, ")
    if kind == "value_error":
        return path, message
    return path, f"got {shown(got)}; {message[:1].lower()}{message[1:]}"


def _hint(got: Any, known: str) -> str:
    """What was meant, of the quoted words that may stand here; of those that are close at hand.

    They are few and short, and a wrong guess, `mean` for `median`, would be worse than none.
    """
    words = re.findall(r"'([^']*)'", known)
    return did_you_mean(str(got), words, cutoff=0.85) if len(words) > 1 else ""


def place_of(path: Path, places: Places) -> tuple[int, int]:
    """Line and column of a field, or of the nearest that is in the text and holds it."""
    while path and path not in places:
        path = path[:-1]
    return places[path]


def _at(path: Path, value: Any) -> Any:
    for part in path:
        value = value[part]
    return value


def _inside(location: tuple[str | int, ...], value: Any) -> Path:
    """The location without what is no field: names of types, and a missing last field."""
    path: list[str | int] = []
    for part in location:
        is_key = isinstance(value, dict) and part in value
        is_index = isinstance(value, list) and isinstance(part, int) and part < len(value)
        if is_key or is_index:
            path.append(part)
            value = value[part]
    return tuple(path)


def _fields_at(location: tuple[str | int, ...], document: type[BaseModel]) -> list[str]:
    """Names of the fields that the models at a location have."""
    models: list[type[BaseModel]] = [document]
    for part in location:
        if isinstance(part, int):
            continue
        fields = [field for model in models for field in _named(model, part)]
        models = (
            [inner for field in fields for inner in _models_in(field)]
            if fields
            else [model for model in models if _has_tag(model, part)]
        )
    names = [field.alias or name for model in models for name, field in model.model_fields.items()]
    return list(dict.fromkeys(names))


def _named(model: type[BaseModel], part: str) -> list[Any]:
    return [
        field.annotation
        for name, field in model.model_fields.items()
        if part in {name, field.alias}
    ]


def _has_tag(model: type[BaseModel], tag: str) -> bool:
    tagged = (model.model_fields.get(name) for name in ("fn", "op"))
    return any(field is not None and tag in typing.get_args(field.annotation) for field in tagged)


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        return [annotation] if issubclass(annotation, BaseModel) else []
    return [model for inner in typing.get_args(annotation) for model in _models_in(inner)]


def shown(value: Any) -> str:
    """A value as it was written, cut off when long."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
