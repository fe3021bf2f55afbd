"""From a pipeline and a file of settings to a package: what `kubeflow/compile.py` does."""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from gradgate.kubeflow.graph import Graph
from gradgate.kubeflow.package import PackageError, compile_package
from gradgate.kubeflow.settings import Settings


def read_settings(path: Path) -> Settings:
    """Reads a file of settings.

    Raises:
        PackageError: If it cannot be used; the message names the field.
    """
    try:
        document = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
        if not isinstance(document, dict):
            raise PackageError(f"{path}: settings are a mapping, got {type(document).__name__}.")
        return Settings.model_validate_json(json.dumps(document, allow_nan=False))
    except ValidationError as error:
        lines = [
            f"{path}: {'.'.join(map(str, entry['loc']))}: {entry['msg']}, got {entry['input']!r}."
            for entry in error.errors()
        ]
        raise PackageError("\n".join(lines)) from error
    except (OSError, YAMLError, TypeError) as error:
        raise PackageError(f"{path}: {error}") from error


def read_graph_apart(factory: str) -> Graph:
    """Reads a pipeline's graph in a process of its own, which imports TFX and TensorFlow.

    A parameter `root`, if the pipeline has one, is a temporary folder there, for making a pipeline
    may lay files.

    Raises:
        PackageError: If it cannot be read; the message holds what that process said at its end.
    """
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(  # noqa: S603 - our own program
            [sys.executable, "-m", "gradgate.kubeflow.read_graph", factory, f"root={folder}"],
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
            check=False,
        )
    if done.returncode != 0:
        last = "\n".join(done.stderr.strip().splitlines()[-5:])
        raise PackageError(f"the graph of {factory} could not be read:\n{last}")
    return Graph.model_validate_json(done.stdout)


def main(arguments: list[str] | None = None, *, settings: Path, factory: str) -> int:
    """Compiles by the command line; returns the exit code.

    Args:
        arguments: None takes the process's.
        settings: File of settings, unless another is named.
        factory: Pipeline, unless another is named.
    """
    parser = argparse.ArgumentParser(description="Compile a pipeline for Kubeflow Pipelines 2.x.")
    parser.add_argument("--output", type=Path, required=True, help="package to write, .yaml")
    parser.add_argument("--settings", type=Path, default=settings, help="what each step gets")
    parser.add_argument("--image", help="image of every step, instead of the settings'")
    parser.add_argument("--pipeline", default=factory, help="module:function that makes it")
    parser.add_argument("--graph", type=Path, help="graph that read_graph wrote, instead of TFX")
    options = parser.parse_args(arguments)
    try:
        chosen = read_settings(options.settings)
        if options.image is not None:
            chosen = chosen.model_copy(update={"image": options.image})
        if options.graph is None:
            graph = read_graph_apart(options.pipeline)
        else:
            graph = Graph.model_validate_json(options.graph.read_text(encoding="utf-8"))
        compile_package(graph, chosen, options.output)
    except (PackageError, OSError, ValidationError) as error:
        sys.stderr.write(f"gradgate: {error}\n")
        return 2
    sys.stdout.write(f"{options.output}: {len(graph.nodes)} steps, image {chosen.image}\n")
    return 0
