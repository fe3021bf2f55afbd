"""Reads a compiled package: its name, its digest and the parameters that a run of it takes."""

import dataclasses
import difflib
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError


class CompiledError(ValueError):
    """A file that is no package, or values that its parameters do not take."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Compiled:
    """A package for Kubeflow Pipelines.

    Attributes:
        name: Of the pipeline.
        sha256: Of the file.
        parameters: Kubeflow's type of each parameter, as `NUMBER_INTEGER`.
        required: Those without a default.
    """

    path: Path
    name: str
    sha256: str
    parameters: Mapping[str, str]
    required: tuple[str, ...]

    def values(self, given: Mapping[str, str]) -> dict[str, Any]:
        """Returns the values that a run is given, by the type of each parameter.

        Args:
            given: As a command line has them: text as it is, all else as JSON.

        Raises:
            CompiledError: If one is unknown, missing, or of another type.
        """
        for name in given:
            if name not in self.parameters:
                close = difflib.get_close_matches(name, self.parameters, n=1)
                hint = f"; did you mean {close[0]!r}?" if close else "."
                known = ", ".join(self.parameters) or "none"
                raise CompiledError(f"there is no parameter {name!r}{hint} Parameters: {known}.")
        missing = [name for name in self.required if name not in given]
        if missing:
            raise CompiledError(
                f"these parameters have no default, so each needs a value: {', '.join(missing)}."
            )
        return {name: _value(name, self.parameters[name], text) for name, text in given.items()}


def read_compiled(path: Path) -> Compiled:
    """Reads the file that a compiler wrote.

    Raises:
        CompiledError: If it cannot be read, or is no package.
    """
    try:
        data = path.read_bytes()
        document: Any = next(iter(YAML(typ="safe", pure=True).load_all(data.decode())), None)
    except OSError as error:
        raise CompiledError(f"{path}: cannot be read: {error.strerror or error}.") from error
    except (YAMLError, UnicodeDecodeError) as error:
        raise CompiledError(f"{path}: this is no package: {error}") from error
    try:
        name = document["pipelineInfo"]["name"]
        inputs = document["root"].get("inputDefinitions", {}).get("parameters", {})
        parameters = {each: spec["parameterType"] for each, spec in sorted(inputs.items())}
    except (TypeError, KeyError, AttributeError) as error:
        raise CompiledError(
            f"{path}: this is no package of Kubeflow Pipelines 2 (no {error} in it). Compile one"
            " with kubeflow/compile.py."
        ) from error
    return Compiled(
        path=path,
        name=name,
        sha256=hashlib.sha256(data).hexdigest(),
        parameters=parameters,
        required=tuple(
            each
            for each, spec in sorted(inputs.items())
            if "defaultValue" not in spec and not spec.get("isOptional")
        ),
    )


def _value(name: str, kind: str, text: str) -> Any:
    if kind == "STRING":
        return text
    try:
        value = json.loads(text)
    except ValueError as error:
        raise CompiledError(f"parameter {name!r}: {text!r} is no JSON: {error}.") from error
    is_flag = isinstance(value, bool)
    fits = {
        "BOOLEAN": is_flag,
        "NUMBER_INTEGER": isinstance(value, int) and not is_flag,
        "NUMBER_DOUBLE": isinstance(value, int | float) and not is_flag,
        "LIST": isinstance(value, list),
        "STRUCT": isinstance(value, dict),
    }
    if not fits.get(kind, True):
        raise CompiledError(f"parameter {name!r} is a {kind}, got {text!r}.")
    return value
