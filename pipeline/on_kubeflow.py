"""The pipeline as Kubeflow runs it: what a run can be told, and where it keeps what it makes."""

from pathlib import Path
from typing import Annotated

from tfx.orchestration.pipeline import Pipeline

from pipeline.configs import load
from pipeline.load_beam import load_beam, parse_beam
from pipeline.pipeline import create_pipeline
from pipeline.workspace import Workspace


def create(
    *,
    root: Annotated[
        str, "Folder on the shared volume that all runs keep everything in"
    ] = "/gradgate",
    config: Annotated[
        str, "Name of a configuration in the image, or path of a YAML file"
    ] = "sound",
    data_root: Annotated[str, "Folder of CSV files; empty for the table in the image"] = "",
    push_destination: Annotated[
        str, "Folder or s3:// address that the model server watches; empty for one in the root"
    ] = "",
    mlflow: Annotated[str, "Address of the tracking server; empty for a file in the root"] = "",
    policy: Annotated[str, "Text of the gate's policy; empty for the configuration's"] = "",
    waivers: Annotated[str, "Text of the waivers; empty for the configuration's"] = "",
    beam: Annotated[
        str, "What Beam components run on: an engine's name, the path of a YAML file, or its text"
    ] = "in_memory",
    fail_run_on_block: Annotated[
        bool, "Turn the run red at its end if the model is blocked"
    ] = False,
) -> Pipeline:
    """Returns the pipeline of one run; every step of the run calls it with the same values."""
    chosen, workspace = load(config), Workspace(Path(root))
    # A step's container ends with the step, and with it whoever still uploads in the background.
    waiting = {"wait_seconds": 120.0, "uri": mlflow or None}
    return create_pipeline(
        chosen,
        workspace,
        tracking=workspace.tracking(chosen).model_copy(update=waiting),
        fail_run_on_block=fail_run_on_block,
        beam=parse_beam(beam, source="beam") if "\n" in beam else load_beam(beam),
        data_root=data_root or None,
        push_destination=push_destination or None,
        policy=policy or None,
        waivers=waivers or None,
    )
