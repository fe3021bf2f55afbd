"""What a step's container runs: one node of the pipeline, by TFX's own launcher.

python -m gradgate.kubeflow.step --factory MODULE:FUNCTION --node ID --graph DIGEST
    --executor-input JSON

Each step makes the pipeline anew from the run's parameters, which gives the same pipeline in each,
and launches its node against the metadata store of all runs. So drivers, resolvers, TFX's cache
and artifact types are what they are locally; Kubeflow orders the steps, and shows them.
"""

import argparse
import json
import logging
import sys
import time
from collections.abc import Mapping
from typing import Any

from gradgate.kubeflow import factory, metadata
from gradgate.kubeflow.graph import JOB_ID, METADATA, RUN_ID
from gradgate.kubeflow.publish import publish


class StepError(RuntimeError):
    """A step that cannot run; the message says what to change."""


def run_step(name: str, node_id: str, digest: str, executor_input: Mapping[str, Any]) -> str:
    """Launches a node, and publishes what Kubeflow's UI shows of it.

    Args:
        name: `module:function` that makes the pipeline.
        node_id: The node.
        digest: Of the graph that the package was compiled from.
        executor_input: Kubeflow's: parameters, and where outputs go.

    Returns:
        What became of it: `done`, `cached` or `skipped`.

    Raises:
        StepError: If this image makes another pipeline than the package was compiled from.
        FactoryError, MetadataError: If a parameter cannot be used.
        Exception: What the node raised.
    """
    values = dict(executor_input.get("inputs", {}).get("parameterValues", {}))
    given = {key: values.pop(key, "") for key in (RUN_ID, JOB_ID, METADATA)}
    connection = metadata.connection(given[METADATA])
    pipeline = factory.call(factory.load(name), values)

    from gradgate.kubeflow.read_graph import graph_of_compiled
    from gradgate.tfx import node

    compiled = node.compile_run(pipeline, given[RUN_ID] or given[JOB_ID])
    graph = graph_of_compiled(name, (), compiled)
    if graph.digest != digest:
        raise StepError(
            f"the package was compiled from another pipeline than this image makes: it asks for"
            f" {node_id!r} of a graph {digest[:12]}, and {name} gives {graph.digest[:12]} with"
            f" {', '.join(node.id for node in graph.nodes)}. Compile the package again with the"
            f" code of this image, or build the image again."
        )
    metadata.wait_for(connection)
    with metadata.explained():
        launched = node.launch(compiled, node_id, connection)
    verdict = next(known.verdict for known in graph.nodes if known.id == node_id)
    if verdict is not None and launched.execution is not None:
        artifacts = node.outputs(connection, launched.execution)
        publish(artifacts[verdict].uri, executor_input.get("outputs", {}))
    return launched.outcome


def main(arguments: list[str] | None = None) -> int:
    """Runs one step; returns the exit code of its container."""
    parser = argparse.ArgumentParser(prog="python -m gradgate.kubeflow.step")
    for option in ("--factory", "--node", "--graph", "--executor-input"):
        parser.add_argument(option, required=True)
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    begin = time.monotonic()
    print(f"gradgate: {options.node} ...", flush=True)  # noqa: T201 - a step's log
    try:
        outcome = run_step(
            options.factory, options.node, options.graph, json.loads(options.executor_input)
        )
    except (StepError, factory.FactoryError, metadata.MetadataError) as error:
        sys.stderr.write(f"gradgate: {options.node}: {error}\n")
        return 2
    took = time.monotonic() - begin
    print(f"gradgate: {options.node} {outcome} in {took:.1f} s", flush=True)  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
