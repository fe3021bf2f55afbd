"""Writes a health record: parts while the training runs, the manifest when it is over.

Every file is whole or absent (`durable.py`), and the manifest comes last with the digest of all
others, so a record that was cut off anywhere is seen to be cut off. A training that was killed can
go on with its record: see `RecordWriter.resume`.
"""

import os
import re
import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Literal

from numpy.typing import NDArray

from gradgate.contracts import (
    BoundModel,
    DataSource,
    FileDigest,
    Manifest,
    ModelCard,
    OptimizerRecord,
    Recorded,
    Resume,
    canonical_json,
    sha256,
)
from gradgate.telemetry.batch import StepBatch
from gradgate.telemetry.concatenate import Layout, concatenate, layout
from gradgate.telemetry.durable import sweep_temporaries, sync_folder, write_durably
from gradgate.telemetry.epochs import Epochs
from gradgate.telemetry.parts import PARTS, Parts
from gradgate.telemetry.resume import RESUME, Checkpoint, ResumeFolder, Training
from gradgate.telemetry.summarize import SummaryBuilder

CARD, SUMMARY, MANIFEST, OPTIMIZERS = "model.json", "summary.json", "manifest.json", "optimizers"
_PART_ROWS = 4096
_PART_SECONDS = 10.0
OPTIMIZER_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,99}")


