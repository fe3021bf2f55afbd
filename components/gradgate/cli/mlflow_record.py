"""The record of an MLflow run, as `gradgate check --run-id` judges it.

MLflow is asked where the record lies; it is never evidence itself.
"""

import dataclasses
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from gradgate.cli.exits import Exit, refuse
from gradgate.cli.read import evidence_of
from gradgate.gate import Evidence, RecordProblem

MIRROR: Final = "S-MIRROR"
MIRROR_MESSAGE: Final = (
    "the record is the copy that MLflow keeps, which others may have written: good for looking, it"
    " never blesses; judge the record itself where it can be reached"
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunRecord:
    """What is known of the training of a run.

    Attributes:
        record: Where its record lies; None if that is a copy from MLflow, or there is none.
        is_copy: Whether the evidence is of a copy.
    """

    evidence: Evidence | RecordProblem
    record: Path | None
    is_copy: bool = False


@contextmanager
def record_of_run(run_id: str, tracking_uri: str | None, *, seconds: float) -> Iterator[RunRecord]:
    """Yields the record of a run; a copy is gone afterwards.

    Args:
        run_id: The run.
        tracking_uri: Of the server or store; None takes MLFLOW_TRACKING_URI.
        seconds: How long to wait for MLflow.
    """
    uri = tracking_uri or os.environ.get("MLFLOW_TRACKING_URI") or ""
    if "://" not in uri:
        refuse(
            "--run-id needs the address of the tracking server or store: --tracking-uri, or"
            f" MLFLOW_TRACKING_URI, such as http://mlflow:5000; got {uri or 'none'!r}",
            Exit.USAGE,
        )
    with tempfile.TemporaryDirectory(prefix="gradgate-run-") as folder:
        yield _found(run_id, uri, Path(folder), seconds)


def _found(run_id: str, uri: str, folder: Path, seconds: float) -> RunRecord:
    from gradgate.telemetry.sinks.mlflow import PATIENCE

    for name, value in PATIENCE.items():
        os.environ.setdefault(name, value)
    try:
        from gradgate.telemetry.sinks.mlflow_find import RunError, find_record
    except ImportError as error:
        refuse(f"--run-id needs MLflow ({error}); install gradgate[mlflow]", Exit.USAGE)
    try:
        found = find_record(run_id, uri, copy_to=folder, seconds=seconds)
    except RunError as problem:
        return RunRecord(
            evidence=RecordProblem(code=problem.code, message=problem.message), record=None
        )
    evidence = evidence_of(found.record)
    if isinstance(evidence, Evidence) and evidence.manifest.training_uid != found.training_uid:
        message = (
            f"run {run_id} is of training {found.training_uid}, and the record at {found.record} of"
            f" {evidence.manifest.training_uid}; name the record of this training by its directory"
        )
        evidence = RecordProblem(code="I-RUN-MISMATCH", message=message)
    return RunRecord(
        evidence=evidence,
        record=None if found.is_copy else found.record,
        is_copy=found.is_copy,
    )
