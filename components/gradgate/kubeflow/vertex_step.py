"""What a container runs on Vertex AI: TFX's own entry point, with buckets as folders for our nodes.

Vertex names artifacts by `gs://`, and mounts every bucket below `/gcs`. TFX's own executors read
buckets themselves (and on Dataflow, from machines without that mount); ours read and write files.
So for ours, and for them alone, the addresses of artifacts become paths on the way in, and
addresses again on the way out.

    python -m gradgate.kubeflow.vertex_step --executor_class_path ... (as TFX has it)
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from absl import app
from tfx.components.evaluator import constants
from tfx.dsl.io import fileio
from tfx.orchestration.kubeflow.v2.container import kubeflow_v2_run_executor as stock

MOUNT = "/gcs"
BLESSED_BY_GATE = "blessed_by_gate"
"""Property of a blessing: 1 if it is a gate's, and says yes. By it the last good model is found."""

_GATE = "gradgate.tfx.gate.executor.Executor"


def run(args: Any, beam_args: list[str], *, mount: str = MOUNT) -> None:
    """Runs one node.

    Args:
        args: As TFX's entry point parsed them.
        beam_args: The others.
        mount: Folder that all buckets are mounted in.
    """
    if not args.executor_class_path.startswith("gradgate."):
        stock._run_executor(args, beam_args)  # what TFX's own main calls
        return
    given = json.loads(args.json_serialized_invocation_args)
    here = lambda text: _swap(text, "gs://", f"{mount}/")  # noqa: E731
    for side in ("inputs", "outputs"):
        for artifact in _artifacts(given.get(side, {})):
            _rename(artifact, here)
            if side == "outputs":
                Path(artifact["uri"]).mkdir(parents=True, exist_ok=True)
    args.json_serialized_invocation_args = json.dumps(given)
    stock._run_executor(args, beam_args)
    _send_back(given["outputs"]["outputFile"], args.executor_class_path, mount)


def _send_back(path: str, executor: str, mount: str) -> None:
    with fileio.open(path, "rb") as file:
        made = json.loads(file.read())
    for artifact in _artifacts(made):
        _rename(artifact, lambda text: _swap(text, f"{mount}/", "gs://"))
        metadata = artifact.get("metadata", {})
        if executor == _GATE and constants.ARTIFACT_PROPERTY_BLESSED_KEY in metadata:
            metadata[BLESSED_BY_GATE] = metadata[constants.ARTIFACT_PROPERTY_BLESSED_KEY]
    with fileio.open(path, "wb") as file:
        file.write(json.dumps(made, sort_keys=True).encode())


def _artifacts(side: dict[str, Any]) -> list[dict[str, Any]]:
    return [each for found in side.get("artifacts", {}).values() for each in found["artifacts"]]


def _rename(artifact: dict[str, Any], change: Callable[[str], str]) -> None:
    if "uri" in artifact:
        artifact["uri"] = change(artifact["uri"])
    metadata = artifact.get("metadata", {})
    for name, value in metadata.items():
        if isinstance(value, str):
            metadata[name] = change(value)


def _swap(text: str, old: str, new: str) -> str:
    return new + text[len(old) :] if text.startswith(old) else text


def main(parsed: Any) -> None:
    """Runs the node that the command line names."""
    args, beam_args = parsed
    run(args, beam_args)


if __name__ == "__main__":
    app.run(main, argv=sys.argv, flags_parser=stock._parse_flags)
