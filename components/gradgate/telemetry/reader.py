"""Reads a health record, and believes nothing that its manifest does not prove.

A record that is missing, unfinished, cut off or altered raises `RecordError` with a code of the
fail-closed table, never a traceback and never a shorter record.
"""

import functools
import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError

from gradgate.contracts import (
    FileDigest,
    Manifest,
    ModelCard,
    OptimizerRecord,
    Part,
    Recorded,
    Summary,
    parse_json,
    sha256,
)
from gradgate.contracts.health import SCHEMA_VERSION, manifest_digest
from gradgate.contracts.plain import read_plain
from gradgate.telemetry.batch import StepBatch
from gradgate.telemetry.parts import PARTS, read_part
from gradgate.telemetry.writer import MANIFEST, OPTIMIZERS

_MAX_DOCUMENT = 256 << 20
_MEND = "Copy the record again from where it was written, or train again."
_Document = TypeVar("_Document", bound=Recorded)


class RecordError(Exception):
    """A record that cannot be judged.

    Attributes:
        code: `T-MISSING`, `T-UNFINALIZED`, `T-TRUNCATED`, `T-CORRUPT`, `T-OVERLAP` or
            `T-SCHEMA-NEW`.
        message: What is wrong with which file.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


class Record:
    """A finished record.

    Attributes:
        directory: Where it lies.
        manifest: What the training said of it.
        digest: SHA-256 of the manifest's bytes; it names the whole record.
        card, summary: None when nothing was instrumented.
        optimizers: Records of the further optimizers, by name; none in most trainings.
    """

    def __init__(self, directory: Path, manifest: Manifest, digest: str) -> None:
        self.directory = directory
        self.manifest = manifest
        self.digest = digest
        self.card = self._document(manifest.card, ModelCard)
        self.summary = self._document(manifest.summary, Summary)
        self._check_steps()
        self.optimizers = {inner.name: self._inner(inner) for inner in manifest.optimizers}
        if len(self.optimizers) != len(manifest.optimizers):
            raise RecordError("T-CORRUPT", f"{MANIFEST}: names an optimizer twice.")

    def batches(self) -> Iterator[StepBatch]:
        """Yields all steps in order, in bounded memory.

        Raises:
            RecordError: If a part is missing, cut off, altered, or does not hold what the
                manifest says.
        """
        if self.card is None:
            return
        for stretch in self.stretches():
            yield from stretch()

    def stretches(self) -> tuple[Callable[[], Iterator[StepBatch]], ...]:
        """Returns, for each part, what yields its steps: it can be pickled, and called elsewhere.

        It raises what `batches` raises.
        """
        if self.card is None:
            return ()
        widths = {
            "variables": len(self.card.variables),
            "activations": len(self.card.activations),
        }
        return tuple(
            functools.partial(read_steps, self.directory.absolute(), part, **widths)
            for part in self.manifest.parts
        )

    def _inner(self, optimizer: OptimizerRecord) -> "Record":
        """Opens the record of a further optimizer, which must be the one that was written."""
        path = optimizer.path
        folder = self.directory / path
        if path != f"{OPTIMIZERS}/{optimizer.name}" or not _is_inside(self.directory, path):
            raise RecordError("T-CORRUPT", f"{path}: leads out of the record.")
        try:
            record = open_record(folder)
        except RecordError as error:
            raise RecordError(error.code, f"{path}: {error.message}") from error
        if record.digest != optimizer.sha256:
            raise RecordError(
                "T-CORRUPT",
                f"{path}/{MANIFEST}: has digest {record.digest}, the manifest says"
                f" {optimizer.sha256}.",
            )
        if record.manifest.training_uid != self.manifest.training_uid:
            raise RecordError(
                "T-CORRUPT",
                f"{path}: is of training {record.manifest.training_uid}, the record of"
                f" {self.manifest.training_uid}.",
            )
        if record.optimizers:
            raise RecordError("T-CORRUPT", f"{path}: has further optimizers of its own.")
        return record

    def _document(self, file: FileDigest | None, kind: type[_Document]) -> _Document | None:
        if file is None:
            return None
        return _parse(_read_checked(self.directory, file), file.path, kind)

    def _check_steps(self) -> None:
        if self.manifest.parts and (self.card is None or self.summary is None):
            raise RecordError("T-CORRUPT", f"{MANIFEST}: names parts but no model card or summary.")
        rows, last = 0, -1
        for part in self.manifest.parts:
            if part.first_step <= last:
                raise RecordError("T-OVERLAP", f"{part.path}: step {part.first_step} stands twice.")
            if part.last_step - part.first_step + 1 != part.rows:
                raise RecordError("T-CORRUPT", f"{MANIFEST}: {part.path}: steps and rows disagree.")
            rows, last = rows + part.rows, part.last_step
        summarised = self.summary.steps if self.summary else 0
        if not rows == self.manifest.observed_steps == summarised:
            raise RecordError(
                "T-TRUNCATED",
                f"{MANIFEST}: says {self.manifest.observed_steps} steps, its parts hold {rows}, its"
                f" summary {summarised}.",
            )


def read_steps(
    folder: Path, part: Part, *, variables: int, activations: int
) -> Iterator[StepBatch]:
    """Yields the steps of one part of a record, in bounded memory.

    Args:
        folder: The record's.
        part: As its manifest names it.
        variables: Number of variables.
        activations: Number of layers whose activations were looked at.

    Raises:
        RecordError: If it is missing, cut off, altered, or does not hold what the manifest says.
    """
    data = _read_checked(folder, part)
    expected = part.first_step
    try:
        for batch in read_part(
            data, variables=variables, activations=activations, most_rows=part.rows
        ):
            if batch.step[0] != expected:
                raise ValueError(f"begins at step {batch.step[0]}, expected {expected}")
            expected += len(batch)
            yield batch
        if expected != part.last_step + 1:
            rows = expected - part.first_step
            raise ValueError(f"has {rows} rows, the manifest says {part.rows}")
    except ValueError as error:
        raise RecordError("T-CORRUPT", f"{part.path}: {error}.") from error


def open_record(directory: str | os.PathLike[str]) -> Record:
    """Opens a finished record; its steps are read and checked by `Record.batches`.

    Raises:
        RecordError: If there is no record, it is not finished, or it is not whole.
    """
    folder = Path(directory)
    try:
        if not folder.is_dir():
            raise RecordError("T-MISSING", f"{folder}: there is no health record.")
        if not (folder / MANIFEST).is_file():
            if not (folder / PARTS).is_dir():
                raise RecordError("T-MISSING", f"{folder}: holds no health record.")
            raise RecordError("T-UNFINALIZED", _unfinished(folder))
    except OSError as error:
        message = f"{folder}: the health record cannot be read: {error.strerror}."
        raise RecordError("T-MISSING", message) from error
    data = _read(folder, MANIFEST)
    manifest = _parse(data, MANIFEST, Manifest, before=_check_manifest)
    return Record(folder, manifest, sha256(data))


def _unfinished(folder: Path) -> str:
    last = "no step reached the disk"
    for path in sorted((folder / PARTS).glob("*.parquet"), reverse=True):
        try:
            data = read_plain(path, most=_MAX_DOCUMENT)
            file = pq.ParquetFile(pa.BufferReader(data))
            steps = file.read(columns=["step"], use_threads=False).column("step")
            last = f"the last step on disk is {steps[-1].as_py()}"
            break
        except (OSError, ValueError, IndexError, KeyError, pa.ArrowException):
            continue
    return f"{folder}: the training did not finish its record (killed or still running); {last}."


def _check_manifest(document: object) -> None:
    if not isinstance(document, dict):
        raise ValueError("is no JSON object.")
    version = document.get("schema_version", "")
    major = str(version).split(".")[0]
    if major.isdigit() and int(major) > int(SCHEMA_VERSION.split(".")[0]):
        raise RecordError(
            "T-SCHEMA-NEW",
            f"{MANIFEST}: written in version {version}; this gradgate reads up to {SCHEMA_VERSION}."
            " Judge it with the gradgate that wrote it, or a newer one.",
        )
    if document.get("digest") != manifest_digest(document):
        raise ValueError("does not have the digest that it says: it was damaged or edited.")


def _parse(
    data: bytes,
    name: str,
    kind: type[_Document],
    before: Callable[[object], None] = lambda _: None,
) -> _Document:
    try:
        before(parse_json(data))
        return kind.model_validate_json(data)
    except ValidationError as error:
        where = error.errors()[0]
        field = ".".join(str(step) for step in where["loc"])
        raise RecordError("T-CORRUPT", f"{name}: {field}: {where['msg']}.") from error
    except ValueError as error:
        raise RecordError("T-CORRUPT", f"{name}: {error}") from error


def _read_checked(folder: Path, file: FileDigest) -> bytes:
    data = _read(folder, file.path)
    if len(data) != file.size:
        raise RecordError(
            "T-TRUNCATED",
            f"{file.path}: has {len(data)} bytes, the manifest says {file.size}. {_MEND}",
        )
    found = "sha256:" + hashlib.sha256(data).hexdigest()
    if found != file.sha256:
        raise RecordError(
            "T-CORRUPT",
            f"{file.path}: has digest {found}, the manifest says {file.sha256}. {_MEND}",
        )
    return data


def _read(folder: Path, name: str) -> bytes:
    try:
        if not _is_inside(folder, name):
            raise RecordError("T-CORRUPT", f"{name}: leads out of the record.")
        return read_plain(folder / name, most=_MAX_DOCUMENT)
    except FileNotFoundError:
        raise RecordError("T-TRUNCATED", f"{name}: is missing.") from None
    except OSError as error:
        raise RecordError("T-CORRUPT", f"{name}: cannot be read: {error.strerror}.") from error
    except ValueError as error:  # a name that no file can have
        raise RecordError("T-CORRUPT", f"{name!r}: cannot be read: {error}.") from error


def _is_inside(folder: Path, name: str) -> bool:
    """Whether a path that the manifest names can only be one of the record's own."""
    steps = Path(name).parts
    if Path(name).is_absolute() or ".." in steps:
        return False
    links = (folder.joinpath(*steps[: i + 1]).is_symlink() for i in range(len(steps)))
    return not any(links)