class RecordWriter:
    """One training's record, in a directory of its own.

    Steps reach the disk in parts, each at most about 10 seconds or 4,096 steps after they were
    appended, so that a killed training leaves what it had.

    Attributes:
        directory: Where it lies.
        training_uid: Of the training; None before `begin_training`.
        started_at: RFC 3339, UTC: when the training began, the first time if it was resumed.
        is_resumed: Whether it goes on with what a killed training left.

    Args:
        directory: Made if it is missing; must not hold a finished record.
        resume: Go on with what a killed training left there, see `resume`.
        is_inner: Whether it is that of a further optimizer, see `for_optimizer`.

    Raises:
        FileExistsError: If the directory holds a record already.
        NotADirectoryError: If it is a file.
        ValueError: If what is to be gone on with is damaged.
    """

    def __init__(
        self, directory: str | os.PathLike[str], *, resume: bool = False, is_inner: bool = False
    ) -> None:
        self.directory = Path(directory)
        self._may_resume, self._is_inner = resume, is_inner
        if self.directory.exists() and not self.directory.is_dir():
            raise NotADirectoryError(
                f"{self.directory} is a file. A record needs a directory of its own: name another"
                " one."
            )
        self._refuse_finished()
        (self.directory / PARTS).mkdir(parents=True, exist_ok=True)
        sweep_temporaries(self.directory)
        has_parts = next((self.directory / PARTS).iterdir(), None) is not None
        if has_parts and not resume:
            raise FileExistsError(
                f"{self.directory} holds the parts of a training that did not finish. Pass"
                " resume=True to gradgate.instrument to go on with it, name another directory, or"
                " remove this one."
            )
        self.started_at = now()
        self.training_uid: str | None = None
        self._resumes: list[Resume] = []
        self._inner: dict[str, RecordWriter] = {}
        self._card: ModelCard | None = None
        self._builder: SummaryBuilder | None = None
        self._parts = Parts(self.directory)
        self._pending: list[StepBatch] = []
        self._pending_rows = 0
        self._pending_layout: Layout = {}
        self._pending_since = self._seconds = 0.0
        self._folder = ResumeFolder(self.directory)
        training = self._folder.read_training() if resume else None
        self.is_resumed = self._must_rewind = has_parts or training is not None
        if training is not None:
            self.training_uid, self.started_at = training.training_uid, training.started_at
            self._resumes = list(training.resumes)
        if has_parts:
            self._load()
        if not self.is_resumed:
            self._folder.remove()
        self._epochs = Epochs(self.directory / RESUME)

    @classmethod
    def resume(cls, directory: str | os.PathLike[str]) -> "RecordWriter":
        """Opens the record of a training that did not finish; a new one if there is none.

        `is_resumed` says which. If it is, `rewind` must be called before steps are appended.

        Raises:
            FileExistsError: If the directory holds a finished record.
            ValueError: If what it holds is damaged.
        """
        return cls(directory, resume=True)

    def for_optimizer(self, name: str) -> "RecordWriter":
        """Returns the writer of a further optimizer's record, in a folder of this one.

        It is resumed if this one is, and to be finalized before this one, which then names it.

        Raises:
            FileExistsError: If there is such a record already.
            ValueError: If the name cannot be that of a folder, or is taken.
        """
        if not OPTIMIZER_NAME.fullmatch(name):
            raise ValueError(
                f"for_optimizer: the name {name!r} cannot name a folder. Use at most 100 letters,"
                " digits, '_', '-' and '.', and do not begin with one of the last two."
            )
        if name in self._inner:
            raise ValueError(f"for_optimizer: two optimizers have the name {name!r}.")
        folder = self.directory / OPTIMIZERS / name
        writer = RecordWriter(folder, resume=self._may_resume, is_inner=True)
        if self.training_uid is not None:
            writer.begin_training(self.training_uid)
        self._inner[name] = writer
        return writer

    @property
    def card(self) -> ModelCard | None:
        """The model card as it was last written; that of a killed training when it is resumed."""
        return self._card

    @property
    def steps(self) -> int:
        """Rows appended so far."""
        return self._parts.rows() + self._pending_rows

    @property
    def next_step(self) -> int:
        """The step after the last row; greater than `steps` when some were lost."""
        return int(self._pending[-1].step[-1]) + 1 if self._pending else self._parts.end

    def begin_training(self, training_uid: str) -> None:
        """Says which training this is, durably: a later process can go on with it.

        Raises:
            ValueError: If the record is that of another training.
        """
        if self.training_uid not in (None, training_uid):
            raise ValueError(
                f"RecordWriter: {self.directory} is the record of training {self.training_uid}; the"
                f" training {training_uid} needs a directory of its own."
            )
        self.training_uid = training_uid
        self._save_training()
        for inner in self._inner.values():
            inner.begin_training(training_uid)

    def begin(self, card: ModelCard) -> None:
        """Writes `model.json`; again whenever more is known about the same variables.

        Raises:
            ValueError: If the variables differ from those of the first call.
        """
        if self._card is not None and _paths(card) != _paths(self._card):
            raise ValueError(
                f"RecordWriter: the record of {len(self._card.variables)} variables cannot go on"
                f" with {len(card.variables)} others. Start a new record for another model."
            )
        if self._builder is None:
            self._builder = SummaryBuilder(_paths(card), _layers(card))
        self._builder.set_layers(_layers(card))
        self._card = card
        write_durably(self.directory / CARD, _document(card))

    def append(self, batch: StepBatch) -> None:
        """Takes over a batch of steps that follow those appended before.

        Raises:
            ValueError: If they do not.
        """
        assert self._builder is not None, "begin comes before append"
        assert not self._must_rewind, "what a killed training left is rewound before append"
        if not len(batch):
            return
        if batch.step[0] < self.next_step:
            raise ValueError(
                f"RecordWriter: step {batch.step[0]} was appended after step {self.next_step - 1}."
                " Call rewind first to take steps back."
            )
        if self._pending and not self._fits(batch):
            self.flush()
        if not self._pending:
            self._pending_since = time.monotonic()
        self._pending.append(concatenate([batch]))  # a copy: the guard's arrays may be views
        self._pending_layout |= layout(batch)
        self._pending_rows += len(batch)
        if (
            self._pending_rows >= _PART_ROWS
            or time.monotonic() - self._pending_since >= _PART_SECONDS
        ):
            self.flush()

    def flush(self) -> None:
        """Writes what was appended as a part, and summarises it.

        Raises:
            OSError: If it could not be written, as on a full disk. Nothing is lost or forgotten
                then: the next call tries again, and without it the record is not finished.
        """
        if not self._pending:
            return
        assert self._builder is not None
        batch = concatenate(self._pending)
        self._parts.add(batch)
        self._pending, self._pending_layout, self._pending_rows = [], {}, 0
        self._builder.add(batch)
        self._seconds = float(batch.seconds[-1])

    def note_epoch(self, epoch: int, last_step: int, logs: Mapping[str, float]) -> None:
        """Takes over what the training loop said at the end of an epoch, see `EpochSummary`."""
        self._epochs.add(epoch, last_step, logs)

    def save_checkpoint(
        self, iterations: int, steps: int, state: Mapping[str, NDArray[Any]]
    ) -> None:
        """Makes it possible to go on from here: all rows first, then a small file, durably.

        Call it before the model's backup is written: a backup then always has its checkpoint.

        Args:
            iterations: Of the optimizer, as the backup will bring them back.
            steps: Steps taken so far, lost ones included: the next one's number.
            state: Arrays that the caller needs to go on; numbers only.

        Raises:
            ValueError: If rows of later steps were appended, or the state holds Python objects.
        """
        if steps < self.next_step:
            raise ValueError(
                f"save_checkpoint: after {steps} steps, but step {self.next_step - 1} was appended."
            )
        self.flush()
        self._folder.save(Checkpoint(iterations, steps, self._parts.rows(), state))

    def find_checkpoint(self, iterations: int) -> Checkpoint | None:
        """Returns the last checkpoint at these iterations of the optimizer; None if there is none.

        Raises:
            ValueError: If its file is damaged.
        """
        return self._folder.find(iterations)

    def rewind(self, steps: int, reason: str) -> float:
        """Takes back every row from this step on, and marks the restart.

        A process that is killed on the way leaves a directory that can be resumed again.

        Args:
            steps: The first step that will be taken now: of a checkpoint, or 0.
            reason: Why, for people.

        Returns:
            `seconds` of the last row that stays, 0 if none does: time goes on from there.

        Raises:
            ValueError: If rows before this step are missing or damaged. Nothing is changed then.
        """
        self.flush()
        self._refuse_gap(steps)
        if not (self.is_resumed or self._parts.written):
            return 0.0  # nothing was ever begun here
        self._folder.forget_after(steps)
        self._epochs.forget_from(steps)
        if self._parts.cut(steps):
            self._load()
        self._resumes.append(Resume(at_step=steps, reason=reason))
        self._save_training()
        self._must_rewind = False
        return self._seconds

    def finalize(
        self,
        *,
        training_uid: str,
        status: Literal["completed", "stopped", "failed"],
        instrumented: bool,
        status_message: str = "",
        planned_steps: int | None = None,
        lost_steps: int = 0,
        loss_scale_skips: int | None = None,
        optimizer_name: str = "",
        optimizers: Sequence[OptimizerRecord] = (),
        resumes: Sequence[Resume] = (),
        mlflow_run_id: str | None = None,
        model: BoundModel | None = None,
        data: Sequence[DataSource] = (),
        constant_loss: float | None = None,
        final_weight_nonfinite: Mapping[str, int] | None = None,
        final_weight_sha256: Mapping[str, str] | None = None,
    ) -> Manifest:
        """Writes `summary.json`, then `manifest.json`: from now on the record can be judged.

        The arguments are fields of `gradgate.contracts.Manifest`, and for the summary those of
        `SummaryBuilder.build`. What is known here comes in by itself: the records of
        `for_optimizer` before `optimizers`, the restarts before `resumes`; `loss_scale_skips` None
        takes those of the rows.

        Raises:
            ValueError: If a record of `for_optimizer` is not finished.
        """
        self.flush()
        if self._must_rewind:  # the training ended before it went on: what it left is all there is
            self._parts.cut(self._parts.end)
        inner = [_named(name, writer) for name, writer in self._inner.items()]
        if loss_scale_skips is None:
            loss_scale_skips = 0 if self._builder is None else self._builder.loss_scale_skips
        card = summary = None
        if self._card is not None and self._builder is not None:
            summary = self._write(
                SUMMARY,
                self._builder.build(
                    loss_measured=self._card.loss_measured,
                    loss_scale_skips=loss_scale_skips,
                    replicas=self._card.replicas_by_name,
                    epochs=self._epochs.all(),
                    constant_loss=constant_loss,
                    final_weight_nonfinite=final_weight_nonfinite,
                    final_weight_sha256=final_weight_sha256,
                ),
            )
            card = self._write(CARD, self._card)
        manifest = Manifest(
            training_uid=training_uid,
            mlflow_run_id=mlflow_run_id,
            status=status,
            status_message=status_message,
            instrumented=instrumented,
            planned_steps=planned_steps,
            observed_steps=self._parts.rows(),
            lost_steps=lost_steps,
            loss_scale_skips=loss_scale_skips,
            optimizer_name=optimizer_name,
            optimizers=(*inner, *optimizers),
            resumes=(*self._resumes, *resumes),
            parts=tuple(self._parts.written),
            card=card,
            summary=summary,
            model=model,
            data=tuple(data),
            started_at=self.started_at,
            finished_at=now(),
        ).sealed()
        self._write(MANIFEST, manifest)
        if not self._is_inner:
            for writer in (*self._inner.values(), self):
                writer._folder.remove()
        return manifest

    def _refuse_finished(self) -> None:
        manifest = self.directory / MANIFEST
        if not manifest.exists():
            return
        if self._may_resume and self._is_inner:
            # The training was killed between this record's manifest and that of the whole.
            manifest.unlink()
            sync_folder(self.directory)
            return
        raise FileExistsError(
            f"{self.directory} holds a finished record. Each training needs a directory of its own:"
            " name another one, or remove this one."
        )

    def _load(self) -> None:
        """Finds the parts on disk, and summarises them anew."""
        path = self.directory / CARD
        if self._card is None and path.exists():
            self._card = _read_card(path)
        if self._card is None:
            if self._parts.has_files():
                raise ValueError(f"{path}: is missing, so the steps beside it cannot be read.")
            return
        self._builder = SummaryBuilder(_paths(self._card), _layers(self._card))
        self._seconds = 0.0
        layers = len(self._card.activations)
        for batch in self._parts.find(variables=len(self._card.variables), activations=layers):
            self._builder.add(batch)
            self._seconds = float(batch.seconds[-1])

    def _fits(self, batch: StepBatch) -> bool:
        """Whether a batch can be of one part with those that are pending."""
        known = self._pending_layout
        alike = all(known.get(name, shape) == shape for name, shape in layout(batch).items())
        return alike and bool(batch.step[0] == self.next_step)  # else steps between were lost

    def _refuse_gap(self, steps: int) -> None:
        checkpoint = self._folder.at(steps)
        expected = steps if checkpoint is None else checkpoint.rows
        found = self._parts.rows(before=steps)
        has_gap = found < expected if checkpoint is None else found != expected
        if has_gap:
            why = f" ({self._parts.damage})" if self._parts.damage else ""
            raise ValueError(
                f"RecordWriter: {self.directory} holds {found} of the {expected} steps before step"
                f" {steps}{why}, so the training cannot go on from there. Name another directory,"
                " or remove this one, and train from the start."
            )

    def _save_training(self) -> None:
        if self.training_uid is not None:
            self._folder.write_training(
                Training(
                    training_uid=self.training_uid,
                    started_at=self.started_at,
                    resumes=tuple(self._resumes),
                )
            )

    def _write(self, name: str, document: Recorded) -> FileDigest:
        data = _document(document)
        write_durably(self.directory / name, data)
        return FileDigest(path=name, size=len(data), sha256=sha256(data))


def now() -> str:
    """The time as RFC 3339 in UTC, to the second."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")


def _document(document: Recorded) -> bytes:
    return canonical_json(document.model_dump(mode="json"))


def _paths(card: ModelCard) -> tuple[str, ...]:
    return tuple(variable.path for variable in card.variables)


def _layers(card: ModelCard) -> tuple[str, ...]:
    return tuple(activation.layer for activation in card.activations)


def _named(name: str, writer: RecordWriter) -> OptimizerRecord:
    path = f"{OPTIMIZERS}/{name}"
    try:
        digest = sha256((writer.directory / MANIFEST).read_bytes())
    except FileNotFoundError:
        raise ValueError(
            f"RecordWriter: the record {path} is not finished. Finalize it before the whole."
        ) from None
    return OptimizerRecord(name=name, path=path, sha256=digest)


def _read_card(path: Path) -> ModelCard:
    try:
        return ModelCard.model_validate_json(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{path}: is damaged, so this training cannot go on: {error}") from error
