"""Launches one node of a compiled pipeline by TFX's own launcher, and says what became of it.

Driver, resolver, cache and metadata are TFX's: whoever launches nodes by this, in one process or
each in a container of its own, gets what `LocalDagRunner` gives.
"""

import contextlib
import dataclasses
import sys
from collections.abc import Iterator, Sequence
from typing import Any, Literal

from ml_metadata.proto import metadata_store_pb2 as mlmd
from tfx.dsl.compiler import constants
from tfx.dsl.compiler.compiler import Compiler
from tfx.orchestration import metadata
from tfx.orchestration.local import runner_utils
from tfx.orchestration.pipeline import Pipeline
from tfx.orchestration.portable import launcher, runtime_parameter_utils
from tfx.proto.orchestration import pipeline_pb2

Outcome = Literal["done", "cached", "skipped"]


class NodeFailedError(RuntimeError):
    """A node whose execution is recorded as failed though its launcher returned."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Launched:
    """What became of a node.

    Attributes:
        outcome: `done`, `cached` (TFX took the outputs of an equal execution), or `skipped` (it
            was not launched, so that it has no execution).
        execution: Id of its execution in the metadata store; None if it was skipped.
    """

    outcome: Outcome
    execution: int | None


def compile_run(pipeline: Pipeline, run_id: str) -> pipeline_pb2.Pipeline:
    """Compiles a pipeline for one run; equal pipelines give equal results in every process."""
    with no_arguments():
        compiled = Compiler().compile(pipeline)
    name_run(compiled, run_id)
    return compiled


def name_run(compiled: pipeline_pb2.Pipeline, run_id: str) -> None:
    """Puts the run's id where the compiled pipeline has left room for it."""
    runtime_parameter_utils.substitute_runtime_parameter(
        compiled, {constants.PIPELINE_RUN_ID_PARAMETER_NAME: run_id}
    )


def node_ids(compiled: pipeline_pb2.Pipeline) -> tuple[str, ...]:
    """The nodes, each after all that it depends on."""
    return tuple(node.pipeline_node.node_info.id for node in compiled.nodes)


def launch(
    compiled: pipeline_pb2.Pipeline, node_id: str, connection: mlmd.ConnectionConfig | Any
) -> Launched:
    """Launches one node in this process.

    Args:
        compiled: The pipeline, with its run's id.
        node_id: One of `node_ids`.
        connection: Of the metadata store: a `ConnectionConfig` or a `MetadataStoreClientConfig`.

    Raises:
        KeyError: If there is no such node.
        NodeFailedError: If the node's inputs could not be resolved.
        Exception: What the node's executor raised.
    """
    nodes = {node.pipeline_node.node_info.id: node.pipeline_node for node in compiled.nodes}
    deployment = runner_utils.extract_local_deployment_config(compiled)
    with no_arguments():
        info = launcher.Launcher(
            pipeline_node=nodes[node_id],
            mlmd_connection=metadata.Metadata(connection),
            pipeline_info=compiled.pipeline_info,
            pipeline_runtime_spec=compiled.runtime_spec,
            executor_spec=runner_utils.extract_executor_spec(deployment, node_id),
            custom_driver_spec=runner_utils.extract_custom_driver_spec(deployment, node_id),
        ).launch()
    if info is None or info.execution_id is None:
        return Launched(outcome="skipped", execution=None)
    with metadata.Metadata(connection) as handle:
        (execution,) = handle.store.get_executions_by_id([info.execution_id])
    if execution.last_known_state == mlmd.Execution.FAILED:
        raise NodeFailedError(f"{node_id} could not run: {_reason(execution)}")
    is_cached = execution.last_known_state == mlmd.Execution.CACHED
    return Launched(outcome="cached" if is_cached else "done", execution=info.execution_id)


def outputs(connection: mlmd.ConnectionConfig | Any, execution: int) -> dict[str, mlmd.Artifact]:
    """Returns the artifacts that an execution gave out, by output key."""
    with metadata.Metadata(connection) as handle:
        events = handle.store.get_events_by_execution_ids([execution])
        keys = {
            event.artifact_id: event.path.steps[0].key
            for event in events
            if event.type == mlmd.Event.OUTPUT
        }
        artifacts: Sequence[mlmd.Artifact] = handle.store.get_artifacts_by_id(keys)
    return {keys[artifact.id]: artifact for artifact in artifacts}


@contextlib.contextmanager
def no_arguments() -> Iterator[None]:
    """TFX hands `sys.argv` on to executors, which would stumble over ours."""
    arguments, sys.argv = sys.argv, sys.argv[:1]
    try:
        yield
    finally:
        sys.argv = arguments


def _reason(execution: mlmd.Execution) -> str:
    text = execution.custom_properties["__execution_result__"].string_value
    return text.strip() or "its inputs could not be resolved"
