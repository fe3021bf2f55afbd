"""What each step gets of the cluster: a typed file, laid over sane defaults.

image: gradgate:0.1.0
defaults: {cpu: "1", memory: 4Gi, volumes: [{claim: gradgate, path: /gradgate}]}
nodes:
  Trainer: {cpu: "4", memory: 16Gi, gpu: {count: 1}}
"""

from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, field_validator, model_validator

from gradgate.contracts import Contract
from gradgate.kubeflow.graph import Value

Cpu = Annotated[str, StringConstraints(pattern=r"^([0-9]+m|[0-9]+(\.[0-9]+)?)$")]
Memory = Annotated[str, StringConstraints(pattern=r"^[0-9]+(\.[0-9]+)?(Ki|Mi|Gi|Ti|K|M|G|T)?$")]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$")]
Variable = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]


def _absolute(path: str) -> str:
    if not PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
        raise ValueError(f"a path in the container is absolute, got {path!r}")
    return path


class Gpu(Contract):
    """Accelerators: the name of the resource that the cluster's device plugin offers."""

    type: str = Field(default="nvidia.com/gpu", min_length=1)
    count: int = Field(default=1, ge=1)


class Secret(Contract):
    """Keys of a Kubernetes secret as environment variables: `keys` maps each to its variable."""

    name: Name
    keys: dict[str, Variable] = Field(min_length=1)


class SecretFiles(Contract):
    """A Kubernetes secret as files, such as the signing key."""

    name: Name
    path: str

    _path = field_validator("path")(_absolute)


class Volume(Contract):
    """A persistent volume claim."""

    claim: Name
    path: str

    _path = field_validator("path")(_absolute)


class Scratch(Contract):
    """An empty directory that lives as long as the step; `memory` counts against its limit."""

    path: str
    size: Memory | None = None
    memory: bool = False

    _path = field_validator("path")(_absolute)


class Toleration(Contract):
    """As Kubernetes has it."""

    key: str | None = None
    operator: Literal["Equal", "Exists"] = "Equal"
    value: str | None = None
    effect: Literal["NoExecute", "NoSchedule", "PreferNoSchedule"] | None = None
    seconds: int | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _value(self) -> "Toleration":
        if self.operator == "Exists" and self.value is not None:
            raise ValueError("a toleration that asks whether a key exists has no value")
        if self.key is None and self.operator != "Exists":
            raise ValueError("a toleration without a key needs `operator: Exists`")
        return self


class Step(Contract):
    """What a step gets. In `nodes`, what is left out comes from `defaults`; lists are added up.

    Attributes:
        cpu: Cores, asked for and at most, such as `500m` or `2`.
        memory: Bytes, asked for and at most, such as `4Gi`.
        gpu: None for none.
        retries: How often Kubeflow starts the step again after it failed.
        timeout: Seconds after which Kubernetes ends the step's pod.
        env: Environment variables. Nothing secret: they are in the package.
    """

    cpu: Cpu | None = None
    memory: Memory | None = None
    gpu: Gpu | None = None
    retries: int | None = Field(default=None, ge=0, le=10)
    timeout: int | None = Field(default=None, ge=1)
    env: dict[Variable, str] = Field(default_factory=dict)
    secrets: tuple[Secret, ...] = ()
    secret_files: tuple[SecretFiles, ...] = ()
    volumes: tuple[Volume, ...] = ()
    scratch: tuple[Scratch, ...] = ()
    node_selector: dict[str, str] = Field(default_factory=dict)
    tolerations: tuple[Toleration, ...] = ()
    labels: dict[str, str] = Field(default_factory=dict)

    def over(self, below: "Step") -> "Step":
        """Returns this step's settings laid over those of `below`."""
        merged: dict[str, Any] = {}
        for name in type(self).model_fields:
            mine, theirs = getattr(self, name), getattr(below, name)
            if isinstance(mine, dict):
                merged[name] = {**theirs, **mine}
            elif isinstance(mine, tuple):
                merged[name] = (*theirs, *(item for item in mine if item not in theirs))
            else:
                merged[name] = theirs if mine is None else mine
        return Step.model_construct(**merged)


class Settings(Contract):
    """Of one package.

    Attributes:
        image: Of every step; built from `kubeflow/Dockerfile`.
        pull_policy: When the cluster fetches it.
        pull_secrets: By which it may.
        run_as_user: User id of every step; the image has one of its own.
        metadata: Default of the parameter `metadata`: the address of the metadata store.
        parameters: Defaults of the pipeline's parameters, over its own.
        defaults: Of all steps.
        nodes: By TFX's node id.
    """

    image: str = Field(min_length=1)
    pull_policy: Literal["Always", "IfNotPresent", "Never"] = "IfNotPresent"
    pull_secrets: tuple[Name, ...] = ()
    run_as_user: int | None = Field(default=None, ge=1)
    metadata: str = "grpc://metadata-grpc-service.kubeflow:8080"
    parameters: dict[str, Value] = Field(default_factory=dict)
    defaults: Step = Step()
    nodes: dict[str, Step] = Field(default_factory=dict)

    def of(self, node: str) -> Step:
        """What a node's step gets."""
        return self.nodes.get(node, Step()).over(self.defaults)
