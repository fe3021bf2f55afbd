"""Where a training is mirrored: the small file that travels from the record to the verdict."""

from pathlib import Path

from gradgate.contracts import Recorded, Tracking, canonical_json
from gradgate.telemetry.durable import write_durably

TRACKING = "tracking.json"
"""Beside the record and the verdict. No evidence, so it is not in the manifest."""


class Place(Recorded):
    """Where the run is mirrored. `folder` holds the outbox, and the store if it is embedded."""

    tracking: Tracking
    folder: str
    training_uid: str
    started_ms: int


def read_place(directory: Path) -> Place | None:
    """Returns what the directory says; None when nothing is mirrored."""
    path = directory / TRACKING
    return Place.model_validate_json(path.read_bytes()) if path.exists() else None


def write_place(directory: Path, place: Place) -> None:
    """Writes it, whole or not at all."""
    write_durably(directory / TRACKING, canonical_json(place.model_dump(mode="json")))


def embedded_uri(folder: Path) -> str:
    """Address of the store that needs no server."""
    return f"sqlite:///{folder.absolute() / 'mlflow.db'}"
