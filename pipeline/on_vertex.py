"""The pipeline as Vertex AI runs it: everything is kept in buckets."""

from pathlib import Path
from typing import Any

from gradgate.contracts import Tracking
from gradgate.gate.policy_error import PolicyError
from pipeline.beam import BeamError
from pipeline.configs import ConfigError, load
from pipeline.load_beam import load_beam
from pipeline.quiet import hush
from pipeline.workspace import Workspace

ERRORS = (BeamError, ConfigError, PolicyError)
MLFLOW_FOLDER = "/tmp/gradgate-mlflow"  # noqa: S108 - in a container that no one else has


def create(
    *,
    root: str,
    data_root: str,
    schema_file: str,
    push_destination: str,
    config: str = "sound",
    mlflow: str = "",
    beam: str = "in_memory",
    fail_run_on_block: bool = False,
) -> Any:
    """Returns the pipeline. All places are `gs://`; nothing is read from them or written here.

    Args:
        root: Pipeline root; baselines lie in it too.
        data_root: Folder of CSV files with the table's columns.
        schema_file: The data schema.
        push_destination: What the model server watches.
        config: Name of a configuration, or path of a YAML file.
        mlflow: Address of the tracking server; empty mirrors nothing, for there is no disk to
            keep a store on.
        beam: Name of a Beam engine, or path of a YAML file of one.
        fail_run_on_block: Turn the run red at its end if the model is blocked.

    Raises:
        BeamError, ConfigError, PolicyError: If what it needs cannot be used.
    """
    chosen, engine = load(config), load_beam(beam)
    if engine.gate_engine == "beam" and not engine.reads_local_files:
        raise BeamError(
            f"{beam}: gate_engine: the gate reads the record as files, and the workers of"
            f" {engine.runner} have none. Leave it in_process."
        )
    hush()
    from gradgate.kubeflow.vertex import RUN_NONCE
    from gradgate.kubeflow.vertex_step import MOUNT
    from pipeline.pipeline import create_pipeline

    # Where Vertex mounts the bucket: what is read and written as files.
    workspace = Workspace(Path(MOUNT, root.removeprefix("gs://")))
    tracking = Tracking(enabled=False)
    if mlflow:
        waiting = {"folder": MLFLOW_FOLDER, "uri": mlflow, "wait_seconds": 120.0}
        tracking = workspace.tracking(chosen).model_copy(update=waiting)
    return create_pipeline(
        chosen,
        workspace,
        tracking=tracking,
        pipeline_root=root,
        data_root=data_root,
        schema_file=schema_file,
        push_destination=push_destination,
        run_nonce=RUN_NONCE,
        fail_run_on_block=fail_run_on_block,
        beam=engine,
    )
