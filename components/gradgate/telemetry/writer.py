"""Writes a health record: parts while the training runs, the manifest when it is over.

Every file is whole or absent (`durable.py`), and the manifest comes last with the digest of all
others, so a record that was cut off anywhere is seen to be cut off.
"""

import io
import os
import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq

from gradgate.contracts import (
    BoundModel,
    DataSource,
    FileDigest,
    Manifest,
    ModelCard,
    Part,
    Recorded,
    Resume,
    canonical_json,
    sha256,
)
from gradgate.telemetry.batch import StepBatch
from gradgate.telemetry.columns import to_table
from gradgate.telemetry.durable import sweep_temporaries, write_durably
from gradgate.telemetry.summarize import SummaryBuilder

CARD, SUMMARY, MANIFEST, PARTS = "model.json", "summary.json", "manifest.json", "parts"
_PART_ROWS = 4096
_PART_SECONDS = 10.0


class RecordWriter:
    """One training's record, in a directory of its own.

    Steps reach the disk in parts, each at most about 10 seconds or 4,096 steps after they were
    appended, so that a killed training leaves what it had.

    Args:
        directory: Made if it is missing; must not hold a finished record.

    Raises:
        FileExistsError: If the directory holds a record already.
    """

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        self.directory = Path(directory)
        if (self.directory / MANIFEST).exists():
            raise FileExistsError(
                f"{self.directory} holds a finished record. Each training needs a directory of its"
                " own: name another one, or remove this one."
            )
        (self.directory / PARTS).mkdir(parents=True, exist_ok=True)
        sweep_temporaries(self.directory)
        if next((self.directory / PARTS).iterdir(), None) is not None:
            raise FileExistsError(
                f"{self.directory} holds the parts of a training that did not finish. Name another"
                " directory, or remove this one."
            )
        self.started_at = now()
        self._card: ModelCard | None = None
        self._builder: SummaryBuilder | None = None
        self._parts: list[Part] = []
        self._pending: list[pa.Table] = []
        self._pending_since = 0.0

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
            self._builder = SummaryBuilder(_paths(card))
        self._card = card
        write_durably(self.directory / CARD, _document(card))

    def append(self, batch: StepBatch) -> None:
        """Takes over a batch of steps that follow those appended before."""
        assert self._builder is not None, "begin comes before append"
        if not len(batch):
            return
        if not self._pending:
            self._pending_since = time.monotonic()
        self._builder.add(batch)
        self._pending.append(to_table(batch))
        rows = sum(table.num_rows for table in self._pending)
        if rows >= _PART_ROWS or time.monotonic() - self._pending_since >= _PART_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Writes what was appended as a part."""
        if not self._pending:
            return
        table = pa.concat_tables(self._pending)
        self._pending = []
        buffer = io.BytesIO()
        pq.write_table(table, buffer, compression="zstd")
        data = buffer.getvalue()
        path = f"{PARTS}/{len(self._parts):05d}.parquet"
        write_durably(self.directory / path, data)
        steps = table.column("step")
        self._parts.append(
            Part(
                path=path,
                size=len(data),
                sha256=sha256(data),
                rows=table.num_rows,
                first_step=steps[0].as_py(),
                last_step=steps[-1].as_py(),
            )
        )

    def finalize(
        self,
        *,
        training_uid: str,
        status: Literal["completed", "stopped", "failed"],
        instrumented: bool,
        status_message: str = "",
        planned_steps: int | None = None,
        lost_steps: int = 0,
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
        `SummaryBuilder.build`.
        """
        self.flush()
        card = summary = None
        if self._card is not None and self._builder is not None:
            summary = self._write(
                SUMMARY,
                self._builder.build(
                    loss_measured=self._card.loss_measured,
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
            observed_steps=sum(part.rows for part in self._parts),
            lost_steps=lost_steps,
            resumes=tuple(resumes),
            parts=tuple(self._parts),
            card=card,
            summary=summary,
            model=model,
            data=tuple(data),
            started_at=self.started_at,
            finished_at=now(),
        ).sealed()
        self._write(MANIFEST, manifest)
        return manifest

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
