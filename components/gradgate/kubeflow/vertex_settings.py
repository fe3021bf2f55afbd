"""What Vertex AI gives to the nodes of a pipeline, and which places it can reach."""

import re
from typing import Annotated

from pydantic import Field, StringConstraints, field_validator

from gradgate.contracts import Contract

_BUCKET = re.compile(r"gs://[a-z0-9][a-z0-9._-]+[a-z0-9](/.*)?")
_SECRET = re.compile(r"(?i)passw|secret|token|credential|private|access_key|api_key")


class VertexError(ValueError):
    """What makes no pipeline for Vertex AI; the message says what to change."""


class Accelerator(Contract):
    """As Vertex names them: `NVIDIA_TESLA_T4`, `NVIDIA_L4`, `NVIDIA_TESLA_A100`."""

    type: Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]+$")]
    count: int = Field(default=1, ge=1)


class Resources(Contract):
    """Of one node. What is None, Vertex decides.

    Attributes:
        cpu: Virtual processors, at most.
        memory_gb: Memory, at most, in GB.
    """

    cpu: float | None = Field(default=None, gt=0)
    memory_gb: float | None = Field(default=None, gt=0)
    accelerator: Accelerator | None = None


class VertexSettings(Contract):
    """What the containers get.

    Attributes:
        image: Of all nodes; with gradgate, the pipeline's modules, and TFX of the same version.
        environment: Variables of all containers. They are in the package, for all to read.
        nodes: Resources by the id of a node.
    """

    image: str = Field(min_length=1)
    environment: dict[Annotated[str, StringConstraints(pattern=r"^[A-Za-z_]\w*$")], str] = Field(
        default_factory=dict
    )
    nodes: dict[str, Resources] = Field(default_factory=dict)

    @field_validator("environment")
    @classmethod
    def _no_secrets(cls, environment: dict[str, str]) -> dict[str, str]:
        for name in environment:
            if _SECRET.search(name):
                raise ValueError(
                    f"{name} looks like a secret, and whoever sees the pipeline reads it. Let the"
                    " code in the image fetch it from Secret Manager"
                )
        return environment


def require_bucket(what: str, place: str) -> str:
    """Returns the address of a folder in a bucket.

    Raises:
        VertexError: If it is none.
    """
    if not _BUCKET.fullmatch(place):
        raise VertexError(
            f"{what} {place!r} is no gs://BUCKET/FOLDER. On Vertex AI each node runs in a container"
            " of its own, and nothing of this machine's disk, nor of another cloud's, is there."
        )
    return place.rstrip("/")
