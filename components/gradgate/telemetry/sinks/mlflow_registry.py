"""Registers a pushed model by reference; a blocked model never gets here.

The bytes stay where they were pushed: MLflow keeps a reference, the digest and the verdict's id.
"""

import logging
import re
import tempfile
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import LoggedModel, LoggedModelStatus
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.models.utils import get_external_mlflow_model_spec

from gradgate.contracts import Verdict
from gradgate.telemetry.sinks.mlflow_alias import (
    ORDER,
    AliasMove,
    move_alias,
    order_of,
    pushed_versions,
)
from gradgate.telemetry.sinks.mlflow_once import asking_once

DIGEST = "gradgate.model_digest"
_EXTERNAL = {"mlflow.model.isExternal": "true"}  # its bytes are not MLflow's
_NOT_IN_A_PAGE = re.compile("[.%]")  # the registry takes these in a name, a model's page does not
_log = logging.getLogger("gradgate.mlflow")


def register(
    client: MlflowClient,
    name: str,
    run_id: str,
    verdict: Verdict,
    destination: str,
    version: str,
) -> AliasMove:
    """Registers the model, once for each digest, and moves the alias; returns what became of that.

    Args:
        client: Of the store.
        name: Of the registered model; made if it is missing.
        run_id: The run of its training.
        verdict: By which it was pushed.
        destination: Where it was pushed to.
        version: Its version there. A whole number, as the Pusher's, orders pushes among each
            other; whatever else is given counts as the oldest.

    Raises:
        ValueError: If the verdict blesses nothing: then nothing may be registered.
    """
    digest = verdict.subject.model_digest
    if not verdict.blessed or not digest:
        raise ValueError(
            f"the verdict {verdict.verdict_id} blesses no model, so none is registered as {name}."
        )
    tags = {
        DIGEST: digest,
        ORDER: version if version.isdigit() else "0",
        "gradgate.verdict_id": verdict.verdict_id,
        "gradgate.decision": verdict.decision,
        "gradgate.pushed": f"{destination} (version {version})",
    }
    with asking_once():
        _make_name(client, name)
        made = _find_version(client, name, digest)
        if made is None:
            model = _external_model(client, name, run_id, tags)
            made = _make_version(client, name, run_id, model, tags, verdict.headline)
        elif order_of(made) < int(tags[ORDER]):  # the same bytes were pushed again
            for key, value in tags.items():
                client.set_model_version_tag(name, str(made.version), key, value)
        return move_alias(client, name)


def _make_name(client: MlflowClient, name: str) -> None:
    try:
        client.create_registered_model(name)
    except MlflowException:
        client.get_registered_model(name)  # it is there already, or this says what is wrong


def _find_version(client: MlflowClient, name: str, digest: str) -> ModelVersion | None:
    """The first version of these bytes."""
    found = [one for one in pushed_versions(client, name) if one.tags.get(DIGEST) == digest]
    return min(found, key=lambda one: int(one.version), default=None)


def _external_model(
    client: MlflowClient, name: str, run_id: str, tags: dict[str, str]
) -> LoggedModel:
    """Returns the model's page in the experiment, which is finished if it is half made.

    `mlflow.create_external_model` does the same in one call, which makes a second model if it has
    to be repeated.
    """
    name = _NOT_IN_A_PAGE.sub("_", name)
    experiment = client.get_run(run_id).info.experiment_id
    found = client.search_logged_models(
        [experiment], filter_string=f"name = '{name}' AND tags.`{DIGEST}` = '{tags[DIGEST]}'"
    )
    model = (
        found[0]
        if found
        else client.create_logged_model(
            experiment,
            name,
            source_run_id=run_id,
            tags=tags | _EXTERNAL,
            model_type="tfx-savedmodel",
        )
    )
    if model.status == LoggedModelStatus.READY:
        return model
    with tempfile.TemporaryDirectory() as folder:
        get_external_mlflow_model_spec(model).save(str(Path(folder, "MLmodel")))
        client.log_model_artifacts(model.model_id, folder)
    return client.finalize_logged_model(model.model_id, LoggedModelStatus.READY)


def _make_version(
    client: MlflowClient,
    name: str,
    run_id: str,
    model: LoggedModel,
    tags: dict[str, str],
    description: str,
) -> ModelVersion:
    """Makes a version, and takes it back if another sender made one of these bytes meanwhile."""
    made = client.create_model_version(
        name,
        source=model.artifact_location,
        run_id=run_id,
        tags=tags,
        description=description,
        model_id=model.model_id,
    )
    first = _find_version(client, name, tags[DIGEST])
    if first is None or int(first.version) >= int(made.version):
        return made
    _log.info("%s: version %s is version %s again: removed", name, made.version, first.version)
    client.delete_model_version(name, str(made.version))
    return first
