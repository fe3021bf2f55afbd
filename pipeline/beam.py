"""What the Beam components run on: a typed configuration for each engine, with its arguments."""

import re
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from gradgate.contracts import Contract

# Without probing for another runner: from 2.61 the plain direct runner first fetches one.
_FN_API_RUNNER = "apache_beam.runners.portability.fn_api_runner.fn_runner.FnApiRunner"
# Any image named keeps TFX from packaging itself anew for each component.
_NO_PACKAGING = "--sdk_container_image=unused"


def _like(pattern: str, what: str) -> AfterValidator:
    """A check of a text, whose error says what is wanted."""

    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(f"wants {what}")
        return text

    return AfterValidator(check)


_Address = Annotated[str, _like(r"[A-Za-z0-9._-]+:[0-9]{1,5}", "host:port, as flink-jobs:8099")]
_Folder = Annotated[
    str, _like(r"gs://[a-z0-9][a-z0-9._-]+[a-z0-9]/.+", "a folder, gs://BUCKET/FOLDER")
]
_Project = Annotated[
    str, _like(r"[a-z][a-z0-9:.-]*[a-z0-9]", "a project's id, not its number or title")
]
_Region = Annotated[str, _like(r"[a-z]+-[a-z]+[0-9]+", "a region, as europe-west4")]
_Argument = Annotated[str, _like(r"--[a-z][^=\s]*(=.*)?", "an argument, --NAME=VALUE")]
_Text = Annotated[str, StringConstraints(min_length=1)]
_Count = Annotated[int, Field(ge=1)]


class BeamError(ValueError):
    """A configuration of Beam that cannot be used; the message names a remedy."""


class Engine(Contract):
    """What all engines have.

    Attributes:
        gate_engine: What reads the steps of the record for the gate: its own process, or Beam with
            these arguments. The verdict is the same.
        arguments: More arguments of the Beam pipelines, given last.
    """

    reads_local_files: ClassVar[bool] = True

    gate_engine: Literal["in_process", "beam"] = "in_process"
    arguments: tuple[_Argument, ...] = ()

    def pipeline_args(self) -> tuple[str, ...]:
        """The arguments of every Beam pipeline: `beam_pipeline_args` in TFX."""
        return (*self._own(), *self.arguments)

    def check_root(self, root: str) -> None:
        """Refuses a pipeline root that this engine's workers cannot see.

        Raises:
            BeamError: If they cannot.
        """
        if "://" not in root and not self.reads_local_files:
            raise BeamError(
                f"{self.__class__.__name__}'s workers see no file of this machine, and the pipeline"
                f" root is {root}. Use a bucket, as kubeflow/vertex.py does; or run here, on"
                " in_memory or multi_processing."
            )

    def _own(self) -> tuple[str, ...]:
        raise NotImplementedError


class InMemory(Engine):
    """The direct runner in this process: on small data anything more costs more than it gives."""

    runner: Literal["in_memory"] = "in_memory"

    def _own(self) -> tuple[str, ...]:
        return (
            f"--runner={_FN_API_RUNNER}",
            "--direct_running_mode=in_memory",
            "--direct_num_workers=1",
            _NO_PACKAGING,
        )


class MultiProcessing(Engine):
    """The direct runner with worker processes on this machine; each imports all it needs first.

    Attributes:
        workers: Processes; 0 is one for each core.
    """

    runner: Literal["multi_processing"] = "multi_processing"
    workers: int = Field(default=0, ge=0)

    def _own(self) -> tuple[str, ...]:
        return (
            f"--runner={_FN_API_RUNNER}",
            "--direct_running_mode=multi_processing",
            f"--direct_num_workers={self.workers}",
            _NO_PACKAGING,
        )


class Dataflow(Engine):
    """Google Cloud Dataflow.

    Attributes:
        worker_image: Image of the workers: ours, with Beam's `boot` in it (docs/beam.md).
        temp_location, staging_location: Folders in buckets; None stages in `temp_location`.
    """

    reads_local_files: ClassVar[bool] = False

    runner: Literal["dataflow"] = "dataflow"
    project: _Project
    region: _Region
    temp_location: _Folder
    worker_image: _Text
    staging_location: _Folder | None = None
    machine_type: str | None = None
    max_workers: _Count | None = None
    service_account: str | None = None
    subnetwork: str | None = None
    public_ips: bool = True

    def _own(self) -> tuple[str, ...]:
        said = {
            "staging_location": self.staging_location,
            "worker_machine_type": self.machine_type,
            "max_num_workers": self.max_workers,
            "service_account_email": self.service_account,
            "subnetwork": self.subnetwork,
        }
        return (
            "--runner=DataflowRunner",
            f"--project={self.project}",
            f"--region={self.region}",
            f"--temp_location={self.temp_location}",
            f"--sdk_container_image={self.worker_image}",
            "--sdk_location=container",
            *(f"--{name}={value}" for name, value in said.items() if value is not None),
            *(() if self.public_ips else ("--no_use_public_ips",)),
        )


class JobServer(Engine):
    """An engine that a Beam job server stands before.

    Attributes:
        job_server: Host and port of its job service.
        artifact_server: Host and port of its artifact service; None is what the job server says.
        worker_pool: Host and port of Beam's worker pool, as each worker machine sees it: a
            container beside it, mostly.
        worker_image: Image that each worker machine starts itself, by Docker, instead.
        timeout_seconds: After which the job is given up. Beam's own 60 seconds, said to be of a
            single answer, end the waiting for the whole job.
    """

    job_server: _Address
    artifact_server: _Address | None = None
    worker_pool: _Address | None = None
    worker_image: _Text | None = None
    parallelism: _Count | None = None
    timeout_seconds: _Count = 86_400

    @model_validator(mode="after")
    def _one_way(self) -> "JobServer":
        if (self.worker_pool is None) is (self.worker_image is None):
            raise ValueError(
                "Python workers come from worker_pool (host:port, a container beside each worker"
                " machine) or from worker_image (which it starts itself): name one of the two"
            )
        return self

    def _own(self) -> tuple[str, ...]:
        artifacts = self.artifact_server
        return (
            "--runner=PortableRunner",
            f"--job_endpoint={self.job_server}",
            f"--job_server_timeout={self.timeout_seconds}",
            *(() if artifacts is None else (f"--artifact_endpoint={artifacts}",)),
            *self._workers(),
            *(() if self.parallelism is None else (f"--parallelism={self.parallelism}",)),
        )

    def _workers(self) -> tuple[str, ...]:
        if self.worker_image is not None:
            return ("--environment_type=DOCKER", f"--sdk_container_image={self.worker_image}")
        return (
            "--environment_type=EXTERNAL",
            f"--environment_config={self.worker_pool}",
            _NO_PACKAGING,
        )


class Flink(JobServer):
    """Apache Flink, through Beam's job server for Flink."""

    runner: Literal["flink"] = "flink"


class Spark(JobServer):
    """Apache Spark, through Beam's job server for Spark."""

    runner: Literal["spark"] = "spark"


Beam = InMemory | MultiProcessing | Dataflow | Flink | Spark
ENGINES: dict[str, type[Beam]] = {
    "in_memory": InMemory,
    "multi_processing": MultiProcessing,
    "dataflow": Dataflow,
    "flink": Flink,
    "spark": Spark,
}
