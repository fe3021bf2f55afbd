"""The manifest of a health record: which files it has, which run and which model it belongs to.

A record is a directory:

    parts/NNNNN.parquet   one row a step, see `gradgate.telemetry.columns`
    model.json            `ModelCard`: what was trained, and how it was guarded
    summary.json          `Summary`: the run in mergeable numbers
    manifest.json         `Manifest`, written last; without it the record is not finished
    optimizers/NAME/      a record of the same form for each further optimizer, as a GAN has
    resume/               what a killed training needs to go on; gone once it is finished
"""

from typing import Any, Literal

from pydantic import Field

from gradgate.contracts.base import Recorded
from gradgate.contracts.canonical import canonical_json, sha256

SCHEMA_VERSION = "1.2"
"""Version of the record: a reader refuses a larger major, and ignores what a larger minor adds."""


class FileDigest(Recorded):
    """One file, by content.

    Attributes:
        path: POSIX path, relative to the directory that is described.
        size: Bytes.
        sha256: `sha256:` and 64 hexadecimal digits.
    """

    path: str
    size: int = Field(ge=0)
    sha256: str


class Part(FileDigest):
    """One Parquet file of steps, first and last step included."""

    rows: int = Field(ge=1)
    first_step: int = Field(ge=0)
    last_step: int = Field(ge=0)


class Resume(Recorded):
    """A restart from a checkpoint: `at_step` is the first step that was taken after it."""

    at_step: int = Field(ge=0)
    reason: str


class BoundModel(Recorded):
    """The exported SavedModel that this training produced.

    Attributes:
        digest: Tree digest of the directory, see `gradgate.contracts.tree`.
        files: Every file in it, sorted by path.
    """

    digest: str
    files: tuple[FileDigest, ...]


class DataSource(Recorded):
    """Data that went into the training: a name (a split, a path) and its digest."""

    name: str
    digest: str


class OptimizerRecord(Recorded):
    """The record of a further optimizer of the same training: a record in a folder of its own.

    Attributes:
        name: Of the optimizer, such as `generator`.
        path: POSIX path of its folder, relative to this record.
        sha256: Digest of the bytes of its `manifest.json`, which names its other files.
    """

    name: str = Field(min_length=1)
    path: str = Field(min_length=1)
    sha256: str


class Manifest(Recorded):
    """The last file of a record, and the only one that the gate needs to find the others.

    Attributes:
        training_uid: Names this training for ever; not a pipeline run, which a cache may reuse.
        status: `completed` (the training code returned), `stopped` (the guard ended it at a
            non-finite step, as its policy `stop` says), or `failed` (the training code raised, or a
            process that it trains together with was lost).
        status_message: Why it was stopped or failed; empty when completed.
        instrumented: False when the training code never called `gradgate.instrument`.
        planned_steps: Optimizer steps that were asked for; None when nobody said.
        observed_steps: Rows in `parts`. Zero means nothing was observed, not that all is well.
        lost_steps: Steps that were taken and whose row was overwritten before it was read.
        loss_scale_skips: Steps that a loss-scale optimizer left out since its scale was too great.
            They are no steps of this record, and no fault.
        optimizer_name: Of the optimizer whose steps these are, when the training has several.
        optimizers: Records of the further optimizers; the first one's is this.
        model: The exported SavedModel; None when none was exported.
        started_at, finished_at: RFC 3339, UTC.
        digest: SHA-256 of the canonical JSON of all other fields, as the writer wrote them: the
            manifest proves the other files, and this proves the manifest against damage.
    """

    schema_version: str = SCHEMA_VERSION
    training_uid: str = Field(min_length=1)
    mlflow_run_id: str | None = None
    status: Literal["completed", "stopped", "failed"]
    status_message: str = ""
    instrumented: bool
    planned_steps: int | None = Field(default=None, ge=0)
    observed_steps: int = Field(ge=0)
    lost_steps: int = Field(default=0, ge=0)
    loss_scale_skips: int = Field(default=0, ge=0)
    optimizer_name: str = ""
    optimizers: tuple[OptimizerRecord, ...] = ()
    resumes: tuple[Resume, ...] = ()
    parts: tuple[Part, ...] = ()
    card: FileDigest | None = None
    summary: FileDigest | None = None
    model: BoundModel | None = None
    data: tuple[DataSource, ...] = ()
    started_at: str
    finished_at: str
    finalized: Literal[True] = True
    digest: str = ""

    def sealed(self) -> "Manifest":
        """The same manifest with its digest filled in."""
        return self.model_copy(update={"digest": manifest_digest(self.model_dump(mode="json"))})


def manifest_digest(document: dict[str, Any]) -> str:
    """Returns the digest that a manifest, read as plain JSON values, must carry."""
    return sha256(canonical_json({key: document[key] for key in document if key != "digest"}))
