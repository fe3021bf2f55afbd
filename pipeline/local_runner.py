"""Runs a pipeline in this process, node by node, and says what each node did.

TFX's `LocalDagRunner` keeps quiet about its nodes, and goes on as if nothing had happened when a
node's inputs cannot be resolved. This one tells a listener, and raises.
"""

import datetime as dt
import time

from ml_metadata.proto import metadata_store_pb2 as mlmd
from tfx.orchestration.local import runner_utils
from tfx.orchestration.local.local_dag_runner import LocalDagRunner
from tfx.proto.orchestration import pipeline_pb2

from gradgate.tfx import node
from pipeline.listener import Listener, Outcome


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
        return node.outputs(self._connection, self.executions[stage])

    def run_with_ir(
        self,
        pipeline: pipeline_pb2.Pipeline,
        run_options: pipeline_pb2.RunOptions | None = None,
    ) -> None:
        """Runs all nodes in order.

        Raises:
            NodeFailedError: If a node's inputs could not be resolved.
            Exception: What a node's executor raised.
        """
        if run_options is not None:
            raise ValueError("ListeningRunner runs whole pipelines; leave run_options out.")
        node.name_run(pipeline, dt.datetime.now(dt.timezone.utc).isoformat())
        connections = runner_utils.extract_local_deployment_config(
            pipeline
        ).metadata_connection_config
        self._connection = getattr(connections, connections.WhichOneof("connection_config"))
        stages = node.node_ids(pipeline)
        self._listener.expect(stages)
        for stage in stages:
            self._run(stage, pipeline)

    def _run(self, stage: str, pipeline: pipeline_pb2.Pipeline) -> None:
        begin = time.monotonic()
        outcome: Outcome = "failed"
        self._listener.stage_started(stage)
        try:
            launched = node.launch(pipeline, stage, self._connection)
            outcome = launched.outcome
            if launched.execution is not None:
                self.executions[stage] = launched.execution
        finally:
            self._listener.stage_finished(stage, outcome, time.monotonic() - begin)
