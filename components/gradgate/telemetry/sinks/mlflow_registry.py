"""Registers a pushed model by reference, and moves the alias; a blocked model never gets here."""

from mlflow import MlflowClient, create_external_model, set_tracking_uri
from mlflow.exceptions import MlflowException

from gradgate.contracts import Verdict

ALIAS, PREVIOUS = "champion", "previous_champion"
_DIGEST = "gradgate.model_digest"


def register(
    client: MlflowClient,
    name: str,
    run_id: str,
    verdict: Verdict,
    destination: str,
    version: str,
) -> str:
    """Registers the model and returns its version's number; once for each digest.

    The bytes stay where they were pushed: MLflow keeps a reference, the digest and the verdict's
    id. The alias is moved last, and the version that had it gets `previous_champion`.
    """
    digest = verdict.subject.model_digest or ""
    try:
        client.create_registered_model(name)
    except MlflowException:
        client.get_registered_model(name)  # it is there already, or this says what is wrong
    for found in client.search_model_versions(f"name='{name}'"):
        if found.tags.get(_DIGEST) == digest:
            return str(found.version)
    tags = {
        _DIGEST: digest,
        "gradgate.verdict_id": verdict.verdict_id,
        "gradgate.decision": verdict.decision,
        "gradgate.pushed": f"{destination} (version {version})",
    }
    set_tracking_uri(client.tracking_uri)
    model = create_external_model(
        name=name,
        source_run_id=run_id,
        experiment_id=client.get_run(run_id).info.experiment_id,
        model_type="tfx-savedmodel",
        tags=tags,
    )
    made = client.create_model_version(
        name,
        source=model.artifact_location,
        run_id=run_id,
        tags=tags,
        description=verdict.headline,
        model_id=model.model_id,
    )
    _move_alias(client, name, str(made.version))
    return str(made.version)


def _move_alias(client: MlflowClient, name: str, version: str) -> None:
    before = client.get_registered_model(name).aliases.get(ALIAS)
    if before is not None and str(before) != version:
        client.set_registered_model_alias(name, PREVIOUS, str(before))
    client.set_registered_model_alias(name, ALIAS, version)
