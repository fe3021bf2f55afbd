"""What the registry says of a model: where its alias stands, and which version was pushed last."""

import dataclasses
import os
from pathlib import Path

from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from requests.exceptions import RequestException

from gradgate.contracts import Tracking
from gradgate.telemetry.sinks.mlflow_alias import ALIAS, last_pushed
from gradgate.telemetry.sinks.mlflow_once import asking_once
from gradgate.telemetry.sinks.mlflow_registry import DIGEST
from gradgate.telemetry.sinks.mlflow_secrets import scrub
from gradgate.telemetry.sinks.mlflow_store import open_store

_TIMEOUT = "MLFLOW_HTTP_REQUEST_TIMEOUT"


class RegistryError(Exception):
    """The registry cannot be asked, or does not know the model; the message says which."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Registered:
    """One version, and the digest of its bytes as they were pushed; None where nobody said."""

    version: str
    digest: str | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class InRegistry:
    """What the registry says.

    Attributes:
        alias: Where the alias stands; None if nowhere.
        pushed: The version that gradgate pushed last; None if it pushed none.
    """

    alias: Registered | None
    pushed: Registered | None


def ask_registry(name: str, folder: Path) -> InRegistry:
    """Asks the store that MLFLOW_TRACKING_URI names, else the embedded one in the folder.

    Raises:
        RegistryError: If it does not answer within seconds, or has no such model.
    """
    os.environ.setdefault(_TIMEOUT, "10")  # MLflow would wait for minutes
    try:
        with asking_once():
            client = open_store(Tracking(), folder).client
            aliases = client.get_registered_model(name).aliases
            versions = (aliases.get(ALIAS), last_pushed(client, name))
            alias, pushed = (
                None if one is None else _seen(client.get_model_version(name, str(one)))
                for one in versions
            )
    except (MlflowException, RequestException, OSError) as error:
        raise RegistryError(scrub(str(error))) from error
    return InRegistry(alias=alias, pushed=pushed)


def _seen(version: ModelVersion) -> Registered:
    return Registered(version=str(version.version), digest=version.tags.get(DIGEST))
