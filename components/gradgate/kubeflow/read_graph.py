"""Reads the graph of a TFX pipeline: imports TFX, so that whoever compiles need not.

Run as `python -m gradgate.kubeflow.read_graph MODULE:FUNCTION [NAME=TEXT ...]`, it writes JSON.
"""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from gradgate.kubeflow import factory
from gradgate.kubeflow.graph import Graph, Node

_RUN = "any-run"


def read_graph(name: str, values: Mapping[str, Any] | None = None) -> Graph:
    """Makes the pipeline, and returns its graph.

    Args:
        name: `module:function` that makes it.
        values: Of its parameters; those that are left out have their defaults.

    Raises:
        FactoryError: If the function cannot be used, or needs a value.
        Exception: What the function raised.
    """
    make = factory.load(name)
    return graph_of(name, factory.parameters(make), factory.call(make, values or {}))


def graph_of(name: str, parameters: Sequence[Any], pipeline: Any) -> Graph:
    """Returns the graph of a pipeline that has been made."""
    from gradgate.tfx.node import compile_run

    return graph_of_compiled(name, parameters, compile_run(pipeline, _RUN))


def graph_of_compiled(name: str, parameters: Sequence[Any], compiled: Any) -> Graph:
    """Returns the graph of a pipeline that has been compiled."""
    nodes = [node.pipeline_node for node in compiled.nodes]
    return Graph(
        name=compiled.pipeline_info.id,
        factory=name,
        parameters=tuple(parameters),
        nodes=tuple(
            Node(
                id=node.node_info.id,
                type=node.node_info.type.name,
                upstream=tuple(sorted(node.upstream_nodes)),
                verdict=_verdict(node),
            )
            for node in nodes
        ),
    )


def _verdict(node: Any) -> str | None:
    from gradgate.tfx.artifacts import TrainingHealthVerdict

    kind = TrainingHealthVerdict.TYPE_NAME
    keys = [
        key
        for key, output in node.outputs.outputs.items()
        if output.artifact_spec.type.name == kind
    ]
    return keys[0] if keys else None


if __name__ == "__main__":
    try:
        graph = read_graph(sys.argv[1], dict(pair.split("=", 1) for pair in sys.argv[2:]))
    except factory.FactoryError as problem:
        sys.exit(f"gradgate: {problem}")
    sys.stdout.write(graph.model_dump_json(indent=2) + "\n")
