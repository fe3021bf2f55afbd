"""Reads which Beam engine is wanted, by its name or from a YAML file.

A file says `runner:` and what that engine needs. What is missing is an error before anything is
imported: Beam would say so minutes later, from inside a component.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pipeline.beam import ENGINES, Beam, BeamError, JobServer
from pipeline.config_errors import did_you_mean, explain

RUNNERS = tuple(ENGINES)
_WORKERS = "worker_pool or worker_image"


def load_beam(name: str) -> Beam:
    """Returns the engine of that name with its defaults, or the one that a YAML file describes.

    Raises:
        BeamError: If there is none, or it needs more than its name.
    """
    if name.endswith((".yaml", ".yml")):
        try:
            text = Path(name).read_text(encoding="utf-8")
        except OSError as error:
            raise BeamError(f"{name}: cannot be read: {error.strerror or error}.") from error
        return parse_beam(text, source=name)
    engine = _engine(name, "--beam")
    needed = _needed(engine)
    if needed:
        raise BeamError(
            f"--beam {name}: it needs {', '.join(needed)}. Write them into a YAML file, with"
            f" `runner: {name}`, and give its path."
        )
    return engine.model_validate({})


def parse_beam(text: str, *, source: str) -> Beam:
    """Reads an engine from YAML text; `source` names it in messages."""
    try:
        document = YAML(typ="safe", pure=True).load(text)
        if not isinstance(document, dict):
            raise TypeError(f"a mapping with `runner:` is wanted, got {type(document).__name__}.")
        engine = _engine(document.get("runner"), f"{source}: runner")
        missing = [need for need in _needed(engine) if not document.keys() & need.split(" or ")]
        if missing:
            raise BeamError(f"{source}: {document['runner']} needs {', '.join(missing)} as well.")
        return engine.model_validate_json(json.dumps(document, allow_nan=False))
    except ValidationError as error:
        raise BeamError("\n".join(_said(engine, source, e) for e in error.errors())) from error
    except BeamError:
        raise
    except (YAMLError, TypeError, ValueError) as error:
        raise BeamError(f"{source}: {error}") from error


def with_more(
    engine: Beam, *, arguments: Sequence[str] = (), gate_engine: str | None = None
) -> Beam:
    """Returns the engine with more arguments of its pipelines, or another engine of the gate.

    Raises:
        BeamError: If an argument is none.
    """
    said = engine.model_dump()
    said["arguments"] = (*engine.arguments, *arguments)
    said["gate_engine"] = gate_engine or engine.gate_engine
    try:
        return type(engine).model_validate(said)
    except ValidationError as error:
        bad = error.errors()[0]["input"]
        raise BeamError(f"--beam-pipeline-args: {bad!r}: each is --NAME=VALUE.") from error


def _engine(name: object, where: str) -> type[Beam]:
    if isinstance(name, str) and name in ENGINES:
        return ENGINES[name]
    raise BeamError(
        f"{where}: there is no engine {name!r}{did_you_mean(str(name), RUNNERS)} Engines are"
        f" {', '.join(RUNNERS)}; or give the path of a YAML file."
    )


def _needed(engine: type[Beam]) -> list[str]:
    """What has no default; of workers from a pool and workers from an image, one is needed."""
    needed = [name for name, field in engine.model_fields.items() if field.is_required()]
    return [*needed, _WORKERS] if issubclass(engine, JobServer) else needed


def _said(engine: type[Beam], source: str, entry: Any) -> str:
    if entry["type"] != "value_error":
        return explain(engine, source, entry)
    where = "".join(f"{step}: " for step in entry["loc"])
    got = f", got {entry['input']!r}" if where else ""
    return f"{source}: {where}{entry['ctx']['error']}{got}."
