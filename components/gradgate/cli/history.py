"""Trainings of the past: the records below some folders, and the verdicts that were given on them.

A verdict belongs to a record by the digest of its manifest, wherever the two lie. A record and its
copies, such as the one that an MLflow run holds, are one training.
"""

import dataclasses
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from gradgate.cli.read import model_beside
from gradgate.contracts import Verdict, parse_json, sha256
from gradgate.gate.read_verdict import VERDICT, VerdictError, read_verdict

_MANIFEST, _PARTS = "manifest.json", "parts"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Past:
    """One training of the past.

    Attributes:
        record: Its directory.
        finished_at: RFC 3339; empty when its manifest cannot be read.
        training_uid: Empty when its manifest cannot be read.
        verdict: The last one that was given on it; None when there is none.
    """

    record: Path
    finished_at: str
    training_uid: str
    verdict: Verdict | None


def find_past(folders: Sequence[Path]) -> tuple[list[Past], list[str]]:
    """Returns the trainings whose records lie below some folders, the oldest first.

    Returns:
        The trainings, and lines about what was left out: verdicts that cannot be read, and copies.

    Raises:
        ValueError: If a folder holds no record.
    """
    records: dict[Path, Path] = {}
    verdicts: dict[str, Verdict] = {}
    unread: list[str] = []
    for folder in folders:
        has_record = False
        for place in _walk(folder):
            if place.name == VERDICT:
                _take(place, verdicts, unread)
            else:
                has_record = True
                records.setdefault(place.resolve(), place)
        if not has_record:
            raise ValueError(
                f"{folder}: holds no health record. Name the directory of one, or a folder that"
                " holds some, such as TFX's pipeline root."
            )
    once, copies = _without_copies(list(records.values()))
    if copies:
        unread.append(f"{copies} {'copy' if copies == 1 else 'copies'} of these records")
    past = [_past(record, digest, verdicts) for record, digest in once]
    return sorted(past, key=lambda one: (one.finished_at, str(one.record))), unread


def _without_copies(records: Sequence[Path]) -> tuple[list[tuple[Path, str]], int]:
    """Each record once, with the digest of its manifest, and how many were left out.

    Of several with one digest that with its model beside it stays, else the first. What has no
    manifest that can be read is no copy of anything.
    """
    once: dict[str, Path] = {}
    for record in records:
        digest = _digest(record)
        known = once.setdefault(digest or str(record), record)
        if known is not record and model_beside(known) is None and model_beside(record):
            once[digest] = record
    found = [(record, _digest(record)) for record in once.values()]
    return found, len(records) - len(found)


def _digest(record: Path) -> str:
    """Of the manifest; empty where that cannot be read."""
    return sha256((record / _MANIFEST).read_bytes()) if _manifest(record) else ""


def _walk(folder: Path) -> Iterator[Path]:
    """Yields every record and every file of a verdict; never looks into a record."""
    for place, folders, files in os.walk(folder):
        folders.sort()
        if _is_record(Path(place), folders):
            yield Path(place)
            folders.clear()
        if VERDICT in files:
            yield Path(place, VERDICT)


def _is_record(place: Path, folders: Sequence[str]) -> bool:
    if (place / _MANIFEST).is_file():
        return _PARTS in folders or "training_uid" in _manifest(place)
    return _PARTS in folders and any((place / _PARTS).glob("*.parquet"))


def _manifest(place: Path) -> dict[str, object]:
    """The manifest as far as it can be read; a pipe is not, since it may never end."""
    if not (place / _MANIFEST).is_file():
        return {}
    try:
        document = parse_json((place / _MANIFEST).read_bytes())
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}


def _take(file: Path, verdicts: dict[str, Verdict], unread: list[str]) -> None:
    """Keeps the last verdict on each record."""
    try:
        verdict = read_verdict(file)
    except VerdictError as error:
        unread.append(str(error))
        return
    digest = verdict.inputs.record_digest
    if digest and (digest not in verdicts or verdicts[digest].as_of <= verdict.as_of):
        verdicts[digest] = verdict


def _past(record: Path, digest: str, verdicts: dict[str, Verdict]) -> Past:
    manifest = _manifest(record)
    return Past(
        record=record,
        finished_at=str(manifest.get("finished_at", "")),
        training_uid=str(manifest.get("training_uid", "")),
        verdict=verdicts.get(digest),
    )
