"""From a pipeline and settings to a file for Vertex AI: what `kubeflow/vertex.py` does."""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from gradgate.kubeflow.vertex_settings import VertexError, VertexSettings, require_bucket

_PLACES = {
    "root": "where artifacts and baselines are kept",
    "data-root": "CSV files with the table's columns",
    "schema-file": "the data schema: a copy of schemas/data/chicago_taxi/schema.pbtxt",
    "push-destination": "what the model server watches",
}


def main(
    arguments: Sequence[str] | None = None,
    *,
    settings: Path,
    create: Callable[..., Any],
    errors: tuple[type[Exception], ...] = (),
) -> int:
    """Compiles by the command line; returns the exit code.

    Args:
        arguments: None takes the process's.
        settings: File of settings, unless another is named.
        create: Makes the pipeline; imports TFX.
        errors: Those of `create` that say what to change.
    """
    parser = argparse.ArgumentParser(description="Compile the pipeline for Vertex AI Pipelines.")
    add = parser.add_argument
    add("--output", type=Path, required=True, help="file to write, .yaml")
    add("--settings", type=Path, default=settings, help="image, environment, resources by node")
    add("--image", help="of all nodes, instead of the settings'")
    for name, text in _PLACES.items():
        add(f"--{name}", required=True, help=f"gs://…: {text}")
    add("--config", default="sound", help="name of a configuration, or path of a YAML file")
    add("--mlflow", default="", help="address of the tracking server; none mirrors nothing")
    add("--beam", default="in_memory", help="a Beam engine, or a YAML file of one: docs/beam.md")
    add("--fail-run-on-block", action="store_true", help="turn a run red if its model is blocked")
    given = vars(parser.parse_args(arguments))
    output, image, path = (given.pop(name) for name in ("output", "image", "settings"))
    if output.suffix not in (".yaml", ".yml"):
        parser.error(f"--output: a .yaml file is written, got {output}")
    expected: tuple[type[Exception], ...] = (VertexError, OSError, YAMLError, *errors)
    try:
        said = _read(path) | ({"image": image} if image else {})
        chosen = VertexSettings.model_validate_json(json.dumps(said))
        for name in _PLACES:
            key = name.replace("-", "_")
            given[key] = require_bucket(f"--{name}", given[key])
        # TFX takes half a minute: what can be said without it has been said.
        pipeline = create(**given)
        from gradgate.kubeflow.vertex import compile_for_vertex

        text = compile_for_vertex(pipeline, chosen)
        output.write_text(text, encoding="utf-8")
    except ValidationError as error:
        lines = [
            f"{path}: {'.'.join(map(str, entry['loc']))}: {entry['msg']}, got {entry['input']!r}."
            for entry in error.errors()
        ]
        return _fail("\n".join(lines))
    except expected as error:
        return _fail(str(error))
    sys.stdout.write(f"{output}: image {chosen.image}\n")
    return 0


def _read(path: Path) -> dict[str, Any]:
    document = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    if not isinstance(document, dict):
        raise VertexError(f"{path}: settings are a mapping, got {type(document).__name__}.")
    return document


def _fail(text: str) -> int:
    sys.stderr.write(f"gradgate: {text}\n")
    return 2
