"""Where the steps of all runs keep their metadata: one store, named by an address.

    grpc://HOST:PORT                  ML Metadata's own server, as Kubeflow runs one
    postgresql://USER@HOST:PORT/NAME  a database, directly
    mysql://USER@HOST:PORT/NAME
    sqlite:///PATH                    a file, for one run at a time

The password is never part of it, for the address is a parameter that everyone sees: it comes from
the environment, where Kubernetes puts a secret.
"""

import contextlib
import os
import time
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import SplitResult, urlsplit

PASSWORD = "GRADGATE_METADATA_PASSWORD"  # noqa: S105 - the name of it
_PORTS = {"grpc": 8080, "postgresql": 5432, "mysql": 3306}


class MetadataError(ValueError):
    """An address that cannot be used, or a store that does not answer."""


def connection(address: str, environment: Mapping[str, str] = os.environ) -> Any:
    """Returns what ML Metadata connects by.

    Args:
        address: As above.
        environment: Holds the password, if one is needed.

    Returns:
        A `MetadataStoreClientConfig` for a server, else a `ConnectionConfig`.

    Raises:
        MetadataError: If the address cannot be used; the message says how one looks.
    """
    from ml_metadata.proto import metadata_store_pb2 as mlmd

    parts = _split(address)
    if parts.scheme == "grpc":
        return mlmd.MetadataStoreClientConfig(host=parts.hostname, port=_port(parts))
    config = mlmd.ConnectionConfig()
    if parts.scheme == "sqlite":
        config.sqlite.filename_uri = parts.path
        config.sqlite.connection_mode = mlmd.SqliteMetadataSourceConfig.READWRITE_OPENCREATE
        return config
    name, user = parts.path.strip("/"), parts.username or ""
    password = environment.get(PASSWORD, "")
    if parts.scheme == "postgresql":
        config.postgresql.host = parts.hostname
        config.postgresql.port = str(_port(parts))
        config.postgresql.user = user
        config.postgresql.password = password
        config.postgresql.dbname = name
        return config
    config.mysql.host = parts.hostname
    config.mysql.port = _port(parts)
    config.mysql.user = user
    config.mysql.password = password
    config.mysql.database = name
    return config


def _split(address: str) -> SplitResult:
    parts = urlsplit(address)
    how = "Use grpc://HOST:PORT, postgresql://USER@HOST:PORT/NAME, mysql://…, or sqlite:///PATH."
    if parts.password:
        raise MetadataError(
            f"the metadata address holds a password, and everyone sees it. Take it out, and put it"
            f" into the environment as {PASSWORD}, from a secret."
        )
    if parts.scheme not in {*_PORTS, "sqlite"}:
        raise MetadataError(f"the metadata address {address!r} is none. {how}")
    if parts.scheme == "sqlite":
        if parts.netloc or not parts.path.startswith("/"):
            raise MetadataError(f"{address!r}: the path is absolute, after three slashes.")
    elif not parts.hostname:
        raise MetadataError(f"{address!r} names no host. {how}")
    if parts.scheme in {"postgresql", "mysql"} and not (parts.username and parts.path.strip("/")):
        raise MetadataError(f"{address!r} names no user or no database. {how}")
    return parts


def _port(parts: SplitResult) -> int:
    try:
        return parts.port or _PORTS[parts.scheme]
    except ValueError as error:
        raise MetadataError(f"{parts.netloc}: {error}") from error


def wait_for(config: Any, *, seconds: float = 120.0, pause: float = 1.0) -> None:
    """Opens the store, which lays its tables, until it answers.

    Steps of several runs start at once, perhaps before the server does and on an empty database:
    who comes second finds tables half laid, and only has to try again.

    Raises:
        MetadataError: If it does not answer in time; the message holds its last word.
    """
    from ml_metadata import errors
    from ml_metadata.metadata_store import MetadataStore

    end = time.monotonic() + seconds
    while True:
        try:
            MetadataStore(config).get_artifact_types()
        except (errors.StatusError, RuntimeError, ConnectionError) as error:
            if time.monotonic() >= end:
                raise MetadataError(
                    f"the metadata store did not answer for {seconds:.0f} s: {error}"
                ) from error
            time.sleep(pause)
        else:
            return


@contextlib.contextmanager
def explained() -> Iterator[None]:
    """Tells the one failure of a store that has a remedy as such.

    Raises:
        MetadataError: If PostgreSQL refused a long text, such as a policy, because ML Metadata
            indexes texts whole there.
    """
    from ml_metadata import errors

    try:
        yield
    except errors.StatusError as error:
        if "exceeds btree" not in str(error):
            raise
        raise MetadataError(
            "PostgreSQL refused a long text, such as a policy: ML Metadata indexes texts whole"
            " there. Run kubeflow/mlmd-postgresql.sql once on this database, which makes its"
            f" indexes hold a text's start, then this run again. ({error})"
        ) from error
