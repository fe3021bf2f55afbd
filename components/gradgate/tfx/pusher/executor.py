"""The effectful edge of the Pusher: unpacks artifacts, calls `push`, writes down what it did."""

import json
import logging
from pathlib import Path
from typing import Any

from tfx.dsl.components.base import base_executor
from tfx.proto import pusher_pb2
from tfx.types import artifact_utils
from tfx.types.artifact import Artifact
from tfx.utils import io_utils, path_utils, proto_utils

from gradgate.contracts import bind_tree
from gradgate.telemetry.sinks.mlflow import publish_push
from gradgate.tfx.pusher.checks import Blessing
from gradgate.tfx.pusher.object_push import push_to_store
from gradgate.tfx.pusher.object_store import open_store, scheme_of
from gradgate.tfx.pusher.verified_push import PushRecord, follow_up, push

_Artifacts = dict[str, list[Artifact]]
_log = logging.getLogger(__name__)


class Executor(base_executor.BaseExecutor):
    """Pushes one model, or says why not."""

    def Do(  # noqa: N802 - TFX's name
        self,
        input_dict: _Artifacts,
        output_dict: _Artifacts,
        exec_properties: dict[str, Any],
    ) -> None:
        """Writes the `PushedModel`.

        Raises:
            OSError: If the destination could not be written; nothing new is served then. What
                fails after the model is served, such as its archiving, is a remark in the reason.
            ValueError: If the destination is none, as a parameter given at run time can be.
        """
        model = artifact_utils.get_single_instance(input_dict["model"])
        verdict = artifact_utils.get_single_instance(input_dict["verdict"])
        pushed_model = artifact_utils.get_single_instance(output_dict["pushed_model"])
        destination = pusher_pb2.PushDestination()
        proto_utils.json_to_proto(exec_properties["push_destination"], destination)
        folder = path_utils.serving_model_path(model.uri, path_utils.is_old_model_artifact(model))
        base = destination.filesystem.base_directory
        asked: dict[str, Any] = {
            "blessings": [_blessing(artifact) for artifact in input_dict.get("model_blessing", ())],
            "verdict_dir": verdict.uri,
            "public_keys": json.loads(exec_properties.get("public_keys") or "[]"),
        }
        if scheme_of(base):
            is_numbered = bool(exec_properties.get("numeric_versions"))
            store = open_store(base)
            record = push_to_store(folder, store=store, numeric_versions=is_numbered, **asked)
        else:
            record = push(folder, base_directory=base, **asked)
        if (served := record.destination) is not None:
            # TFX's Pusher archives what it pushed in its artifact, and other components read it.
            source = folder if scheme_of(served) else served
            record = follow_up(
                record,
                "the artifact pushed_model does not hold the whole model",
                lambda: _archive(source, pushed_model.uri, record.model_digest),
            )
        _describe(pushed_model, record)
        _log.info("gradgate: %s", record.reason)
        if record.destination is not None:
            publish_push(Path(verdict.uri), record.destination, str(record.version))


def _archive(source: str, target: str, digest: str | None) -> None:
    io_utils.copy_dir(source, target)
    found = bind_tree(target).digest
    if found != digest:
        raise OSError(f"{source} has changed since: it has {found} now, not {digest}")


def _blessing(artifact: Artifact) -> Blessing:
    has_blessed = artifact.has_custom_property("blessed")
    return Blessing(
        blessed=artifact.get_int_custom_property("blessed") if has_blessed else None,
        verdict_id=artifact.get_string_custom_property("verdict_id") or None,
    )


def _describe(artifact: Artifact, record: PushRecord) -> None:
    texts = {
        "reason": record.reason,
        "verdict_id": record.verdict_id,
        "model_digest": record.model_digest,
        "pushed_destination": record.destination,
        "pushed_version": None if record.version is None else str(record.version),
    }
    for name, text in texts.items():
        if text is not None:
            artifact.set_string_custom_property(name, text)
    artifact.set_int_custom_property("pushed", int(record.pushed))
