"""Runs a pipeline in this process, node by node, and says what each node did.

TFX's `LocalDagRunner` keeps quiet about its nodes, and goes on as if nothing had happened when a
node's inputs cannot be resolved. This one tells a listener, and raises.
"""

import datetime as dt
import time

from ml_metadata.proto import metadata_store_pb2 as mlmd
from tfx.dsl.compiler import constants
from tfx.orchestration import metadata
from tfx.orchestration.local import runner_utils
from tfx.orchestration.local.local_dag_runner import LocalDagRunner
from tfx.orchestration.portable import launcher, runtime_parameter_utils
from tfx.proto.orchestration import pipeline_pb2

from pipeline.listener import Listener, Outcome


class StageFailedError(RuntimeError):
    """A node whose execution is recorded as failed though its launcher returned."""


class ListeningRunner(LocalDagRunner):
    """A `LocalDagRunner` with a listener.

    Attributes:
        executions: Id of each node's execution in the metadata store, once it has run; a node
            that was skipped has none.
    """

    def __init__(self, listener: Listener) -> None:
        super().__init__()
        self.executions: dict[str, int] = {}
        self._listener = listener
        self._connection: mlmd.ConnectionConfig | None = None

    def outputs(self, stage: str) -> dict[str, mlmd.Artifact]:
        """Returns the artifacts that a node that has run gave out, by output key."""
        with metadata.Metadata(self._connection) as handle:
            events = handle.store.get_events_by_execution_ids([self.executions[stage]])
            keys = {
                event.artifact_id: event.path.steps[0].key
                for event in events
                if event.type == mlmd.Event.OUTPUT
            }
            artifacts = handle.store.get_artifacts_by_id(keys)
        return {keys[artifact.id]: artifact for artifact in artifacts}

    def run_with_ir(
        self,
        pipeline: pipeline_pb2.Pipeline,
        run_options: pipeline_pb2.RunOptions | None = None,
    ) -> None:
        """Runs all nodes in order.

        Raises:
            StageFailedError: If a node's inputs could not be resolved.
            Exception: What a node's executor raised.
        """
        if run_options is not None:
            raise ValueError("ListeningRunner runs whole pipelines; leave run_options out.")
        run_id = dt.datetime.now(dt.timezone.utc).isoformat()
        runtime_parameter_utils.substitute_runtime_parameter(
            pipeline, {constants.PIPELINE_RUN_ID_PARAMETER_NAME: run_id}
        )
        deployment = runner_utils.extract_local_deployment_config(pipeline)
        connections = deployment.metadata_connection_config
        connection = getattr(connections, connections.WhichOneof("connection_config"))
        self._connection = connection
        self._listener.expect([node.pipeline_node.node_info.id for node in pipeline.nodes])
        for node in pipeline.nodes:
            stage = node.pipeline_node.node_info.id
            node_launcher = launcher.Launcher(
                pipeline_node=node.pipeline_node,
                mlmd_connection=metadata.Metadata(connection),
                pipeline_info=pipeline.pipeline_info,
                pipeline_runtime_spec=pipeline.runtime_spec,
                executor_spec=runner_utils.extract_executor_spec(deployment, stage),
                custom_driver_spec=runner_utils.extract_custom_driver_spec(deployment, stage),
            )
            self._run(stage, node_launcher)

    def _run(self, stage: str, node: launcher.Launcher) -> None:
        begin = time.monotonic()
        outcome: Outcome = "failed"
        self._listener.stage_started(stage)
        try:
            info = node.launch()
            if info is None or info.execution_id is None:
                outcome = "skipped"
                return
            self.executions[stage] = info.execution_id
            execution = self._execution(info.execution_id)
            if execution.last_known_state == mlmd.Execution.FAILED:
                raise StageFailedError(f"{stage} could not run: {_reason(execution)}")
            is_cached = execution.last_known_state == mlmd.Execution.CACHED
            outcome = "cached" if is_cached else "done"
        finally:
            self._listener.stage_finished(stage, outcome, time.monotonic() - begin)

    def _execution(self, execution_id: int) -> mlmd.Execution:
        with metadata.Metadata(self._connection) as handle:
            (execution,) = handle.store.get_executions_by_id([execution_id])
        return execution


def _reason(execution: mlmd.Execution) -> str:
    text = execution.custom_properties["__execution_result__"].string_value
    return text.strip() or "its inputs could not be resolved"
