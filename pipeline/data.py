"""Finds the Chicago taxi table that the `tfx` wheel ships, and its schema, for a workspace.

The table is real, it is already on the disk of whoever can run the pipeline, and it is known by
its digest: a different one would tell another story than the README.
"""

import hashlib
import importlib.util
import tempfile
from pathlib import Path

TABLE = "examples/chicago_taxi_pipeline/data/big_tipper_label/data.csv"
SHA256 = "2eae00c2464ccfb7e20e99963639288cd7a9c9dadbdc9d508645e96099e96851"
ROWS = 15_002
SCHEMA = Path(__file__).resolve().parents[1] / "schemas" / "data" / "chicago_taxi" / "schema.pbtxt"


class DataError(Exception):
    """The table is not there, or is not the one that was reviewed."""


def find_table() -> Path:
    """Returns the table inside the installed `tfx`, without importing it (that takes 20 s).

    Raises:
        DataError: If `tfx` is not installed, or does not hold the table.
    """
    spec = importlib.util.find_spec("tfx")
    if spec is None or not spec.submodule_search_locations:
        raise DataError(
            "tfx is not installed, and the data ships inside it. Install gradgate[tfx], or run"
            " `make demo`, which does."
        )
    path = Path(spec.submodule_search_locations[0], TABLE)
    if not path.is_file():
        raise DataError(f"{path} is missing: this tfx does not ship the Chicago taxi table.")
    return path


def stage_table(workspace: Path, *, source: Path | None = None) -> Path:
    """Copies the table into the workspace, once.

    TFX's cache looks at the time of change of its input files, so a copy that is already there
    is left alone.

    Args:
        workspace: The folder that a run keeps everything in.
        source: The table; None takes the installed one.

    Returns:
        The folder to give to `CsvExampleGen`.

    Raises:
        DataError: If the table is not the one that was reviewed; the message names both digests.
    """
    folder = workspace / "data" / "chicago_taxi"
    target = folder / "data.csv"
    if target.is_file() and _digest(target.read_bytes()) == SHA256:
        return folder
    path = find_table() if source is None else source
    data = path.read_bytes()
    if (found := _digest(data)) != SHA256:
        raise DataError(
            f"{path}: this is not the table that was reviewed. Its SHA-256 is {found}, expected"
            f" {SHA256}."
        )
    lay(target, data)
    return folder


def stage_schema(workspace: Path, schema: Path) -> Path:
    """Puts a reviewed schema under a path that names its content; TFX caches it by its path."""
    data = schema.read_bytes()
    target = workspace / "data" / f"schema-{_digest(data)[:16]}" / "schema.pbtxt"
    lay(target, data)
    return target


def lay(target: Path, data: bytes) -> None:
    """Writes a file whole: of runs that begin at the same time none reads half of it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=target.parent, prefix=".", delete=False) as file:
        file.write(data)
    Path(file.name).chmod(0o644)
    Path(file.name).replace(target)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
